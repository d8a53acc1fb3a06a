//! What the range of the formats, not their number of bits, takes from a network's values.
//!
//! Beside each value stands a bound on the error that the range alone makes: values and parameters below the smallest
//! normal number of their type, scales that f32 does not hold. A layer passes its inputs' errors on, times the
//! magnitudes of its weights, and through its activation. An error below the unit roundoff of its value is left out, since
//! rounding makes one of that size anyway. The network is out of range where the errors of an image's last sums are
//! several times what rounding to the formats' bits makes of the magnitudes that were added.

use super::arithmetic::{activate, label, largest};
use super::widened::Widened;
use crate::Precision;
use crate::model::Activation;
use crate::precision::Float;
use crate::quantize::{LostParameters, OutOfRange, Quantity, QuantizedLayer, QuantizedNetwork};
use crate::scheme::SMALLEST_SCALE;

/// The range may take this many times what rounding takes of a sum's terms.
const MOST_LOST: f64 = 8.0;

/// An adapter may take smaller numbers of f32 for zero.
const SMALLEST: f64 = f32::MIN_POSITIVE as f64;

/// Beside a larger term of a sum, what an adapter takes for zero is less than f32's roundoff.
const SMALL: f64 = SMALLEST * (1 << 24) as f64;

/// The share of an image's values that is lost somewhere.
type Source = (f64, OutOfRange);

/// The bounds on what the range takes from the values of some images.
pub(super) struct RangeLoss {
    /// Of each value of the graph, `[images, width]`; empty where nothing is lost.
    of: Vec<Vec<f64>>,
    /// Of each image, where the largest share of its values is lost.
    sources: Vec<Option<Source>>,
    /// The share of the magnitudes of a sum's terms that may be lost.
    most_lost: f64,
}

/// A layer on its way through the network.
#[derive(Clone, Copy)]
pub(super) struct Step<'a> {
    pub(super) index: usize,
    pub(super) layer: &'a QuantizedLayer,
    pub(super) weights: &'a Widened,
    /// What its format takes from its parameters, where that is known.
    pub(super) parameters: Option<&'a LostParameters>,
}

/// The products of an int8 layer's scales that f32 does not hold.
#[derive(Default)]
pub(super) struct LostScales {
    /// The first of them, exact.
    product: Option<f64>,
    /// What they take from each sum, as long as all of them are numbers.
    errors: Vec<f64>,
}

impl LostScales {
    /// Sees the next sum, which is multiplied by `product`, that of two scales in f32.
    pub(super) fn see(&mut self, product: f32, scales: [f32; 2], sum: i32) {
        let exact = f64::from(scales[0]) * f64::from(scales[1]);
        let lost = !product.is_normal();
        if lost && (self.product.is_none() || product.is_infinite()) {
            self.product = Some(exact);
        }
        self.errors.push(if lost {
            exact * f64::from(sum).abs()
        } else {
            0.0
        });
    }

    /// An infinite product is lost whatever the sum is: zero times infinity is no number.
    pub(super) fn overflow(&self, layer: usize) -> Option<OutOfRange> {
        let value = self.product.filter(|&exact| exact > f64::from(f32::MAX))?;
        Some(OutOfRange {
            layer: Some(layer),
            quantity: Quantity::ScaleProduct,
            value,
            precision: Precision::Int8,
        })
    }
}

impl RangeLoss {
    pub(super) fn new(model: &QuantizedNetwork) -> Self {
        let layers = model.layers.iter();
        let roundoff = layers.map(|layer| layer.precision().roundoff());
        Self {
            of: vec![Vec::new(); model.graph.values.len()],
            sources: Vec::new(),
            most_lost: MOST_LOST * roundoff.fold(0.0, f64::max),
        }
    }

    /// The errors of a value of the graph.
    pub(super) fn of(&self, value: usize) -> Vec<f64> {
        self.of[value].clone()
    }

    /// Keeps the errors of a value of the graph.
    pub(super) fn put(&mut self, value: usize, errors: Vec<f64>) {
        self.of[value] = errors;
    }

    /// Adds what values `x` lose where they become `stored`, which only the range explains of the small ones.
    pub(super) fn store(
        &mut self,
        errors: &mut Vec<f64>,
        (layer, precision): (Option<usize>, Precision),
        x: &[f64],
        stored: &[f64],
        width: usize,
    ) {
        let float = precision.float();
        let smallest = float.smallest_normal();
        let lost = |(&x, &stored): (&f64, &f64)| match float {
            _ if x.abs() >= smallest => 0.0,
            // An adapter may take them for zero.
            Float::F32 | Float::Bf16 => x.abs(),
            Float::F16 => (x - stored).abs(),
        };
        let lost: Vec<f64> = x.iter().zip(stored).map(lost).collect();
        self.note(x, &lost, width, |value| OutOfRange {
            layer,
            quantity: Quantity::SmallValue,
            value,
            precision,
        });
        add(errors, &lost);
    }

    /// Adds what a tensor or a row of values loses where its scale would be too small, so that it becomes zeros.
    pub(super) fn scale(
        &mut self,
        errors: &mut Vec<f64>,
        layer: Option<usize>,
        levels: f64,
        x: &[f64],
        (together, width): (usize, usize),
    ) {
        let mut lost = vec![0.0; x.len()];
        for (x, lost) in x.chunks(together).zip(lost.chunks_mut(together)) {
            if largest(x) / levels < f64::from(SMALLEST_SCALE) {
                lost.iter_mut().zip(x).for_each(|(lost, x)| *lost = x.abs());
            }
        }
        self.note(x, &lost, width, |value| OutOfRange {
            layer,
            quantity: Quantity::SmallValue,
            value,
            precision: Precision::Int8,
        });
        add(errors, &lost);
    }

    /// Adds what products of scales that f32 does not hold take from the sums `z` that are multiplied by them.
    pub(super) fn scales(
        &mut self,
        errors: &mut Vec<f64>,
        layer: usize,
        z: &[f64],
        width: usize,
        lost: LostScales,
    ) {
        self.note(z, &lost.errors, width, |_| OutOfRange {
            layer: Some(layer),
            quantity: Quantity::ScaleProduct,
            value: lost.product.unwrap_or_default(),
            precision: Precision::Int8,
        });
        add(errors, &lost.errors);
    }

    /// Adds to the errors of a layer's sums `z` those of its inputs `x`, its parameters and its arithmetic.
    pub(super) fn sums(
        &mut self,
        sums: &mut Vec<f64>,
        step: Step<'_>,
        x: &[f64],
        errors: &[f64],
        z: &[f64],
    ) {
        let Step {
            index,
            layer,
            weights,
            parameters,
        } = step;
        let (inner, cols) = (layer.inputs, layer.outputs);
        let rows = x.len() / inner;
        let noted = |quantity| {
            move |value| OutOfRange {
                layer: Some(index),
                quantity,
                value,
                precision: layer.precision(),
            }
        };
        if !errors.is_empty() {
            sums.resize(rows * cols, 0.0);
            for (errors, sums) in errors.chunks(inner).zip(sums.chunks_mut(cols)) {
                for (row, &error) in errors.iter().enumerate().filter(|(_, error)| **error > 0.0) {
                    for (column, sum) in sums.iter_mut().enumerate() {
                        *sum += error * weights.magnitude(row * cols + column, cols);
                    }
                }
            }
        }
        if let Some(parameters) = parameters.filter(|lost| !lost.is_empty()) {
            let mut lost = vec![0.0; rows * cols];
            for (row, (x, lost)) in x.chunks(inner).zip(lost.chunks_mut(cols)).enumerate() {
                let errors = errors.get(row * inner..).unwrap_or_default();
                for of in &parameters.weights {
                    // What the value would be without its own error is unknown.
                    let unknown = errors.get(of.row).copied().unwrap_or(0.0);
                    lost[of.column] += of.error * (x[of.row].abs() + unknown);
                }
                for of in &parameters.bias {
                    lost[of.column] += of.error;
                }
            }
            let all = parameters.weights.iter().chain(&parameters.bias);
            let value = all.fold(0.0, |max: f64, of| f64::from(of.value.abs()).max(max));
            let note = noted(Quantity::SmallParameter);
            self.note(z, &lost, cols, |_| note(value));
            add(sums, &lost);
        }
        if let Widened::Real { .. } = weights {
            let mut lost = vec![0.0; z.len()];
            let rows = x
                .chunks(inner)
                .zip(z.chunks(cols))
                .zip(lost.chunks_mut(cols));
            for ((x, z), lost) in rows.filter(|((x, _), _)| largest(x) > 0.0) {
                for (column, (z, lost)) in z.iter().zip(lost).enumerate() {
                    if z.abs() < inner as f64 * SMALL {
                        *lost = small_products(x, weights, layer, column);
                        if z.abs() < SMALLEST {
                            *lost += z.abs();
                        }
                    }
                }
            }
            self.note(z, &lost, cols, noted(Quantity::SmallValue));
            add(sums, &lost);
        }
        let roundoff = layer.precision().float().unit_roundoff();
        for (error, z) in sums.iter_mut().zip(z) {
            if *error <= roundoff * z.abs() {
                *error = 0.0;
            }
        }
        if sums.iter().all(|&error| error == 0.0) {
            sums.clear();
        }
    }

    /// Notes errors that are introduced of values `x: [images, width]`, for each image the source of the largest share.
    fn note(&mut self, x: &[f64], lost: &[f64], width: usize, of: impl Fn(f64) -> OutOfRange) {
        self.sources.resize(x.len() / width, None);
        let rows = x.chunks(width).zip(lost.chunks(width));
        for ((x, lost), source) in rows.zip(&mut self.sources) {
            let sum: f64 = lost.iter().sum();
            if sum > 0.0 {
                let all: f64 = x.iter().zip(lost).map(|(x, lost)| x.abs().max(*lost)).sum();
                let lost = x.iter().zip(lost).filter(|(_, lost)| **lost > 0.0);
                let value = lost.fold(0.0, |most: f64, (x, _)| x.abs().max(most));
                let share = sum / all;
                if source.is_none_or(|(most, _)| share > most) {
                    *source = Some((share, of(value)));
                }
            }
        }
    }

    /// What takes most from the first image for which the errors of the last layer's sums are too large, if there is one.
    pub(super) fn judge(&self, step: Step<'_>, x: &[f64], errors: &[f64]) -> Option<OutOfRange> {
        let Step { layer, weights, .. } = step;
        let (inner, cols) = (layer.inputs, layer.outputs);
        let rows = x.chunks(inner).zip(errors.chunks(cols));
        let too_large = |((x, errors), _): &((&[f64], &[f64]), &Option<Source>)| {
            let worst = largest(errors);
            worst > 0.0 && {
                let terms = (0..cols).map(|column| terms(x, weights, layer, column));
                worst > self.most_lost * terms.fold(0.0, f64::max)
            }
        };
        let (_, source) = rows.zip(&self.sources).find(too_large)?;
        source.map(|(_, source)| source)
    }
}

/// The outputs that have lost their order by being too small for their type: a layer of sigmoids that are all nearly zero.
pub(super) fn lost_order(
    (index, precision): (usize, Precision),
    x: &[f64],
    given: &[f64],
    width: usize,
) -> Option<OutOfRange> {
    let float = precision.float();
    let smallest = float.smallest_normal();
    let kept = |&given: &f64| match float {
        Float::F32 | Float::Bf16 if given.abs() < smallest => 0.0,
        _ => given,
    };
    let mut rows = x.chunks(width).zip(given.chunks(width));
    let lost = |(x, given): &(&[f64], &[f64])| {
        let given: Vec<f64> = given.iter().map(kept).collect();
        largest(x) < smallest && label(x) != label(&given)
    };
    rows.find(lost).map(|(x, _)| OutOfRange {
        layer: Some(index),
        quantity: Quantity::SmallValue,
        value: largest(x),
        precision,
    })
}

/// Passes the errors of pre-activations `z` through an activation: a ReLU of a negative sum has none.
pub(super) fn pass(activation: Activation, errors: &mut [f64], z: &[f64]) {
    let of = |value: f64| {
        let mut value = [value];
        activate(activation, &mut value, 1);
        value[0]
    };
    for (error, &z) in errors.iter_mut().zip(z) {
        if *error > 0.0 {
            let value = of(z);
            *error = (of(z + *error) - value).max(value - of(z - *error));
        }
    }
}

/// Σ|x·w| + |b| of an output.
fn terms(x: &[f64], weights: &Widened, layer: &QuantizedLayer, column: usize) -> f64 {
    let product = |(row, x): (usize, &f64)| {
        x.abs() * weights.magnitude(row * layer.outputs + column, layer.outputs)
    };
    let sum: f64 = x.iter().enumerate().map(product).sum();
    sum + f64::from(layer.bias[column]).abs()
}

/// Σ|x·w| of the products that an adapter may take for zero.
fn small_products(x: &[f64], weights: &Widened, layer: &QuantizedLayer, column: usize) -> f64 {
    let product = |(row, x): (usize, &f64)| {
        x.abs() * weights.magnitude(row * layer.outputs + column, layer.outputs)
    };
    let products = x.iter().enumerate().map(product);
    products.filter(|&product| product < SMALLEST).sum()
}

/// Adds errors, of which an empty list has none.
fn add(errors: &mut Vec<f64>, more: &[f64]) {
    if more.iter().all(|&more| more == 0.0) {
        return;
    }
    errors.resize(more.len(), 0.0);
    errors
        .iter_mut()
        .zip(more)
        .for_each(|(error, more)| *error += more);
}
