//! int4 and int8 weights whose rounding errors make up for each other.
//!
//! [`super`] has the formulas.

use std::ops::Range;

use half::f16;

use super::weights::{INT4_LARGEST, Weights, int4_scale, quantize_int4};
use crate::host;
use crate::model::Layer;
use crate::precision::INT4_GROUP;
use crate::scheme;

/// What is added to the diagonal of H, in shares of its mean (Frantar et al. 2022, § 3.3, step 3, take 0.01):
/// pixels that no calibration image lights are then rounded to nearest, and few images are not believed
/// too much.
const DAMPING: f64 = 0.01;

/// The scales that are tried for a group, as shares of the one that covers it.
const SHARES: [f32; 13] = [
    1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5, 0.45, 0.4,
];

/// The quantized values that weights are rounded to.
#[derive(Clone, Copy, Debug)]
pub(super) enum RoundingGrid<'a> {
    /// int4, with a binary16 scale for each 32 inner values of a column.
    Int4,
    /// int8 up to a clip, by the scales that rounding to nearest chose: one, or one for each column.
    Int8(u8, &'a [f32]),
}

impl RoundingGrid<'_> {
    /// Inner values of a column that share a scale.
    fn group(self, inputs: usize) -> usize {
        match self {
            Self::Int4 => INT4_GROUP,
            Self::Int8(..) => inputs,
        }
    }

    /// The scale of a group of a column.
    fn scale(self, column: usize, targets: &[f64], weights: &[f64]) -> f32 {
        match self {
            Self::Int4 => group_scale(targets, weights).to_f32(),
            Self::Int8(_, scales) => scales[column % scales.len()],
        }
    }

    fn q(self, weight: f32, scale: f32) -> i8 {
        let largest = match self {
            Self::Int4 => INT4_LARGEST.unsigned_abs(),
            Self::Int8(clip, _) => clip,
        };
        scheme::quantize(weight, scale, largest)
    }
}

/// How many columns of a layer, or rows of H, are worked on at a time: few enough to stay in a processor's cache.
const BLOCK: usize = 64;

/// The weights in quantized values and the bias of a layer for its inputs `x: [images, in]`. Every processor takes some
/// of the columns; no column depends on another, so the result is the same on any number of them.
pub(super) fn compensate(layer: &Layer, x: &[f32], of: RoundingGrid<'_>) -> (Weights, Vec<f32>) {
    let (inputs, outputs) = (layer.inputs, layer.outputs);
    let factor = Factor::new(hessian(x, inputs), inputs + 1);
    let columns = |block: usize| block * BLOCK..outputs.min((block + 1) * BLOCK);
    let blocks = host::map(0..outputs.div_ceil(BLOCK), |block| {
        Columns::round(layer, &factor, of, columns(block))
    });
    let quantized = in_rows(blocks.iter().map(|block| &block.quantized[..]), inputs);
    let bias = blocks.iter().flat_map(|block| &block.bias).copied();
    let weights = match of {
        RoundingGrid::Int4 => {
            let groups = inputs.div_ceil(of.group(inputs));
            let scales = in_rows(blocks.iter().map(|block| &block.scales[..]), groups);
            Weights::Int4 {
                quantized,
                scales: scales.into_iter().map(f16::from_f32).collect(),
            }
        }
        RoundingGrid::Int8(_, scales) => Weights::Int8 {
            quantized,
            scales: scales.to_vec(),
        },
    };
    (weights, bias.collect())
}

/// Matrices of so many rows, side by side.
fn in_rows<'a, T: Copy + 'a>(blocks: impl Iterator<Item = &'a [T]> + Clone, rows: usize) -> Vec<T> {
    let row = |row: usize| {
        blocks.clone().flat_map(move |block| {
            let width = block.len() / rows;
            block[row * width..(row + 1) * width].iter().copied()
        })
    };
    (0..rows).flat_map(row).collect()
}

/// Some neighbouring columns of a layer, rounded.
struct Columns {
    /// `[in, columns]`
    quantized: Vec<i8>,
    /// `[groups, columns]`
    scales: Vec<f32>,
    /// `[columns]`
    bias: Vec<f32>,
}

impl Columns {
    fn round(layer: &Layer, factor: &Factor, of: RoundingGrid<'_>, columns: Range<usize>) -> Self {
        let (inputs, width) = (layer.inputs, columns.len());
        let group = of.group(inputs);
        // [in + 1, columns]: Σ_{j<k} M_jk · (w_j − ŵ_j) of the rows rounded so far.
        let mut owed = vec![0.0_f64; (inputs + 1) * width];
        let mut quantized = Vec::with_capacity(inputs * width);
        let mut scales: Vec<f32> = Vec::with_capacity(inputs.div_ceil(group) * width);
        let weight = |k: usize, at: usize| layer.weights[k * layer.outputs + columns.start + at];
        for from in (0..inputs).step_by(group) {
            let to = (from + group).min(inputs);
            let squares: Vec<f64> = (from..to).map(|k| factor.diagonal(k).powi(2)).collect();
            let of_group: Vec<f32> = (0..width)
                .map(|at| {
                    let target = |k: usize| {
                        f64::from(weight(k, at)) + owed[k * width + at] / factor.diagonal(k)
                    };
                    let targets: Vec<f64> = (from..to).map(target).collect();
                    of.scale(columns.start + at, &targets, &squares)
                })
                .collect();
            for k in from..to {
                let mut errors = vec![0.0; width];
                for (at, error) in errors.iter_mut().enumerate() {
                    let weight = f64::from(weight(k, at));
                    let target = weight + owed[k * width + at] / factor.diagonal(k);
                    let q = of.q(target as f32, of_group[at]);
                    *error = weight - f64::from(q) * f64::from(of_group[at]);
                    quantized.push(q);
                }
                factor.owe(k, &errors, &mut owed);
            }
            scales.extend(of_group);
        }
        let last = factor.diagonal(inputs);
        let bias = layer.bias[columns].iter().zip(&owed[inputs * width..]);
        Self {
            quantized,
            scales,
            bias: bias
                .map(|(&bias, owed)| (f64::from(bias) + owed / last) as f32)
                .collect(),
        }
    }
}

/// The scale with the least Σ weight · (t − s·q)², of equals the largest.
fn group_scale(targets: &[f64], weights: &[f64]) -> f16 {
    let largest = targets.iter().fold(0.0, |max: f64, t| t.abs().max(max)) as f32;
    let error = |scale: f16| {
        let square = |(&target, weight): (&f64, &f64)| {
            let q = quantize_int4(target as f32, scale);
            weight * (target - f64::from(q) * f64::from(scale.to_f32())).powi(2)
        };
        targets.iter().zip(weights).map(square).sum::<f64>()
    };
    let mut best = (int4_scale(largest), f64::INFINITY);
    for share in SHARES {
        let scale = int4_scale(largest * share);
        let error = error(scale);
        if error < best.1 {
            best = (scale, error);
        }
    }
    best.0
}

/// XᵀX over the images, damped, with a last input that is always 1: `[in + 1, in + 1]`.
fn hessian(x: &[f32], inputs: usize) -> Vec<f64> {
    let size = inputs + 1;
    let mut hessian = vec![0.0; size * size];
    let blocks = hessian.chunks_mut(BLOCK * size).enumerate();
    host::for_each(blocks, |(block, rows)| {
        let mut image = vec![0.0_f64; size];
        for row in x.chunks_exact(inputs) {
            for (wide, &x) in image.iter_mut().zip(row) {
                *wide = f64::from(x);
            }
            image[inputs] = 1.0;
            for (i, sums) in (block * BLOCK..).zip(rows.chunks_exact_mut(size)) {
                if image[i] != 0.0 {
                    for (sum, other) in sums[i..].iter_mut().zip(&image[i..]) {
                        *sum += image[i] * other;
                    }
                }
            }
        }
    });
    let mean = (0..inputs).map(|i| hessian[i * size + i]).sum::<f64>() / inputs as f64;
    // Where all inputs are nothing, any order of rounding is as good.
    let damping = if mean > 0.0 { DAMPING * mean } else { 1.0 };
    for i in 0..inputs {
        hessian[i * size + i] += damping;
    }
    hessian
}

/// M, upper triangular, of H = M·Mᵀ.
struct Factor {
    size: usize,
    /// `[size, size]` row-major.
    values: Vec<f64>,
}

impl Factor {
    /// Cholesky's factor from the last row on; of `hessian` only the upper triangle is read.
    fn new(mut hessian: Vec<f64>, size: usize) -> Self {
        for column in (0..size).rev() {
            let (above, own) = hessian.split_at_mut(column * size);
            let own = &mut own[..size];
            let square = own[column] - dot(&own[column + 1..], &own[column + 1..]);
            // Damping keeps it positive but for rounding errors, beside which this is nothing.
            let pivot = square
                .max(own[column] * 1e-12)
                .max(f64::MIN_POSITIVE)
                .sqrt();
            own[column] = pivot;
            host::for_each(above.chunks_mut(BLOCK * size), |rows| {
                for row in rows.chunks_exact_mut(size) {
                    let product = dot(&row[column + 1..], &own[column + 1..]);
                    row[column] = (row[column] - product) / pivot;
                }
            });
        }
        Self {
            size,
            values: hessian,
        }
    }

    fn diagonal(&self, k: usize) -> f64 {
        self.values[k * self.size + k]
    }

    /// Adds what the errors `[out]` of row k cost each row behind it to `owed: [size, out]`.
    fn owe(&self, k: usize, errors: &[f64], owed: &mut [f64]) {
        let of_row = &self.values[k * self.size..(k + 1) * self.size];
        let outputs = errors.len();
        let behind = owed.chunks_exact_mut(outputs).zip(of_row).skip(k + 1);
        for (owed, factor) in behind {
            for (owed, error) in owed.iter_mut().zip(errors) {
                *owed += factor * error;
            }
        }
    }
}

/// Σ a·b in four sums, the same everywhere.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (a, b) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest = a.remainder().iter().zip(b.remainder());
    let rest: f64 = rest.map(|(a, b)| a * b).sum();
    for (a, b) in a.zip(b) {
        for lane in 0..4 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset;
    use crate::model::{Activation, Network};
    use crate::quantize::forward::{float_layer, input, quantized_layer};
    use crate::quantize::{QuantizedLayer, lower};
    use crate::{Mode, Precision, Scheme, WeightScales};

    /// Σ (z − ẑ)² of a layer's sums over images.
    fn error(layer: &Layer, quantized: &QuantizedLayer, x: &[f32]) -> f64 {
        let linear = Layer {
            activation: Activation::Identity,
            ..layer.clone()
        };
        let quantized = QuantizedLayer {
            activation: Activation::Identity,
            ..quantized.clone()
        };
        let (z, found) = (float_layer(&linear, x), quantized_layer(&quantized, 127, x));
        let square = |(a, b): (&f32, &f32)| f64::from(a - b).powi(2);
        z.iter().zip(&found).map(square).sum()
    }

    /// The default model's first layer rounded to nearest, and with compensation on 800 images.
    #[test]
    fn compensation_beats_rounding_to_nearest_on_other_images_too() {
        let model = Network::default_model().unwrap();
        let layer = &model.layers[0];
        let images = dataset::calibration_images().unwrap();
        let x = |from, to| input(model.normalization, images.range(from, to));
        let (seen, unseen) = (x(0, 800), x(800, 1_000));
        let nearest = lower(&model, &Precision::Int4.into(), None).unwrap().layers[0].clone();
        let (weights, bias) = compensate(layer, &seen, RoundingGrid::Int4);
        let compensated = QuantizedLayer {
            weights,
            bias,
            ..nearest.clone()
        };
        for (x, share) in [(&seen, 0.25), (&unseen, 0.5)] {
            let (found, before) = (error(layer, &compensated, x), error(layer, &nearest, x));
            assert!(found <= share * before, "{found} {before}");
        }
    }

    /// Two inputs that are always equal: what the first weight loses in rounding, the second makes up for.
    #[test]
    fn a_column_worked_by_hand() {
        let layer = Layer {
            inputs: 3,
            outputs: 1,
            weights: vec![0.44, 0.44, 7.0],
            bias: vec![0.0],
            activation: Activation::Identity,
        };
        // The third, which sets the scale to 1, sees other images than the first two.
        let x = [
            [1.0, 1.0, 0.0],
            [-1.0, -1.0, 0.0],
            [0.0, 0.0, 1.0],
            [0.0, 0.0, -1.0],
        ]
        .concat();
        let (weights, bias) = compensate(&layer, &x, RoundingGrid::Int4);
        let Weights::Int4 { quantized, scales } = weights else {
            panic!("no int4");
        };
        assert_eq!(scales, [f16::ONE]);
        // Nearest would be 0 and 0, 0.88 off where both are 1.
        assert_eq!(quantized, [0, 1, 7]);
        assert!(bias[0].abs() <= 1e-6, "{bias:?}");
    }

    #[test]
    fn the_bias_takes_what_is_left_on_average() {
        let layer = Layer {
            inputs: 1,
            outputs: 1,
            weights: vec![1.0],
            bias: vec![0.25],
            activation: Activation::Identity,
        };
        // One weight is its own scale's 7, rounded to binary16: next to nothing is left.
        let (weights, bias) = compensate(&layer, &[0.5, 1.0], RoundingGrid::Int4);
        let Weights::Int4 { quantized, scales } = weights else {
            panic!("no int4");
        };
        let value = f32::from(quantized[0]) * scales[0].to_f32();
        let expected = 0.25 + 0.75 * (1.0 - value);
        assert!((bias[0] - expected).abs() <= 1e-6, "{bias:?} {expected}");
        // Nothing but black pixels.
        let (_, bias) = compensate(&layer, &[0.0, 0.0], RoundingGrid::Int4);
        assert_eq!(bias, [0.25]);
    }

    /// Columns are rounded in blocks, on several processors; each comes out as it would by itself.
    #[test]
    fn a_column_does_not_depend_on_the_others() {
        let (inputs, outputs) = (40, 2 * BLOCK + 3);
        let number = |at: usize| (at * 389 % 1009) as f32 / 504.5 - 1.0;
        let of = |columns: Range<usize>| {
            let row = |k: usize| columns.clone().map(move |at| number(k * outputs + at));
            Layer {
                inputs,
                outputs: columns.len(),
                weights: (0..inputs).flat_map(row).collect(),
                bias: columns.clone().map(number).collect(),
                activation: Activation::Identity,
            }
        };
        let x: Vec<f32> = (0..60 * inputs).map(|at| number(at * 7).max(0.0)).collect();
        let scales: Vec<f32> = (0..outputs).map(|at| 0.01 + at as f32 / 1e4).collect();
        for int4 in [true, false] {
            let rounded = |columns: Range<usize>| {
                let grid = match int4 {
                    true => RoundingGrid::Int4,
                    false => RoundingGrid::Int8(127, &scales[columns.clone()]),
                };
                compensate(&of(columns), &x, grid)
            };
            let values = |weights: Weights| match weights {
                Weights::Int4 { quantized, scales } => (quantized, scales),
                Weights::Int8 { quantized, .. } => (quantized, Vec::new()),
                other => panic!("{other:?}"),
            };
            let (all, bias) = rounded(0..outputs);
            let (all, group_scales) = values(all);
            for at in [0, 1, BLOCK - 1, BLOCK, 2 * BLOCK, outputs - 1] {
                let (own, own_bias) = rounded(at..at + 1);
                let (own, own_scales) = values(own);
                assert!(own.iter().eq(all.iter().skip(at).step_by(outputs)));
                assert!(
                    own_scales
                        .iter()
                        .eq(group_scales.iter().skip(at).step_by(outputs))
                );
                assert_eq!(own_bias, [bias[at]]);
            }
        }
    }

    #[test]
    fn the_factor_is_one() {
        let size = 9;
        let x: Vec<f32> = (0..40 * (size - 1))
            .map(|i| (i * 389 % 101) as f32 / 50.0)
            .collect();
        let hessian = hessian(&x, size - 1);
        let factor = Factor::new(hessian.clone(), size);
        for i in 0..size {
            for j in i..size {
                let row = |i: usize| &factor.values[i * size + j..(i + 1) * size];
                let product = dot(row(i), row(j));
                let expected = hessian[i * size + j];
                assert!(
                    (product - expected).abs() <= 1e-9 * expected.abs().max(1.0),
                    "{i} {j}"
                );
            }
        }
    }

    /// The default model's first layer in int8 quantized values, on images that were not looked at.
    #[test]
    fn int8_quantized_make_up_for_each_other_too() {
        let model = Network::default_model().unwrap();
        let images = dataset::calibration_images().unwrap();
        let x = |from, to| input(model.normalization, images.range(from, to));
        for weights in [WeightScales::Tensor, WeightScales::Channel] {
            let mode = Mode::int8(Scheme::DynamicRow, weights);
            let nearest = lower(&model, &mode, None).unwrap().layers[0].clone();
            let Weights::Int8 { scales, .. } = &nearest.weights else {
                panic!("no int8");
            };
            let (weights, bias) = compensate(
                &model.layers[0],
                &x(0, 800),
                RoundingGrid::Int8(127, scales),
            );
            let compensated = QuantizedLayer {
                weights,
                bias,
                ..nearest.clone()
            };
            let unseen = x(800, 1_000);
            let of = |layer| error(&model.layers[0], layer, &unseen);
            assert!(of(&compensated) <= 0.5 * of(&nearest), "{mode}");
        }
    }

    #[test]
    fn what_needs_images_and_what_only_wants_them() {
        let recipe = crate::quantize::Recipe::default();
        let int8 = |scheme| Mode::int8(scheme, WeightScales::Channel);
        assert!(recipe.needs_images(&Precision::Int4.into()));
        assert!(recipe.needs_images(&int8(Scheme::Static)));
        assert!(!recipe.needs_images(&int8(Scheme::DynamicRow)));
        assert!(recipe.compensates(&int8(Scheme::DynamicRow)));
        assert!(!recipe.compensates(&Precision::Bf16.into()));
    }
}
