//! The oracle: what each precision means, slow and obvious, in f64 or exact integers.
//!
//! It shares no code with what it checks: no executor, no `quant`, no conversion library. Where the
//! scheme itself is told in f32 (the scales of int8), it computes in f32 as told.

mod deployed;
mod rounding;

use std::fmt;
use std::thread;

use crate::Precision;
use crate::deploy::Runnable;
use crate::model::{Activation, Model, Normalization};

pub use deployed::{infer_deployed, sums_of_image};
pub use rounding::{round_bf16, round_f16};

/// What the oracle says of some images.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// `[images, out]` row-major.
    pub outputs: Vec<f64>,
    /// `[images]`, the index of each image's first largest output.
    pub labels: Vec<usize>,
    /// `[images]`, the largest magnitude among what the last layer's softmax takes; 0 where it is no softmax.
    pub logits: Vec<f64>,
    /// The input, or the first layer, whose values leave their type's range.
    pub overflow: Option<Overflow>,
}

/// Values that leave the range of the type that they are rounded to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overflow {
    /// Index of the layer; none of the network's input.
    pub layer: Option<usize>,
    /// The largest magnitude before it was rounded.
    pub largest: f64,
    /// The precision whose type it is.
    pub precision: Precision,
}

impl fmt::Display for Overflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layer, largest, .. } = self;
        let range = self.precision.largest_number();
        match layer {
            Some(layer) => write!(f, "layers.{layer}")?,
            None => f.write_str("the normalized input")?,
        }
        write!(f, " reaches {largest:.6e}, beyond {range}")
    }
}

impl Overflow {
    /// Of two, that of the earlier layer; of one layer, the larger.
    fn first(self, other: Self) -> Self {
        if (other.layer, -other.largest) < (self.layer, -self.largest) {
            other
        } else {
            self
        }
    }
}

/// Runs `model` over all of `pixels` (`[images, in]` row-major) in batches of `batch` images, the last
/// one perhaps short, on every processor: no batch depends on another, and in most modes no image does.
///
/// # Panics
/// Where `batch` is zero.
#[must_use]
pub fn infer_all(model: &Runnable<'_>, pixels: &[u8], batch: usize) -> Outcome {
    let width = model.architecture().inputs();
    let depends = model.mode().depends_on_batch();
    let together = width * if depends { batch } else { 1 };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let of_thread = pixels.len().div_ceil(together).div_ceil(threads).max(1) * together;
    let infer = |pixels: &[u8]| match model {
        Runnable::Core(model, precision) => {
            let batch = if depends { batch } else { pixels.len() / width };
            infer(model, *precision, pixels, batch)
        }
        Runnable::Deployed(model) => infer_deployed(model, pixels),
    };
    thread::scope(|scope| {
        let parts = pixels.chunks(of_thread);
        let parts: Vec<_> = parts.map(|pixels| scope.spawn(|| infer(pixels))).collect();
        let outcomes = parts.into_iter().map(|part| {
            let outcome = part.join();
            outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        outcomes.reduce(Outcome::and).unwrap_or_default()
    })
}

impl Outcome {
    /// Notes what a softmax takes, `z: [images, cols]`.
    fn note_logits(&mut self, activation: Activation, z: &[f64], cols: usize) {
        if activation == Activation::Softmax {
            let largest = |row: &[f64]| row.iter().fold(0.0, |max: f64, z| z.abs().max(max));
            self.logits.extend(z.chunks(cols).map(largest));
        }
    }

    /// Of these images, and of those after them.
    fn and(mut self, other: Self) -> Self {
        self.outputs.extend(other.outputs);
        self.labels.extend(other.labels);
        self.logits.extend(other.logits);
        self.overflow = match (self.overflow, other.overflow) {
            (Some(one), Some(other)) => Some(one.first(other)),
            (one, other) => one.or(other),
        };
        self
    }
}

/// Runs `model` over all of `pixels` (`[images, in]` row-major) in batches of `batch` images, the
/// last one perhaps short.
///
/// # Panics
/// Where `batch` is zero, or the precision is not of the core.
#[must_use]
pub fn infer(model: &Model, precision: Precision, pixels: &[u8], batch: usize) -> Outcome {
    let mut outcome = Outcome::default();
    for pixels in pixels.chunks(batch * model.inputs()) {
        let outputs = match precision {
            Precision::F32 => infer_f32(model, pixels, &mut outcome),
            Precision::F16 => infer_f16(model, pixels, &mut outcome),
            Precision::Int8 => infer_int8(model, pixels, &mut outcome),
            Precision::Bf16 | Precision::Int4 | Precision::Mixed => {
                panic!("{precision} is told of deployed models: see infer_deployed")
            }
        };
        outcome
            .labels
            .extend(outputs.chunks(model.outputs()).map(label));
        outcome.outputs.extend(outputs);
        // Where there is no softmax.
        outcome.logits.resize(outcome.labels.len(), 0.0);
    }
    outcome
}

/// The index of the first largest value.
#[must_use]
pub fn label(row: &[f64]) -> usize {
    let mut best = 0;
    for (index, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = index;
        }
    }
    best
}

/// Notes that values `x` of a layer, before they are rounded, leave f32; the first layer is kept.
fn note_f32(overflow: &mut Option<Overflow>, layer: usize, x: &[f64], precision: Precision) {
    let largest = x.iter().fold(0.0, |max: f64, v| v.abs().max(max));
    if overflow.is_none() && !(largest as f32).is_finite() {
        *overflow = Some(Overflow {
            layer: Some(layer),
            largest,
            precision,
        });
    }
}

fn infer_f32(model: &Model, pixels: &[u8], outcome: &mut Outcome) -> Vec<f64> {
    let mut x: Vec<f64> = pixels
        .iter()
        .map(|&pixel| f64::from(input(model.normalization, pixel) as f32))
        .collect();
    for (index, layer) in model.layers.iter().enumerate() {
        x = product(&x, &widen(&layer.weights), layer.inputs, layer.outputs);
        add_bias(&mut x, &widen(&layer.bias));
        note_f32(&mut outcome.overflow, index, &x, Precision::F32);
        outcome.note_logits(layer.activation, &x, layer.outputs);
        activate(layer.activation, &mut x, layer.outputs);
    }
    x
}

fn infer_f16(model: &Model, pixels: &[u8], outcome: &mut Outcome) -> Vec<f64> {
    let round = |values: &[f32]| -> Vec<f64> {
        values
            .iter()
            .map(|&value| round_f16(f64::from(value)))
            .collect()
    };
    let largest = |values: &[f64]| values.iter().fold(0.0, |max: f64, v| v.abs().max(max));
    let exact: Vec<f64> = pixels
        .iter()
        .map(|&pixel| input(model.normalization, pixel))
        .collect();
    let mut x: Vec<f64> = exact.iter().map(|&value| round_f16(value)).collect();
    if outcome.overflow.is_none() && x.iter().any(|value| value.is_infinite()) {
        outcome.overflow = Some(Overflow {
            layer: None,
            largest: largest(&exact),
            precision: Precision::F16,
        });
    }
    for (index, layer) in model.layers.iter().enumerate() {
        let (weights, bias) = (round(&layer.weights), round(&layer.bias));
        x = product(&x, &weights, layer.inputs, layer.outputs);
        add_bias(&mut x, &bias);
        // Softmax is computed from the rounded sums; every other activation is rounded itself.
        let softmax = layer.activation == Activation::Softmax;
        if !softmax {
            activate(layer.activation, &mut x, layer.outputs);
        }
        let parameters = weights.iter().chain(&bias);
        let bad_parameter = parameters.clone().any(|value| value.is_infinite());
        let bad_value = x.iter().any(|&value| !round_f16(value).is_finite());
        if outcome.overflow.is_none() && (bad_parameter || bad_value) {
            let largest = if bad_parameter {
                largest(&widen(&layer.weights)).max(largest(&widen(&layer.bias)))
            } else {
                largest(&x)
            };
            outcome.overflow = Some(Overflow {
                layer: Some(index),
                largest,
                precision: Precision::F16,
            });
        }
        x.iter_mut().for_each(|value| *value = round_f16(*value));
        if softmax {
            outcome.note_logits(layer.activation, &x, layer.outputs);
            activate(layer.activation, &mut x, layer.outputs);
        }
    }
    x
}

fn infer_int8(model: &Model, pixels: &[u8], outcome: &mut Outcome) -> Vec<f64> {
    let clip = i32::from(model.int8_clip);
    let (mut codes, mut scale) = quantize_input(model.normalization, pixels, clip);
    let mut values = Vec::new();
    for (index, layer) in model.layers.iter().enumerate() {
        let (weights, weight_scale) = quantize(&layer.weights, clip);
        let sums = integer_product(&codes, &weights, layer.inputs, layer.outputs);
        let biased: Vec<f32> = sums
            .iter()
            .enumerate()
            .map(|(i, &sum)| sum as f32 * (scale * weight_scale) + layer.bias[i % layer.outputs])
            .collect();
        if outcome.overflow.is_none() && biased.iter().any(|z| !z.is_finite()) {
            let wide = |(i, &sum): (usize, &i32)| {
                let bias = f64::from(layer.bias[i % layer.outputs]);
                f64::from(sum) * f64::from(scale) * f64::from(weight_scale) + bias
            };
            let wide: Vec<f64> = sums.iter().enumerate().map(wide).collect();
            note_f32(&mut outcome.overflow, index, &wide, Precision::Int8);
        }
        let (sum_codes, sum_scale) = quantize(&biased, clip);
        values = sum_codes
            .iter()
            .map(|&code| f64::from(code as f32 * sum_scale))
            .collect();
        outcome.note_logits(layer.activation, &values, layer.outputs);
        activate(layer.activation, &mut values, layer.outputs);
        let activated: Vec<f32> = values.iter().map(|&value| value as f32).collect();
        (codes, scale) = quantize(&activated, clip);
    }
    values
}

/// The input value of a pixel, before any rounding.
#[must_use]
pub fn input(normalization: Normalization, pixel: u8) -> f64 {
    match normalization {
        Normalization::Unit => f64::from(pixel) / 255.0,
        Normalization::Standard { mean, std } => {
            (f64::from(pixel) / 255.0 - f64::from(mean)) / f64::from(std)
        }
    }
}

/// The codes and the scale of a batch of pixels.
#[must_use]
pub fn quantize_input(normalization: Normalization, pixels: &[u8], clip: i32) -> (Vec<i32>, f32) {
    if normalization != Normalization::Unit {
        let values: Vec<f32> = pixels
            .iter()
            .map(|&p| input(normalization, p) as f32)
            .collect();
        return quantize(&values, clip);
    }
    let max = i32::from(pixels.iter().copied().max().unwrap_or(0));
    if max == 0 {
        return (vec![0; pixels.len()], 1.0);
    }
    // A quotient of small integers is a tie in f64 only where it is one exactly.
    let codes = pixels
        .iter()
        .map(|&pixel| {
            let exact = f64::from(clip * i32::from(pixel)) / f64::from(max);
            exact.round_ties_even() as i32
        })
        .collect();
    (codes, (max as f32 / 255.0) / clip as f32)
}

/// s = max|t| / c, or 1 where that is zero; q = clamp(round-half-even(t / s), −c, c).
#[must_use]
pub fn quantize(values: &[f32], clip: i32) -> (Vec<i32>, f32) {
    let largest = values
        .iter()
        .fold(0.0, |max: f32, value| value.abs().max(max));
    let mut scale = largest / clip as f32;
    if scale == 0.0 {
        scale = 1.0;
    }
    let code = |value: &f32| ((value / scale).round_ties_even() as i32).clamp(-clip, clip);
    (values.iter().map(code).collect(), scale)
}

/// `x: [rows, inner]` · `w: [inner, cols]`, row-major, in f64.
#[must_use]
pub fn product(x: &[f64], w: &[f64], inner: usize, cols: usize) -> Vec<f64> {
    let mut out = vec![0.0; x.len() / inner * cols];
    for (x, out) in x.chunks(inner).zip(out.chunks_mut(cols)) {
        for (x, w) in x.iter().zip(w.chunks(cols)) {
            for (out, w) in out.iter_mut().zip(w) {
                *out += x * w;
            }
        }
    }
    out
}

/// `x: [rows, inner]` · `w: [inner, cols]`, row-major, in exact integers.
///
/// # Panics
/// Where a sum leaves int32, which a checked model's cannot.
#[must_use]
pub fn integer_product(x: &[i32], w: &[i32], inner: usize, cols: usize) -> Vec<i32> {
    let mut out = vec![0_i64; x.len() / inner * cols];
    for (x, out) in x.chunks(inner).zip(out.chunks_mut(cols)) {
        for (x, w) in x.iter().zip(w.chunks(cols)) {
            for (out, w) in out.iter_mut().zip(w) {
                *out += i64::from(x * w);
            }
        }
    }
    out.into_iter()
        .map(|sum| i32::try_from(sum).expect("a checked model's sums stay inside int32"))
        .collect()
}

/// Adds `bias: [cols]` to every row.
pub fn add_bias(values: &mut [f64], bias: &[f64]) {
    for (index, value) in values.iter_mut().enumerate() {
        *value += bias[index % bias.len()];
    }
}

/// Applies an activation to `values: [rows, cols]`.
pub fn activate(activation: Activation, values: &mut [f64], cols: usize) {
    match activation {
        Activation::Identity => {}
        Activation::Relu => values
            .iter_mut()
            .for_each(|z| *z = if *z > 0.0 { *z } else { 0.0 }),
        Activation::Sigmoid => values
            .iter_mut()
            .for_each(|z| *z = 1.0 / (1.0 + f64::exp(-*z))),
        Activation::Tanh => values.iter_mut().for_each(|z| *z = f64::tanh(*z)),
        Activation::Softmax => {
            for row in values.chunks_mut(cols) {
                let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = row.iter().map(|z| f64::exp(z - max)).sum();
                row.iter_mut().for_each(|z| *z = f64::exp(*z - max) / sum);
            }
        }
    }
}

fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

#[cfg(test)]
mod tests;
