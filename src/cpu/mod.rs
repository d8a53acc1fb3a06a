//! The CPU path: runs every precision and scheme on the processor, with SIMD instructions and the same numerics.
//!
//! It runs with `--adapter cpu`, on machines without an adapter, and for f16 if the adapter lacks `shader-f16`.
//!
//! # How it works
//!
//! - A kernel is written once, over the vectors of an instruction set ([`Isa`]): AVX-512 with VNNI,
//!   AVX-512, AVX2, or plain Rust, which a compiler turns into SSE2, NEON or whatever the target has. One
//!   binary has all kernels of its architecture. It uses the fastest that the processor can run ([`Processor`]), or the
//!   requested one, so that tests can run each.
//! - Weights are packed once, in the order in which a product reads them. In f16 they are stored as
//!   binary16 and widened by an instruction as they are loaded, or, where there is none, a panel at a
//!   time; in bfloat16 a shift widens them; in int8 they are bytes. In int4 a byte holds two: few rows
//!   take them as they are, many a panel at a time that was widened to f32.
//! - A network is a chain of layers, and each has its own input format: floats of the type of its weights, or quantized
//!   values. One thread takes a block of rows through all layers, and the threads synchronize once a batch. The int8
//!   scheme `dynamic-tensor` has one scale for the whole batch, so there they synchronize after each layer.
//! - In the scheme `static` the scales are known, so each finished tile of sums is quantized at once and the sums are
//!   never in memory. By row they are in memory, because the row's largest value must be found first.
//! - Each thread claims one block after another. The batch does not wait for threads that start too late, and small
//!   batches run on one thread. The number of threads does not change the outputs.
//! - No memory is allocated after the largest batch was uploaded.
//!
//! # Why kernels of our own
//!
//! `benches/libraries` times the matrix libraries of Rust on the products of these networks, weights
//! packed where a library can; its last table is in `benches/record`. There `gemm`, `faer` (which is built on it),
//! `matrixmultiply` and `rten-gemm` in f32 take longer for a product alone than a whole layer takes
//! here, from the pixels' bytes on: a library writes its sums to memory and reads them again for bias and
//! activation, wants its input converted before, packs weights at each call, or knows no binary16.
//! `rten-gemm` multiplies bytes by VNNI too; its product alone takes as long as a whole layer here where
//! that is wide, and longer elsewhere. `gemm` stays for training ([`matmul`]), which
//! multiplies what changes at every step.
//!
//! Not implemented: VNNI without AVX-512 (those processors run `avx2`), NEON's dot product (AArch64
//! runs `portable`, which its compiler vectorizes), and a way to share the columns of a single row among
//! threads.

mod aligned;
mod chain;
mod control_workload;
pub mod copy;
mod int4;
mod int8;
mod integer;
mod isa;
pub mod matmul;
pub(crate) mod numerics;
mod panels;
pub mod peak;
mod processor;
mod product;
mod quantized;
mod simd;
mod softmax;
mod thread_pool;

pub use control_workload::ControlWorkload;
pub use integer::IntegerWeights;
pub use isa::{Isa, Supported};
pub use processor::{MOST_THREADS, Processor, ProcessorOptions};
pub use thread_pool::ThreadPool;

use chain::Chain;
use int8::Int8Network;

use crate::Precision;
use crate::error::Result;
use crate::host;
use crate::quantize::{QuantizedLayer, QuantizedNetwork};

/// The cost of a batch from which on more threads than one make it faster: one thread takes some 20 µs for
/// it, several times what waking another takes.
const THREADED_FROM: usize = 4 << 20;

/// What a multiply-add costs, and what an int8 product does where the processor multiplies bytes: there
/// four of those take as long as one multiply-add.
const COST: usize = 4;
const COST_OF_BYTES: usize = 1;

/// Memory of the blocks that a thread works on.
const BYTES_OF_THREAD: u64 = 1 << 20;

/// A network ready to run on the CPU.
#[derive(Debug)]
pub struct Session {
    arithmetic: NetworkKind,
    processor: Processor,
    /// Of one image.
    cost: usize,
    inputs: usize,
    /// Of one image: its input, and what the layers give.
    values: usize,
    pixels: Vec<u8>,
    batch: usize,
    threads: usize,
}

#[derive(Debug)]
enum NetworkKind {
    /// The outputs of an image depend on that image only.
    Chain(Box<Chain>),
    /// int8 `dynamic-tensor`.
    Tensor(Box<Int8Network>),
}

impl Session {
    /// Packs the weights of `model` for the vectors of `processor`.
    ///
    /// # Errors
    /// `Error::File` where the model is damaged.
    pub fn new(model: &QuantizedNetwork, processor: &Processor) -> Result<Self> {
        model.check()?;
        let weights: usize = model.layers.iter().map(|layer| layer.weights.len()).sum();
        host::need("packing the weights", 8 * weights as u64)?;
        let architecture = model.architecture();
        let arithmetic = if architecture.shares_scales() {
            NetworkKind::Tensor(Box::new(Int8Network::new(model, processor)))
        } else {
            NetworkKind::Chain(Box::new(Chain::new(model, processor)))
        };
        Ok(Self {
            arithmetic,
            processor: processor.clone(),
            cost: cost(&model.layers, processor),
            inputs: architecture.inputs(),
            values: architecture.widths().iter().sum(),
            pixels: Vec::new(),
            batch: 0,
            threads: 1,
        })
    }

    /// What it runs on.
    #[must_use]
    pub fn processor(&self) -> &Processor {
        &self.processor
    }

    /// The threads that the batch uploaded last runs on.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Gives back the memory that batches took; the next one is to be uploaded before it is run.
    pub fn release(&mut self) {
        self.pixels = Vec::new();
        self.batch = 0;
        match &mut self.arithmetic {
            NetworkKind::Chain(network) => network.release(),
            NetworkKind::Tensor(network) => network.release(),
        }
    }

    /// Fails if this machine does not have the memory that [`Session::upload`] takes for a batch of this size.
    ///
    /// # Errors
    /// `Error::HostMemory`.
    pub fn check_batch(&self, batch: usize) -> Result<()> {
        if batch == self.batch {
            return Ok(());
        }
        let values = (batch as u64).saturating_mul(self.values as u64);
        let threads = self.processor.info().threads.min(batch) as u64;
        // The pixels, and every value in f32; the blocks of each thread.
        let bytes = values.saturating_mul(5) + threads * BYTES_OF_THREAD;
        host::need(&format!("a batch of {batch} images"), bytes)
    }

    /// Copies a batch to where the timed run starts from, and allocates what it needs where no
    /// earlier batch did. `pixels: [batch, in]` row-major.
    ///
    /// # Panics
    /// Where `pixels` are not so many images of the model's width.
    pub fn upload(&mut self, pixels: &[u8], batch: usize) {
        assert_eq!(pixels.len(), batch * self.inputs, "{batch} images");
        if batch != self.batch {
            self.batch = batch;
            self.threads = self.threads_for(batch);
            match &mut self.arithmetic {
                NetworkKind::Chain(network) => network.prepare(batch, self.threads),
                NetworkKind::Tensor(network) => network.prepare(batch, self.threads),
            }
        }
        self.pixels.clear();
        self.pixels.reserve_exact(pixels.len());
        self.pixels.extend_from_slice(pixels);
    }

    /// How many threads a batch runs on.
    fn threads_for(&self, batch: usize) -> usize {
        if self.cost.saturating_mul(batch) < THREADED_FROM {
            return 1;
        }
        let tiles = batch.div_ceil(simd::TILE_ROWS);
        self.processor.info().threads.min(tiles)
    }

    /// The outputs `[batch, out]` of the batch uploaded last; of none before the first.
    pub fn run(&mut self) -> &[f32] {
        if self.batch == 0 {
            return &[];
        }
        match &mut self.arithmetic {
            NetworkKind::Chain(network) => network.run(&self.pixels),
            NetworkKind::Tensor(network) => network.run(&self.pixels),
        }
    }

    /// Bytes held for weights, activations and pixels.
    #[must_use]
    pub fn allocated_bytes(&self) -> u64 {
        let network = match &self.arithmetic {
            NetworkKind::Chain(network) => network.allocated_bytes(),
            NetworkKind::Tensor(network) => network.allocated_bytes(),
        };
        network + self.pixels.capacity() as u64
    }

    /// Bytes that weights, activations and pixels of a batch need, before anything of the batch is allocated.
    #[must_use]
    pub fn planned_bytes(&self, batch: usize) -> u64 {
        let threads = self.threads_for(batch);
        let network = match &self.arithmetic {
            NetworkKind::Chain(network) => network.planned_bytes(batch, threads),
            NetworkKind::Tensor(network) => network.planned_bytes(batch, threads),
        };
        network + (batch * self.inputs) as u64
    }
}

/// What one image costs, by its layers' products.
fn cost(layers: &[QuantizedLayer], processor: &Processor) -> usize {
    let by_bytes = processor.lanes().group == 4;
    let of = |layer: &QuantizedLayer| {
        let bytes = by_bytes && layer.precision() == Precision::Int8;
        layer.weights.len() * if bytes { COST_OF_BYTES } else { COST }
    };
    layers.iter().map(of).sum()
}
