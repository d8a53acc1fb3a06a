//! What each check allows, and why, in words: those of [`super::compare`] and [`super::case`].

use crate::Precision;
use crate::mode::Mode;
use crate::plan::{LayerOutput, Pass};

/// Exact integers.
pub const SUMS: &str = "bit-identical: sums of int8 products are whole numbers below 2³¹";
/// f32 sums.
pub const SINGLE: &str = "1e-4·|x| + 2⁻²⁰·√K·rms, NMSE ≤ 1e-10: each kernel adds the K products in its own \
                          order, and may use fma";
/// f32 sums of parts of the inner dimension, added.
pub const PARTS: &str = "n ULP of the sum of the magnitudes of n terms, NMSE ≤ 1e-10: each kernel adds them in its own order";
/// f16, each output rounded once.
pub const HALF: &str = "one binary16 ULP plus the rounding of an f32 sum, NMSE ≤ 1e-6: outputs are rounded \
                        once, to binary16";
/// bfloat16.
pub const BRAIN: &str =
    "0.02·max(|x|, 0.5), NMSE ≤ 1e-4: outputs are rounded once, to 8 significant bits";
/// Weights in groups with scales, multiplied in f32.
pub const GROUPED: &str = "1e-5·max(|x|, 0.5), NMSE ≤ 1e-4: weights equal those of the reference, and only the \
                        order of f32 sums differs";
/// int8 with its f32 arithmetic.
pub const SCALED: &str = "bit-identical where no activation before or behind needs exp or tanh, else 1e-6·max(|x|, 0.5), in \
                          dynamic-tensor 2⁻²⁰ of the terms: sums are exact, and \
                          scaling and bias are rounded the same way on every driver";
/// f32 values of int8 passes with an activation.
pub const VALUES: &str =
    "1e-4·|x| + 2⁻²⁰·rms, NMSE ≤ 1e-10: a few f32 operations on exact quantized values";
/// Quantized values with a static scale.
pub const STATIC: &str = "bit-identical where the input is quantized and no activation needs exp or tanh; else, within 0.002 of a \
                         rounding tie, quantized values may differ by one, for at most 2% of them plus one";
/// Quantized values with a scale for each row.
pub const ROWS: &str = "bit-identical where the input is quantized and no activation needs exp or tanh; else scales within what n terms \
                        of f32 may be off, n ULP of the sum of their magnitudes, and quantized values within 0.52 of the exact quotient";
/// What only moves or rounds what it is given.
pub const EXACT: &str = "bit-identical: nothing is rounded";
/// f32 arithmetic that does not depend on the driver.
pub const ROUNDED: &str =
    "bit-identical to correctly rounded f32 arithmetic, whatever WGSL allows the driver";
/// Weights on the device.
pub const WEIGHTS: &str = "bit-identical: the model's weights, at their places in the layout";

/// What a kernel's outputs may differ from the reference's.
#[must_use]
pub fn of_kernel(pass: Pass, elements: Precision) -> &'static str {
    match (pass, elements) {
        (Pass::Layer(layer), _) => match (layer.output, elements) {
            (LayerOutput::PreActivation, _) => SCALED,
            (LayerOutput::PartialSums(_), Precision::Int8) => SUMS,
            (LayerOutput::PartialSums(_), _) => PARTS,
            (LayerOutput::QuantizedRows, _) => ROWS,
            (LayerOutput::Quantized, _) => STATIC,
            (_, Precision::F16) => HALF,
            (_, Precision::Bf16) => BRAIN,
            (_, elements) if elements.group().is_some() => GROUPED,
            (_, Precision::Int8) => SCALED,
            _ => SINGLE,
        },
        (Pass::Normalize | Pass::PixelMax | Pass::QuantizePixels | Pass::AbsMax, _) => EXACT,
        (Pass::Quantize | Pass::QuantizedRows { .. } | Pass::QuantizeStatic, _) => ROUNDED,
        (Pass::Bias | Pass::Dequantize, Precision::Int8) => ROUNDED,
        (Pass::Matmul(_), Precision::Int8) => SUMS,
        (Pass::Activation(_), Precision::F16) => HALF,
        (_, Precision::Int8) => VALUES,
        _ => SINGLE,
    }
}

/// What a network's outputs may differ from the reference's; see [`super::compare`].
#[must_use]
pub fn of_network(mode: &Mode) -> &'static str {
    match mode.precision {
        Precision::F32 => SINGLE,
        Precision::F16 => {
            "two binary16 ULP of the largest output for each layer, NMSE ≤ 1e-6: a value near a rounding tie \
             may round the other way"
        }
        Precision::Int8 if mode.depends_on_batch() => {
            "1e-5 + 1e-4·|x| except for max(1, n / 1,000) of n, NMSE ≤ 1e-4: a value near a rounding tie may \
             round the other way"
        }
        _ => {
            "nine of ten rows close to the reference, none far from it, NMSE ≤ 1e-3: a value that rounds the \
             other way at a tie changes its row a little"
        }
    }
}
