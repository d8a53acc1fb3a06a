//! f32 and f16 inference on the CPU.
//!
//! In f16 the values are rounded to binary16 where the precision says so and kept as f32 between
//! roundings, which is what products that accumulate in f32 need.

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::activation;
use super::matmul::{View, product};
use crate::Precision;
use crate::model::{Activation, Model};

/// A network ready to run in f32 or f16.
#[derive(Debug)]
pub struct RealNetwork {
    layers: Vec<RealLayer>,
    /// The input value of every pixel byte.
    table: [f32; 256],
    /// Whether each layer's output is rounded to binary16.
    rounds: bool,
    /// The two matrices that layers read from and write to in turn.
    current: Vec<f32>,
    next: Vec<f32>,
    scratch: Vec<f16>,
}

#[derive(Debug)]
struct RealLayer {
    inputs: usize,
    outputs: usize,
    weights: Vec<f32>, // [inputs, outputs]
    bias: Vec<f32>,
    activation: Activation,
}

impl RealNetwork {
    /// Converts the weights of `model` once.
    pub fn new(model: &Model, precision: Precision) -> Self {
        let rounds = precision == Precision::F16;
        let convert = |values: &[f32]| {
            let mut values = values.to_vec();
            if rounds {
                round_to_f16(&mut values, &mut Vec::new());
            }
            values
        };
        let layers = model.layers.iter().map(|layer| RealLayer {
            inputs: layer.inputs,
            outputs: layer.outputs,
            weights: convert(&layer.weights),
            bias: convert(&layer.bias),
            activation: layer.activation,
        });
        Self {
            layers: layers.collect(),
            table: if rounds {
                model.normalization.table_f16().map(f32::from)
            } else {
                model.normalization.table_f32()
            },
            rounds,
            current: Vec::new(),
            next: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// `pixels: [batch, in]` to outputs `[batch, out]`, row-major.
    pub fn run(&mut self, pixels: &[u8], batch: usize) -> &[f32] {
        let table = &self.table;
        self.current.clear();
        self.current
            .extend(pixels.iter().map(|&pixel| table[usize::from(pixel)]));
        for layer in &self.layers {
            self.next.resize(batch * layer.outputs, 0.0);
            for row in self.next.chunks_exact_mut(layer.outputs) {
                row.copy_from_slice(&layer.bias);
            }
            product(
                View::new(&self.current, batch, layer.inputs),
                View::new(&layer.weights, layer.inputs, layer.outputs),
                &mut self.next,
                true,
            );
            let softmax = layer.activation == Activation::Softmax;
            if self.rounds && softmax {
                round_to_f16(&mut self.next, &mut self.scratch);
            }
            activation::apply(layer.activation, &mut self.next, layer.outputs);
            if self.rounds && !softmax {
                round_to_f16(&mut self.next, &mut self.scratch);
            }
            std::mem::swap(&mut self.current, &mut self.next);
        }
        &self.current
    }

    /// Gives back the memory of activations.
    pub fn release(&mut self) {
        self.current = Vec::new();
        self.next = Vec::new();
        self.scratch = Vec::new();
    }

    /// Bytes held for weights and activations.
    pub fn allocated_bytes(&self) -> u64 {
        let weights: usize = self
            .layers
            .iter()
            .map(|l| l.weights.len() + l.bias.len())
            .sum();
        let values = weights + self.table.len() + self.current.capacity() + self.next.capacity();
        4 * values as u64 + 2 * self.scratch.capacity() as u64
    }
}

/// Rounds every value to the nearest binary16, ties to even; beyond its range to infinity.
fn round_to_f16(values: &mut [f32], scratch: &mut Vec<f16>) {
    scratch.resize(values.len(), f16::ZERO);
    scratch.convert_from_f32_slice(values);
    scratch.convert_to_f32_slice(values);
}
