//! Weights in f64 or in exact integers.

use std::sync::OnceLock;

use super::arithmetic::{largest, widen};
use crate::quantize::{INT4_GROUP, INT4_LARGEST, QuantizedLayer, Weights};

/// A layer's weights in the numbers that the reference multiplies.
pub(super) enum Widened {
    /// Of every precision but int8.
    Real {
        /// `[inputs, outputs]`
        values: Vec<f64>,
        /// The largest magnitude of their [`Self::magnitudes`].
        largest: f64,
        /// What the terms of sums are computed with, once that is asked for.
        magnitudes: OnceLock<Vec<f64>>,
        /// The least magnitude that a kernel multiplies by: it multiplies int4 sums of quantized values by the scale of their
        /// group afterwards.
        least: f64,
    },
    /// Quantized values of int8, and their scales.
    Quantized(Vec<i32>, Vec<f32>),
}

impl Widened {
    /// |w| of a weight, `[inputs, outputs]`.
    pub(super) fn magnitude(&self, at: usize, outputs: usize) -> f64 {
        match self {
            Self::Real { values, .. } => values[at].abs(),
            Self::Quantized(quantized, scales) => {
                let scale = scales[at % outputs % scales.len()];
                f64::from(quantized[at]).abs() * f64::from(scale)
            }
        }
    }

    /// The largest magnitudes that kernels may multiply values by, `[inputs, outputs]`; none of int8, whose sums are exact.
    pub(super) fn magnitudes(&self) -> Option<&Vec<f64>> {
        let Self::Real {
            values,
            magnitudes,
            least,
            ..
        } = self
        else {
            return None;
        };
        let compute = || values.iter().map(|w| w.abs().max(*least)).collect();
        Some(magnitudes.get_or_init(compute))
    }

    pub(super) fn of(layer: &QuantizedLayer) -> Self {
        let real = |values: Vec<f64>, least: f64| Self::Real {
            largest: largest(&values).max(least),
            values,
            magnitudes: OnceLock::new(),
            least,
        };
        match &layer.weights {
            Weights::F32(values) => real(widen(values), 0.0),
            Weights::F16(values) => real(values.iter().map(|w| w.to_f64()).collect(), 0.0),
            Weights::Bf16(values) => real(values.iter().map(|w| w.to_f64()).collect(), 0.0),
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
                real(values.collect(), f64::from(INT4_LARGEST))
            }
        }
    }
}
