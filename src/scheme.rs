//! Quantization schemes as pure functions: scale, quantize, dequantize.
//!
//! The reference scheme, `dynamic-tensor`, is symmetric and dynamic: with the clip c (127 unless the model says
//! otherwise), a tensor t has the scale s = max|t| / c, and its quantized values are
//! q = clamp(round-half-even(t / s), −c, c). A tensor is one batch's matrix.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::error::{Error, Result};

/// How int8 is quantized.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Each image has its own activation scales, found at run time. This is what int8 means where no scheme is named.
    #[default]
    DynamicRow,
    /// Activation scales and zero points come from calibration: nothing is searched for at run time.
    Static,
    /// The reference scheme: one scale a tensor, found at run time; the sums are quantized too, before the activation.
    /// An image's outputs depend on the images beside it, so it is for comparisons, not for deployment.
    DynamicTensor,
}

impl Scheme {
    /// Every scheme, in the order of every table.
    pub const ALL: [Self; 3] = [Self::DynamicRow, Self::Static, Self::DynamicTensor];

    /// The name in every output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DynamicTensor => "dynamic-tensor",
            Self::DynamicRow => "dynamic-row",
            Self::Static => "static",
        }
    }

    /// Whether an image's outputs depend on the images beside it.
    #[must_use]
    pub fn depends_on_batch(self) -> bool {
        self == Self::DynamicTensor
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Scheme {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let named = Self::ALL.into_iter().find(|scheme| scheme.name() == text);
        named.ok_or_else(|| Error::unknown_name("scheme", text, Self::ALL.map(Self::name)))
    }
}

impl Serialize for Scheme {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// How many scales an int8 weight matrix has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WeightScales {
    /// One.
    Tensor,
    /// One for each output channel, a column of the matrix.
    Channel,
}

impl WeightScales {
    /// The name in every output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tensor => "tensor",
            Self::Channel => "channel",
        }
    }
}

impl fmt::Display for WeightScales {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for WeightScales {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let named = [Self::Tensor, Self::Channel].into_iter();
        named
            .into_iter()
            .find(|scales| scales.name() == text)
            .ok_or_else(|| Error::unknown_name("weight scales", text, ["tensor", "channel"]))
    }
}

impl Serialize for WeightScales {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// The smallest scale, 2⁻¹²⁵. A driver may flush subnormal values to zero. In units of a smaller scale that would change
/// quantized values.
pub const SMALLEST_SCALE: f32 = 2.0 * f32::MIN_POSITIVE;

/// The scale of a tensor whose largest magnitude is `max_abs`; 1 instead of one below [`SMALLEST_SCALE`]: all quantized
/// values are zero then.
#[must_use]
pub fn scale(max_abs: f32, clip: u8) -> f32 {
    scale_for(max_abs, f32::from(clip))
}

/// The scale with which `max_abs` has the quantized value `levels`; 1 instead of one below [`SMALLEST_SCALE`].
#[must_use]
pub fn scale_for(max_abs: f32, levels: f32) -> f32 {
    let scale = max_abs / levels;
    if scale < SMALLEST_SCALE { 1.0 } else { scale }
}

/// The quantized value of a value: round-half-even(`value` / `scale`), at most `clip` in magnitude.
#[must_use]
pub fn quantize(value: f32, scale: f32, clip: u8) -> i8 {
    let clip = f32::from(clip);
    (value / scale).round_ties_even().clamp(-clip, clip) as i8
}

/// The value that a quantized value stands for.
#[must_use]
pub fn dequantize(q: i8, scale: f32) -> f32 {
    f32::from(q) * scale
}

/// The scale of a batch of pixels p / 255 whose largest byte is `max`.
#[must_use]
pub fn pixel_scale(max: u8, clip: u8) -> f32 {
    scale(f32::from(max) / 255.0, clip)
}

/// The quantized value of a pixel in exact integers: round-half-even(`clip` · `pixel` / `max`).
///
/// In f32 the odd pixels, which are exact ties where the largest is even, would be decided by
/// rounding errors.
#[must_use]
pub fn quantize_pixel(pixel: u8, max: u8, clip: u8) -> i8 {
    if max == 0 {
        return 0;
    }
    let (scaled, max) = (u32::from(clip) * u32::from(pixel), u32::from(max));
    let (floor, rest) = (scaled / max, scaled % max);
    let up = 2 * rest > max || (2 * rest == max && floor % 2 == 1);
    (floor + u32::from(up)) as i8
}

/// The largest magnitude of a tensor; 0 where it is empty.
#[must_use]
pub fn max_abs(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |max, value| value.abs().max(max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_even() {
        let quantized =
            [0.5, 1.5, 2.5, -0.5, -1.5, 126.5, 127.5, -200.0].map(|v| quantize(v, 1.0, 127));
        assert_eq!(quantized, [0, 2, 2, 0, -2, 126, 127, -127]);
    }

    #[test]
    fn a_zero_tensor_has_scale_one() {
        assert_eq!(scale(0.0, 127), 1.0);
        assert_eq!(pixel_scale(0, 127), 1.0);
        assert_eq!(quantize_pixel(0, 0, 127), 0);
        assert_eq!(scale(f32::from_bits(1), 127), 1.0);
    }

    /// `shaders/shared/quantize_reference.wgsl` rounds a quotient twice. It is right for any quotient that WGSL allows: 2.5
    /// ULP off, and then multiplied and rounded.
    #[test]
    fn two_roundings_of_an_inexact_quotient_are_exact() {
        for (max, clip) in (1..=255_u8).flat_map(|max| (1..=127).map(move |clip| (max, clip))) {
            let quotient = f32::from(clip) * 1024.0 / f32::from(max);
            let off = |ulps: i32| f32::from_bits(quotient.to_bits().wrapping_add_signed(ulps));
            for (pixel, ulps) in (0..=max).flat_map(|pixel| [(pixel, -3), (pixel, 0), (pixel, 3)]) {
                let product = f32::from(pixel) * off(ulps);
                for product in [product.next_down().max(0.0), product, product.next_up()] {
                    let rounded = (product.round_ties_even() / 1024.0).round_ties_even();
                    let expected = quantize_pixel(pixel, max, clip);
                    assert_eq!(rounded as i8, expected, "{pixel}/{max}·{clip}, {ulps} ULP");
                }
            }
        }
    }

    #[test]
    fn pixel_quantized_are_exact() {
        for max in 1..=255_u8 {
            for pixel in 0..=max {
                for clip in [1, 7, 127] {
                    let exact = f64::from(clip) * f64::from(pixel) / f64::from(max);
                    let expected = exact.round_ties_even() as i8;
                    assert_eq!(
                        quantize_pixel(pixel, max, clip),
                        expected,
                        "{pixel}/{max}·{clip}"
                    );
                }
            }
        }
    }
}
