//! Products, quantization and activations, in f64 or exact integers.

use crate::model::{Activation, Normalization};

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

/// The quantized values and the scale of a batch of pixels.
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
    let quantized = pixels
        .iter()
        .map(|&pixel| {
            let exact = f64::from(clip * i32::from(pixel)) / f64::from(max);
            exact.round_ties_even() as i32
        })
        .collect();
    (quantized, (max as f32 / 255.0) / clip as f32)
}

/// s = max|t| / c, or 1 where that is below 2⁻¹²⁵; q = clamp(round-half-even(t / s), −c, c).
#[must_use]
pub fn quantize(values: &[f32], clip: i32) -> (Vec<i32>, f32) {
    let largest = values
        .iter()
        .fold(0.0, |max: f32, value| value.abs().max(max));
    let mut scale = largest / clip as f32;
    if scale < 2_f32.powi(-125) {
        scale = 1.0;
    }
    let q = |value: &f32| ((value / scale).round_ties_even() as i32).clamp(-clip, clip);
    (values.iter().map(q).collect(), scale)
}

/// The largest magnitude; 0 of nothing.
pub(super) fn largest(values: &[f64]) -> f64 {
    let larger = |largest: f64, value: &f64| value.abs().max(largest);
    values.iter().fold(0.0, larger)
}

/// Rows that are multiplied together. The weights of a wide layer come from memory once for all of them.
pub(super) const ROWS_TOGETHER: usize = 16;

/// Inner values that are added in one go, one after the other.
const VALUES_TOGETHER: usize = 4;

/// Calls `add` with each row of `out: [rows, cols]`, a few values of this row of `x: [rows, inner]`, and the rows of
/// `w: [inner, cols]` that these values are multiplied with. A row gets its values from first to last; behind the last
/// come zeros.
fn each_product<T: Copy + Default, S>(
    (x, w): (&[T], &[T]),
    (inner, cols): (usize, usize),
    out: &mut [S],
    add: impl Fn(&mut [S], [T; VALUES_TOGETHER], [&[T]; VALUES_TOGETHER]),
) {
    let blocks = x.chunks(ROWS_TOGETHER * inner);
    for (x, out) in blocks.zip(out.chunks_mut(ROWS_TOGETHER * cols)) {
        for (block, w) in w.chunks(VALUES_TOGETHER * cols).enumerate() {
            let first = block * VALUES_TOGETHER;
            let w = std::array::from_fn(|at| w.chunks(cols).nth(at).unwrap_or(&w[..cols]));
            for (x, out) in x.chunks(inner).zip(out.chunks_mut(cols)) {
                let x = std::array::from_fn(|at| x.get(first + at).copied().unwrap_or_default());
                add(out, x, w);
            }
        }
    }
}

/// `x: [rows, inner]` · `w: [inner, cols]`, row-major, in f64.
#[must_use]
pub fn product(x: &[f64], w: &[f64], inner: usize, cols: usize) -> Vec<f64> {
    let mut out = vec![0.0; x.len() / inner * cols];
    each_product((x, w), (inner, cols), &mut out, |out, x, [a, b, c, d]| {
        let rows = a.iter().zip(b).zip(c).zip(d);
        for (out, (((a, b), c), d)) in out.iter_mut().zip(rows) {
            *out = *out + x[0] * a + x[1] * b + x[2] * c + x[3] * d;
        }
    });
    out
}

/// `x: [rows, inner]` · `w: [inner, cols]`, row-major, in exact integers. The magnitudes of `x` and `w` are below 2¹⁴.
///
/// # Panics
/// Where a sum leaves int32, which a checked model's cannot.
#[must_use]
pub fn integer_product(x: &[i32], w: &[i32], inner: usize, cols: usize) -> Vec<i32> {
    let mut out = vec![0_i64; x.len() / inner * cols];
    each_product((x, w), (inner, cols), &mut out, |out, x, [a, b, c, d]| {
        let rows = a.iter().zip(b).zip(c).zip(d);
        for (out, (((a, b), c), d)) in out.iter_mut().zip(rows) {
            *out += i64::from(x[0] * a + x[1] * b + x[2] * c + x[3] * d);
        }
    });
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

pub(super) fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}
