//! The CPU path: the same three precisions with the same numerics, on a matrix library.
//!
//! It serves `--adapter cpu`, machines without any adapter, and f16 where an adapter lacks
//! `shader-f16`.

pub mod activation;
pub mod int8;
pub mod matmul;
mod real;

use int8::Int8Network;
use real::RealNetwork;

use crate::Precision;
use crate::error::Result;
use crate::model::Model;

/// The name of the CPU path's kernels in results.
pub const KERNEL: &str = "gemm";

/// A network ready to run on the CPU.
#[derive(Debug)]
pub struct Network {
    arithmetic: Arithmetic,
    pixels: Vec<u8>,
    batch: usize,
}

#[derive(Debug)]
enum Arithmetic {
    Real(Box<RealNetwork>),
    Int8(Int8Network),
}

impl Network {
    /// Converts the weights of `model` to `precision`.
    ///
    /// # Errors
    /// `Error::File` where the model cannot be run in this precision.
    pub fn new(model: &Model, precision: Precision) -> Result<Self> {
        model.check_precision(precision)?;
        let arithmetic = match precision {
            Precision::F32 | Precision::F16 => {
                Arithmetic::Real(Box::new(RealNetwork::new(model, precision)))
            }
            Precision::Int8 => Arithmetic::Int8(Int8Network::new(model)),
        };
        Ok(Self {
            arithmetic,
            pixels: Vec::new(),
            batch: 0,
        })
    }

    /// Copies a batch to where the timed run starts from. `pixels: [batch, in]` row-major.
    pub fn upload(&mut self, pixels: &[u8], batch: usize) {
        if batch != self.batch {
            // What is allocated is what this batch needs, not what an earlier, larger one did.
            self.pixels = Vec::new();
            match &mut self.arithmetic {
                Arithmetic::Real(network) => network.release(),
                Arithmetic::Int8(network) => network.release(),
            }
        }
        self.pixels.clear();
        self.pixels.extend_from_slice(pixels);
        self.batch = batch;
    }

    /// The outputs `[batch, out]` of the batch uploaded last.
    pub fn run(&mut self) -> &[f32] {
        match &mut self.arithmetic {
            Arithmetic::Real(network) => network.run(&self.pixels, self.batch),
            Arithmetic::Int8(network) => network.run(&self.pixels, self.batch),
        }
    }

    /// Bytes held for weights, activations and pixels.
    #[must_use]
    pub fn allocated_bytes(&self) -> u64 {
        let network = match &self.arithmetic {
            Arithmetic::Real(network) => network.allocated_bytes(),
            Arithmetic::Int8(network) => network.allocated_bytes(),
        };
        network + self.pixels.capacity() as u64
    }
}
