//! The CPU path: the same three precisions with the same numerics, in the processor's own vectors.
//!
//! It serves `--adapter cpu`, machines without any adapter, and f16 where an adapter lacks
//! `shader-f16`.
//!
//! # How it is made
//!
//! - A kernel is written once, over the vectors of an instruction set ([`Isa`]): AVX-512 with VNNI,
//!   AVX-512, AVX2, or plain Rust, which a compiler turns into SSE2, NEON or whatever the target has. One
//!   binary holds all of its architecture's and takes the fastest that the processor has
//!   ([`Processor`]); or the one asked for, which is how tests reach each.
//! - Weights are packed once, in the order in which a product reads them. In f16 they are stored as
//!   binary16 and widened by an instruction as they are loaded, or, where there is none, a panel at a
//!   time; in int8 they are bytes.
//! - In f32 and f16 a block of rows goes through all layers on one thread: threads meet once a batch. In
//!   int8 a tensor's scale is the whole batch's, so that they meet after each layer.
//! - Threads claim block after block. Who comes too late is not waited for, and small batches stay on
//!   one thread. The number of threads changes no bit of the outputs.
//! - Nothing is allocated once the largest batch was uploaded.
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
//! What is not there: VNNI without AVX-512 (those processors run `avx2`), NEON's dot product (AArch64
//! runs `portable`, which its compiler vectorizes), and a way to share the columns of a single row among
//! threads.

pub mod activation;
mod aligned;
mod codes;
pub mod copy;
mod int8;
mod integer;
mod isa;
pub mod matmul;
mod panels;
pub mod peak;
mod processor;
mod product;
mod real;
mod simd;
mod softmax;
mod team;
mod yardstick;

pub use integer::IntegerWeights;
pub use isa::{Isa, Supported};
pub use processor::{MOST_THREADS, Processor, ProcessorOptions};
pub use yardstick::Yardstick;

use half::f16;
use int8::Int8Network;
use real::RealNetwork;

use crate::Precision;
use crate::error::Result;
use crate::model::Model;

/// Multiply-adds of a batch from which on more threads than one make it faster: one thread takes some
/// 20 µs for them, several times what waking another takes. Where the processor multiplies bytes,
/// four times as many int8 products take that long.
const THREADED_FROM: usize = 1 << 20;

/// A network ready to run on the CPU.
#[derive(Debug)]
pub struct Network {
    arithmetic: Arithmetic,
    processor: Processor,
    multiply_adds: usize,
    inputs: usize,
    pixels: Vec<u8>,
    batch: usize,
    threads: usize,
}

#[derive(Debug)]
enum Arithmetic {
    F32(Box<RealNetwork<f32>>),
    F16(Box<RealNetwork<f16>>),
    Int8(Box<Int8Network>),
}

impl Network {
    /// Converts the weights of `model` to `precision`, for the vectors of `processor`.
    ///
    /// # Errors
    /// `Error::File` where the model cannot be run in this precision.
    pub fn new(model: &Model, precision: Precision, processor: &Processor) -> Result<Self> {
        model.check_precision(precision)?;
        let arithmetic = match precision {
            Precision::F32 => Arithmetic::F32(Box::new(RealNetwork::new(model, processor))),
            Precision::F16 => Arithmetic::F16(Box::new(RealNetwork::new(model, processor))),
            Precision::Int8 => Arithmetic::Int8(Box::new(Int8Network::new(model, processor))),
        };
        let products = model.layers.iter().map(|layer| layer.weights.len());
        Ok(Self {
            arithmetic,
            processor: processor.clone(),
            multiply_adds: products.sum(),
            inputs: model.inputs(),
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
            Arithmetic::F32(network) => network.release(),
            Arithmetic::F16(network) => network.release(),
            Arithmetic::Int8(network) => network.release(),
        }
    }

    /// Copies a batch to where the timed run starts from, and makes room for what it needs where no
    /// earlier batch did. `pixels: [batch, in]` row-major.
    ///
    /// # Panics
    /// Where `pixels` are not so many images of the model's width.
    pub fn upload(&mut self, pixels: &[u8], batch: usize) {
        assert_eq!(pixels.len(), batch * self.inputs, "{batch} images");
        if batch != self.batch {
            self.batch = batch;
            let by_bytes =
                matches!(self.arithmetic, Arithmetic::Int8(_)) && self.processor.lanes().group == 4;
            let threaded_from = THREADED_FROM << if by_bytes { 2 } else { 0 };
            self.threads = if self.multiply_adds.saturating_mul(batch) < threaded_from {
                1
            } else {
                let tiles = batch.div_ceil(simd::TILE_ROWS);
                self.processor.info().threads.min(tiles)
            };
            match &mut self.arithmetic {
                Arithmetic::F32(network) => network.prepare(batch, self.threads),
                Arithmetic::F16(network) => network.prepare(batch, self.threads),
                Arithmetic::Int8(network) => network.prepare(batch, self.threads),
            }
        }
        self.pixels.clear();
        self.pixels.extend_from_slice(pixels);
    }

    /// The outputs `[batch, out]` of the batch uploaded last; of none before the first.
    pub fn run(&mut self) -> &[f32] {
        if self.batch == 0 {
            return &[];
        }
        match &mut self.arithmetic {
            Arithmetic::F32(network) => network.run(&self.pixels),
            Arithmetic::F16(network) => network.run(&self.pixels),
            Arithmetic::Int8(network) => network.run(&self.pixels),
        }
    }

    /// Bytes held for weights, activations and pixels.
    #[must_use]
    pub fn allocated_bytes(&self) -> u64 {
        let network = match &self.arithmetic {
            Arithmetic::F32(network) => network.allocated_bytes(),
            Arithmetic::F16(network) => network.allocated_bytes(),
            Arithmetic::Int8(network) => network.allocated_bytes(),
        };
        network + self.pixels.capacity() as u64
    }
}
