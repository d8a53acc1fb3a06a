//! What a deployed model computes, slow and obvious. The formulas are those of [`crate::deploy`].

use super::{
    Outcome, activate, add_bias, input, integer_product, label, product, round_f16, widen,
};
use crate::Precision;
use crate::deploy::{Deployed, DeployedLayer, INT4_GROUP, Input, Weights};
use crate::model::Activation;

/// Runs `model` over all of `pixels` (`[images, in]` row-major). No image depends on another. An overflow
/// is not looked for.
#[must_use]
pub fn infer_deployed(model: &Deployed, pixels: &[u8]) -> Outcome {
    let width = model.layers.first().map_or(1, |layer| layer.inputs);
    let mut outcome = Outcome {
        outputs: Vec::new(),
        labels: Vec::new(),
        overflow: None,
    };
    for image in pixels.chunks(width) {
        let outputs = infer_image(model, image);
        outcome.labels.push(label(&outputs));
        outcome.outputs.extend(outputs);
    }
    outcome
}

/// The exact sums T of every int8 layer for one image, layer after layer: what must be equal on every
/// adapter where the same codes go in.
#[must_use]
pub fn sums_of_image(model: &Deployed, image: &[u8]) -> Vec<Vec<i32>> {
    let mut sums = Vec::new();
    run_image(model, image, &mut |of_layer| sums.push(of_layer.to_vec()));
    sums
}

fn infer_image(model: &Deployed, image: &[u8]) -> Vec<f64> {
    run_image(model, image, &mut |_| ())
}

fn run_image(model: &Deployed, image: &[u8], seen: &mut dyn FnMut(&[i32])) -> Vec<f64> {
    let clip = i32::from(model.int8_clip);
    let value = |&pixel: &u8| input(model.normalization, pixel);
    let mut x: Vec<f64> = image.iter().map(value).collect();
    for (index, layer) in model.layers.iter().enumerate() {
        let z = match &layer.weights {
            Weights::Int8 { codes, scales } => {
                let weights: Vec<i32> = codes.iter().map(|&code| i32::from(code)).collect();
                integer_layer(layer, &weights, scales, &x, clip, seen)
            }
            _ => real_layer(layer, &x),
        };
        x = z;
        let last = index + 1 == model.layers.len();
        // Of a softmax in f16 or bf16 it is z that is rounded; else the outputs are.
        if last && layer.activation == Activation::Softmax {
            x.iter_mut()
                .for_each(|z| *z = rounded(layer.precision(), *z));
        }
        activate(layer.activation, &mut x, layer.outputs);
        if last && layer.activation != Activation::Softmax {
            x.iter_mut()
                .for_each(|value| *value = rounded(layer.precision(), *value));
        }
    }
    x
}

/// z of a layer whose weights are real numbers.
fn real_layer(layer: &DeployedLayer, x: &[f64]) -> Vec<f64> {
    let x: Vec<f64> = x.iter().map(|&x| rounded(layer.precision(), x)).collect();
    let weights: Vec<f64> = match &layer.weights {
        Weights::F32(values) => widen(values),
        Weights::F16(values) => values.iter().map(|w| f64::from(w.to_f32())).collect(),
        Weights::Bf16(values) => values.iter().map(|w| f64::from(w.to_f32())).collect(),
        Weights::Int4 { codes, scales } => {
            let scale_of = |index: usize| {
                let (row, column) = (index / layer.outputs, index % layer.outputs);
                scales[row / INT4_GROUP * layer.outputs + column].to_f32()
            };
            let codes = codes.iter().enumerate();
            codes
                .map(|(index, &code)| f64::from(code) * f64::from(scale_of(index)))
                .collect()
        }
        Weights::Int8 { .. } => unreachable!("int8 layers take codes"),
    };
    let mut z = product(&x, &weights, layer.inputs, layer.outputs);
    add_bias(&mut z, &widen(&layer.bias));
    z
}

/// z of an int8 layer: exact sums, then f32 as told.
fn integer_layer(
    layer: &DeployedLayer,
    weights: &[i32],
    scales: &[f32],
    x: &[f64],
    clip: i32,
    seen: &mut dyn FnMut(&[i32]),
) -> Vec<f64> {
    let scale_of = |column: usize| scales[if scales.len() == 1 { 0 } else { column }];
    match layer.input {
        Input::Row { unsigned } => {
            let (codes, scale) = row_of_values(x, unsigned, clip);
            let sums = integer_product(&codes, weights, layer.inputs, layer.outputs);
            seen(&sums);
            let z = |(column, &sum): (usize, &i32)| {
                f64::from(sum as f32 * (scale * scale_of(column)) + layer.bias[column])
            };
            sums.iter().enumerate().map(z).collect()
        }
        Input::Static(affine) => {
            let zero = i32::from(affine.zero_point);
            let inverse = 1.0 / affine.scale;
            let code = |&x: &f64| {
                let moved = (x as f32 * inverse).round_ties_even() + zero as f32;
                moved.clamp(-128.0, 127.0) as i32 - zero
            };
            let codes: Vec<i32> = x.iter().map(code).collect();
            let mut sums = integer_product(&codes, weights, layer.inputs, layer.outputs);
            for (column, sum) in sums.iter_mut().enumerate() {
                let unit = affine.scale * scale_of(column);
                let bias = f64::from(layer.bias[column]) / f64::from(unit);
                *sum += bias.round_ties_even() as i32;
            }
            seen(&sums);
            let z = |(column, &sum): (usize, &i32)| {
                f64::from(sum as f32 * (affine.scale * scale_of(column)))
            };
            sums.iter().enumerate().map(z).collect()
        }
        Input::Values => unreachable!("int8 layers take codes"),
    }
}

/// q − n of a row of values, and its scale.
fn row_of_values(x: &[f64], unsigned: bool, clip: i32) -> (Vec<i32>, f32) {
    let x: Vec<f32> = x.iter().map(|&x| x as f32).collect();
    let (low, levels) = if unsigned {
        (0, 2 * clip + 1)
    } else {
        (-clip, clip)
    };
    let largest = x.iter().fold(0.0, |max: f32, x| x.abs().max(max));
    let mut scale = largest / levels as f32;
    if scale == 0.0 {
        scale = 1.0;
    }
    let code = |x: &f32| ((x / scale).round_ties_even() as i32).clamp(low, levels);
    (x.iter().map(code).collect(), scale)
}

/// The number of a precision's type that is nearest to a value; f32 where it has none of its own.
fn rounded(precision: Precision, value: f64) -> f64 {
    match precision {
        Precision::F16 => round_f16(value),
        Precision::Bf16 => round_bf16(value),
        _ => f64::from(value as f32),
    }
}

/// The bfloat16 number nearest to `value`, ties to even; infinite beyond the largest.
///
/// bfloat16 has 8 significant bits and f32's exponents, the least of which is −126: its numbers near x
/// are multiples of 2^(max(⌊log₂|x|⌋, −126) − 7).
#[must_use]
pub fn round_bf16(value: f64) -> f64 {
    if !value.is_finite() || value == 0.0 {
        return value;
    }
    let exponent = ((value.to_bits() >> 52) & 0x7ff) as i32 - 1023;
    let unit = 2_f64.powi(exponent.max(-126) - 7);
    let rounded = (value / unit).round_ties_even() * unit;
    if rounded.abs() >= 2_f64.powi(128) {
        f64::INFINITY.copysign(value)
    } else {
        rounded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bfloat16_rounding_agrees_with_the_conversion_library_everywhere() {
        for bits in 0..0x7f7f_u16 {
            let low = f64::from(half::bf16::from_bits(bits));
            let high = f64::from(half::bf16::from_bits(bits + 1));
            let middle = (low + high) / 2.0;
            let even = if bits % 2 == 0 { low } else { high };
            for (value, expected) in [(low, low), (middle, even), (middle.next_up(), high)] {
                assert_eq!(round_bf16(value), expected, "{value:e}");
                assert_eq!(round_bf16(-value), -expected, "-{value:e}");
            }
        }
        assert_eq!(round_bf16(3.4e38), f64::INFINITY);
    }
}
