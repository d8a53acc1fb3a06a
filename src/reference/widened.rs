//! Weights in f64 or in exact integers.

use super::arithmetic::widen;
use crate::quantize::{INT4_GROUP, QuantizedLayer, Weights};

/// A layer's weights in the numbers that the reference multiplies.
pub(super) enum Widened {
    /// Of every precision but int8.
    Real(Vec<f64>),
    /// Quantized values of int8, and their scales.
    Quantized(Vec<i32>, Vec<f32>),
}

impl Widened {
    /// |w| of a weight, `[inputs, outputs]`.
    pub(super) fn magnitude(&self, at: usize, outputs: usize) -> f64 {
        match self {
            Self::Real(values) => values[at].abs(),
            Self::Quantized(quantized, scales) => {
                let scale = scales[at % outputs % scales.len()];
                f64::from(quantized[at]).abs() * f64::from(scale)
            }
        }
    }

    pub(super) fn of(layer: &QuantizedLayer) -> Self {
        match &layer.weights {
            Weights::F32(values) => Self::Real(widen(values)),
            Weights::F16(values) => Self::Real(values.iter().map(|w| w.to_f64()).collect()),
            Weights::Bf16(values) => Self::Real(values.iter().map(|w| w.to_f64()).collect()),
            Weights::Int8 { quantized, scales } => Self::Quantized(
                quantized.iter().map(|&q| i32::from(q)).collect(),
                scales.clone(),
            ),
            Weights::Int4 { quantized, scales } => {
                let scale_of = |index: usize| {
                    let (row, column) = (index / layer.outputs, index % layer.outputs);
                    scales[row / INT4_GROUP * layer.outputs + column].to_f64()
                };
                let quantized = quantized.iter().enumerate();
                let values = quantized.map(|(index, &q)| f64::from(q) * scale_of(index));
                Self::Real(values.collect())
            }
        }
    }
}
