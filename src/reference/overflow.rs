//! Values of a network that are larger than the largest number of their type.

use super::arithmetic::{add_bias, largest, product, widen};
use super::widened::Widened;
use crate::Precision;
use crate::quantize::{OutOfRange, Quantity, QuantizedLayer};

/// Notes that the terms of a layer's sums, without their signs, leave f32: then a sum may do so on its way, in one order of
/// adding or another, whatever it comes to.
pub(super) fn note_terms(
    overflow: &mut Option<OutOfRange>,
    layer: &QuantizedLayer,
    index: usize,
    x: &[f64],
    weights: &Widened,
) {
    let Widened::Real { largest: most, .. } = weights else {
        return;
    };
    let bias = magnitudes(&widen(&layer.bias));
    let bound = largest(x) * most * layer.inputs as f64 + largest(&bias);
    if overflow.is_some() || bound <= f64::from(f32::MAX) {
        return;
    }
    let Some(weights) = weights.magnitudes() else {
        return;
    };
    let mut terms = product(&magnitudes(x), weights, layer.inputs, layer.outputs);
    add_bias(&mut terms, &bias);
    let most = largest(&terms);
    if most > f64::from(f32::MAX) {
        *overflow = Some(OutOfRange {
            layer: Some(index),
            quantity: Quantity::Terms,
            value: most,
            precision: layer.precision(),
        });
    }
}

/// Notes that values `x` of a layer leave f32 before they are rounded; the first layer is kept.
pub(super) fn note_f32(
    overflow: &mut Option<OutOfRange>,
    layer: usize,
    x: &[f64],
    precision: Precision,
) {
    let largest = largest(x);
    if overflow.is_none() && !(largest as f32).is_finite() {
        *overflow = Some(OutOfRange {
            layer: Some(layer),
            quantity: Quantity::Value,
            value: largest,
            precision,
        });
    }
}

/// Notes an overflow of the values of a layer, or of the input, `x`, of which `rounded` is infinite; the first is kept.
pub(super) fn note(
    overflow: &mut Option<OutOfRange>,
    x: &[f64],
    rounded: &[f64],
    layer: Option<usize>,
    precision: Precision,
) {
    if overflow.is_none() && rounded.iter().any(|value| !value.is_finite()) {
        *overflow = Some(OutOfRange {
            layer,
            quantity: Quantity::Value,
            value: largest(x),
            precision,
        });
    }
}

fn magnitudes(values: &[f64]) -> Vec<f64> {
    values.iter().map(|value| value.abs()).collect()
}
