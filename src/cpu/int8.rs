//! int8 `dynamic-tensor` inference on the CPU.
//!
//! The integer sums come from the floating-point matrix library without any error: a sum of K
//! products of codes up to c is exact in f32 while K·c² < 2²⁴, and in f64 always, since a model
//! whose sums could leave int32 is refused at load.

use super::activation;
use super::matmul::{Element, View, product};
use crate::model::{Activation, Model, Normalization};
use crate::quant;

/// A network ready to run in int8.
#[derive(Debug)]
pub struct Int8Network {
    layers: Vec<Int8Layer>,
    normalization: Normalization,
    clip: u8,
    codes: Vec<i8>,
    sums: Vec<i32>,
    values: Vec<f32>,
}

#[derive(Debug)]
struct Int8Layer {
    outputs: usize,
    weights: IntegerWeights,
    scale: f32,
    bias: Vec<f32>,
    activation: Activation,
}

impl Int8Network {
    /// Quantizes the weights of `model` once, each matrix with its own scale.
    pub fn new(model: &Model) -> Self {
        let clip = model.int8_clip;
        let layers = model.layers.iter().map(|layer| {
            let scale = quant::scale(quant::max_abs(&layer.weights), clip);
            let quantize = |&weight: &f32| quant::quantize(weight, scale, clip);
            let codes: Vec<i8> = layer.weights.iter().map(quantize).collect();
            Int8Layer {
                outputs: layer.outputs,
                weights: IntegerWeights::new(&codes, layer.inputs, layer.outputs, clip),
                scale,
                bias: layer.bias.clone(),
                activation: layer.activation,
            }
        });
        Self {
            layers: layers.collect(),
            normalization: model.normalization,
            clip,
            codes: Vec::new(),
            sums: Vec::new(),
            values: Vec::new(),
        }
    }

    /// `pixels: [batch, in]` to outputs `[batch, out]`, row-major. The batch's scales are its own.
    pub fn run(&mut self, pixels: &[u8], batch: usize) -> &[f32] {
        let clip = self.clip;
        let mut scale = self.quantize_pixels(pixels);
        let last = self.layers.len() - 1;
        for (index, layer) in self.layers.iter_mut().enumerate() {
            layer.weights.sums(&self.codes, batch, &mut self.sums);
            let product_scale = scale * layer.scale;
            let values = &mut self.values;
            values.resize(self.sums.len(), 0.0);
            let rows = values.chunks_exact_mut(layer.outputs);
            for (row, sums) in rows.zip(self.sums.chunks_exact(layer.outputs)) {
                for ((value, &sum), &bias) in row.iter_mut().zip(sums).zip(&layer.bias) {
                    *value = sum as f32 * product_scale + bias;
                }
            }
            let sum_scale = quant::scale(quant::max_abs(values), clip);
            for z in values.iter_mut() {
                *z = quant::dequantize(quant::quantize(*z, sum_scale, clip), sum_scale);
            }
            activation::apply(layer.activation, values, layer.outputs);
            if index < last {
                scale = quantize_into(&mut self.codes, values, clip);
            }
        }
        &self.values
    }

    /// Gives back the memory of activations.
    pub fn release(&mut self) {
        self.codes = Vec::new();
        self.sums = Vec::new();
        self.values = Vec::new();
        for layer in &mut self.layers {
            layer.weights.release();
        }
    }

    /// Bytes held for weights and activations.
    pub fn allocated_bytes(&self) -> u64 {
        let layers: u64 = self
            .layers
            .iter()
            .map(|layer| layer.weights.bytes() + 4 * layer.bias.len() as u64)
            .sum();
        let activations =
            self.codes.capacity() + 4 * self.sums.capacity() + 4 * self.values.capacity();
        layers + activations as u64
    }

    /// Fills `codes` with the batch's input and gives its scale.
    fn quantize_pixels(&mut self, pixels: &[u8]) -> f32 {
        let clip = self.clip;
        if self.normalization != Normalization::Unit {
            let table = self.normalization.table_f32();
            self.values.clear();
            self.values
                .extend(pixels.iter().map(|&pixel| table[usize::from(pixel)]));
            return quantize_into(&mut self.codes, &self.values, clip);
        }
        let max = pixels.iter().copied().max().unwrap_or(0);
        let table: [i8; 256] =
            std::array::from_fn(|pixel| quant::quantize_pixel((pixel as u8).min(max), max, clip));
        self.codes.clear();
        self.codes
            .extend(pixels.iter().map(|&pixel| table[usize::from(pixel)]));
        quant::pixel_scale(max, clip)
    }
}

/// Quantizes `values` with their own scale, which it gives.
fn quantize_into(codes: &mut Vec<i8>, values: &[f32], clip: u8) -> f32 {
    let scale = quant::scale(quant::max_abs(values), clip);
    codes.clear();
    codes.extend(
        values
            .iter()
            .map(|&value| quant::quantize(value, scale, clip)),
    );
    scale
}

/// Weight codes in the narrowest floating-point type whose sums are exact.
#[derive(Debug)]
pub struct IntegerWeights {
    inputs: usize,
    outputs: usize,
    store: Store,
}

#[derive(Debug)]
enum Store {
    F32(Operands<f32>),
    F64(Operands<f64>),
}

#[derive(Debug)]
struct Operands<T> {
    weights: Vec<T>, // [inputs, outputs]
    codes: Vec<T>,   // [batch, inputs]
    sums: Vec<T>,    // [batch, outputs]
}

impl IntegerWeights {
    /// `codes: [inputs, outputs]` row-major, none above `clip` in magnitude.
    #[must_use]
    pub fn new(codes: &[i8], inputs: usize, outputs: usize, clip: u8) -> Self {
        let largest = inputs as u64 * u64::from(clip) * u64::from(clip);
        let store = if largest < 1 << 24 {
            Store::F32(Operands::new(codes))
        } else {
            Store::F64(Operands::new(codes))
        };
        Self {
            inputs,
            outputs,
            store,
        }
    }

    /// The exact sums of products of `codes: [batch, inputs]` with the weights: `[batch, outputs]`.
    pub fn sums(&mut self, codes: &[i8], batch: usize, sums: &mut Vec<i32>) {
        let (inputs, outputs) = (self.inputs, self.outputs);
        sums.clear();
        match &mut self.store {
            Store::F32(operands) => {
                let exact = operands.multiply(codes, batch, inputs, outputs);
                sums.extend(exact.iter().map(|&sum| sum as i32));
            }
            Store::F64(operands) => {
                let exact = operands.multiply(codes, batch, inputs, outputs);
                sums.extend(exact.iter().map(|&sum| sum as i32));
            }
        }
    }

    fn release(&mut self) {
        match &mut self.store {
            Store::F32(operands) => operands.release(),
            Store::F64(operands) => operands.release(),
        }
    }

    fn bytes(&self) -> u64 {
        match &self.store {
            Store::F32(operands) => 4 * operands.values(),
            Store::F64(operands) => 8 * operands.values(),
        }
    }
}

impl<T: Element + From<i8>> Operands<T> {
    fn new(codes: &[i8]) -> Self {
        Self {
            weights: codes.iter().map(|&code| T::from(code)).collect(),
            codes: Vec::new(),
            sums: Vec::new(),
        }
    }

    fn multiply(&mut self, codes: &[i8], batch: usize, inputs: usize, outputs: usize) -> &[T] {
        self.codes.clear();
        self.codes.extend(codes.iter().map(|&code| T::from(code)));
        self.sums.resize(batch * outputs, T::ZERO);
        let a = View::new(&self.codes, batch, inputs);
        let b = View::new(&self.weights, inputs, outputs);
        product(a, b, &mut self.sums, false);
        &self.sums
    }

    fn release(&mut self) {
        self.codes = Vec::new();
        self.sums = Vec::new();
    }

    fn values(&self) -> u64 {
        (self.weights.len() + self.codes.capacity() + self.sums.capacity()) as u64
    }
}
