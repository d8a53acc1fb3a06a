//! What the range of a format takes from a layer's parameters.

use half::f16;

use super::input::InputQuantization;
use super::layer::QuantizedLayer;
use super::weights::{Weights, holds, int4_scales};
use crate::model::Layer;
use crate::precision::{Float, INT4_GROUP};

/// The parameters of a layer that the range of its format spoils, beyond what rounding to its bits does: numbers that are too
/// small for it, and those whose scale is too small or too large for the type of the scales.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LostParameters {
    /// Of the weights, `[inputs, outputs]`.
    pub weights: Vec<LostParameter>,
    /// Of the bias, whose row is 0.
    pub bias: Vec<LostParameter>,
}

/// A parameter that the range of its format spoils.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LostParameter {
    /// The input that a weight multiplies.
    pub row: usize,
    /// The output.
    pub column: usize,
    /// What it is in f32.
    pub value: f32,
    /// The magnitude of the error that it gets.
    pub error: f64,
}

impl LostParameter {
    /// Of a parameter by its index; of `outputs` in a row.
    fn at(index: usize, outputs: usize, value: f32, error: f64) -> Self {
        Self {
            row: index / outputs,
            column: index % outputs,
            value,
            error,
        }
    }
}

impl LostParameters {
    /// Whether nothing is lost.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty() && self.bias.is_empty()
    }

    /// Of `layer`, which was made of `floats`.
    pub(super) fn of(floats: &Layer, layer: &QuantizedLayer, clip: u8) -> Self {
        let float = layer.precision().float();
        let mut bias = subnormal(&floats.bias, layer.outputs, float);
        let weights = match &layer.weights {
            Weights::F32(_) | Weights::F16(_) | Weights::Bf16(_) => {
                subnormal(&floats.weights, layer.outputs, float)
            }
            Weights::Int8 { quantized, scales } => {
                let zeros = zero_columns(quantized, scales.len());
                bias.extend(static_bias(&floats.bias, layer, scales, &zeros));
                int8_weights(floats, (quantized, scales), &zeros, clip)
            }
            Weights::Int4 { quantized, scales } => {
                let group = |at: usize| {
                    at / layer.outputs / INT4_GROUP * layer.outputs + at % layer.outputs
                };
                let exact = int4_scales(&floats.weights, layer.outputs);
                // Rounding a normal scale to 11 bits moves it by less than this share. Compensation moves it by more.
                let spoiled = |(exact, stored): (&f64, &f16)| {
                    !holds(*exact) && (stored.to_f64() - exact).abs() > exact / 1024.0
                };
                let spoiled: Vec<bool> = exact.iter().zip(scales).map(spoiled).collect();
                let error = |(at, (&weight, &q)): (usize, (&f32, &i8))| {
                    let value = f64::from(q) * scales[group(at)].to_f64();
                    let error = (f64::from(weight) - value).abs();
                    let lost = LostParameter::at(at, layer.outputs, weight, error);
                    (spoiled[group(at)] && error > 0.0).then_some(lost)
                };
                let weights = floats.weights.iter().zip(quantized);
                weights.enumerate().filter_map(error).collect()
            }
        };
        Self { weights, bias }
    }
}

/// The numbers that are too small for a type. An adapter may take subnormal numbers of f32 for zero.
fn subnormal(values: &[f32], outputs: usize, float: Float) -> Vec<LostParameter> {
    let error = |(at, &value): (usize, &f32)| {
        let small = f64::from(value.abs()) < float.smallest_normal();
        let stored = match float {
            Float::F16 => float.round(value),
            Float::F32 | Float::Bf16 => 0.0,
        };
        let error = (f64::from(value) - f64::from(stored)).abs();
        (small && error > 0.0).then_some(LostParameter::at(at, outputs, value, error))
    };
    values.iter().enumerate().filter_map(error).collect()
}

/// The int8 columns all of whose quantized values are zero: their scale would be too small for f32, alone or times that of the
/// input. A scale for each, or one for all.
fn zero_columns(quantized: &[i8], scales: usize) -> Vec<bool> {
    let mut zeros = vec![true; scales];
    for (at, &q) in quantized.iter().enumerate() {
        zeros[at % scales] &= q == 0;
    }
    zeros
}

/// The weights of such columns, and of those whose scale a static bias has made larger: in units of the scales it has to fit
/// into int32, and columns that share a scale share that of the largest bias.
fn int8_weights(
    floats: &Layer,
    (quantized, scales): (&[i8], &[f32]),
    zeros: &[bool],
    clip: u8,
) -> Vec<LostParameter> {
    let columns = scales.len();
    let mut largest = vec![0.0_f32; columns];
    for (at, weight) in floats.weights.iter().enumerate() {
        largest[at % columns] = largest[at % columns].max(weight.abs());
    }
    let coarse = |(largest, scale): (&f32, &f32)| *scale > 1.5 * largest / f32::from(clip);
    let coarse = largest.iter().zip(scales).map(coarse);
    let spoiled: Vec<bool> = coarse
        .zip(zeros)
        .map(|(coarse, &zeros)| coarse || zeros)
        .collect();
    let weights = floats.weights.iter().zip(quantized).enumerate();
    let lost = |(at, (&weight, &q)): (usize, (&f32, &i8))| {
        let value = f64::from(q) * f64::from(scales[at % columns]);
        let error = (f64::from(weight) - value).abs();
        let lost = LostParameter::at(at, floats.outputs, weight, error);
        (spoiled[at % columns] && error > 0.0).then_some(lost)
    };
    weights.filter_map(lost).collect()
}

/// The biases of such columns of a static layer, where the scale by which they would be exact is none of f32's either, and
/// those of a layer whose input is nothing but zeros, so that its scale is 1 for want of a better one.
fn static_bias(
    bias: &[f32],
    layer: &QuantizedLayer,
    scales: &[f32],
    zeros: &[bool],
) -> Vec<LostParameter> {
    let InputQuantization::Static(affine) = layer.input else {
        return Vec::new();
    };
    let error = |(column, &bias): (usize, &f32)| {
        let column_of_scales = column % scales.len();
        let (exact, unit) = (
            f64::from(bias),
            f64::from(affine.scale * scales[column_of_scales]),
        );
        let error = (exact - (exact / unit).round_ties_even() * unit).abs();
        let coarse = zeros[column_of_scales] || affine.scale == 1.0;
        let lost = LostParameter::at(column, layer.outputs, bias, error);
        (coarse && error > 0.0).then_some(lost)
    };
    bias.iter().enumerate().filter_map(error).collect()
}
