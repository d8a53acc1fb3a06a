//! The scheme `dynamic-tensor` on whole tensors: their ranges, and tables from quantized values to quantized values.
//!
//! "Quantize the pre-activation, dequantize, apply the activation, quantize for the next layer" is a function of a
//! quantized value, of which there are 255: it is computed once for each of them, by the formula of the scheme, and
//! looked up for every value. A quantized value's index in a table is the quantized value and 128.
#![expect(unsafe_code, reason = "computed with vectors, through pointers")]

use super::isa::Supported;
use super::simd::{Simd, Work};
use crate::model::{Activation, Normalization};
use crate::scheme;

/// The quantized values of 256 bytes, as indices.
pub(super) type LookupTable = [u8; 256];

/// The index of a quantized value.
pub(super) fn index(q: i8) -> usize {
    (i32::from(q) + 128) as usize
}

/// The smallest and the largest of some values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Range {
    pub low: f32,
    pub high: f32,
}

impl Range {
    pub const EMPTY: Self = Self {
        low: f32::INFINITY,
        high: f32::NEG_INFINITY,
    };

    pub fn with(self, other: Self) -> Self {
        Self {
            low: self.low.min(other.low),
            high: self.high.max(other.high),
        }
    }
}

/// What turns a batch's pixels into quantized values.
#[derive(Debug)]
pub(super) struct PixelQuantizer {
    /// What is quantized for each byte: its value, or with the normalization `Unit`, whose quantized values are
    /// found in exact integers, the clip times the byte.
    values: [f32; 256],
    unit: bool,
    clip: u8,
}

impl PixelQuantizer {
    pub fn new(normalization: Normalization, clip: u8) -> Self {
        let unit = normalization == Normalization::Unit;
        Self {
            values: if unit {
                std::array::from_fn(|byte| f32::from(clip) * byte as f32)
            } else {
                normalization.table_f32()
            },
            unit,
            clip,
        }
    }

    /// The quantized values of every pixel byte of a batch, and their scale.
    pub fn quantize(&self, pixels: &[u8], isa: Supported) -> (LookupTable, f32) {
        let (low, high) = extremes(pixels);
        let clip = self.clip;
        let (scale, divisor) = if self.unit {
            // The quotient of two such whole numbers is a tie in f32 only where it is one exactly: else
            // it is 1 / 510 away from one, and f32 is exact to 2⁻¹⁷ there.
            (scheme::pixel_scale(high, clip), f32::from(high.max(1)))
        } else {
            // An affine function is largest in magnitude at one of the ends, and rounding keeps order.
            let ends = [low, high].map(|byte| self.values[usize::from(byte)]);
            let scale = scheme::scale(scheme::max_abs(&ends), clip);
            (scale, scale)
        };
        (quantized_of(&self.values, divisor, clip, isa), scale)
    }
}

/// The smallest and the largest byte.
fn extremes(bytes: &[u8]) -> (u8, u8) {
    let mut found = (u8::MAX, u8::MIN);
    for bytes in bytes.chunks(4096) {
        let low = bytes.iter().copied().fold(u8::MAX, u8::min);
        let high = bytes.iter().copied().fold(u8::MIN, u8::max);
        found = (found.0.min(low), found.1.max(high));
        // There is nothing beyond.
        if found == (u8::MIN, u8::MAX) {
            break;
        }
    }
    found
}

/// A tensor of scaled sums, as its quantized values stand for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct QuantizedSums {
    pub scale: f32,
    clip: u8,
    /// The smallest and the largest value in it.
    range: Range,
}

impl QuantizedSums {
    pub fn new(range: Range, clip: u8) -> Self {
        Self {
            scale: scheme::scale(range.low.abs().max(range.high.abs()), clip),
            clip,
            range,
        }
    }

    /// What each quantized value stands for after an activation that goes element by element.
    pub fn activated(self, activation: Activation) -> [f32; 256] {
        let mut values = std::array::from_fn(|index| (index as i32 - 128) as f32 * self.scale);
        activation.apply(&mut values, 256);
        values
    }

    /// The quantized values of `tensor` after an activation, and their scale.
    pub fn next(
        self,
        activation: Activation,
        tensor: &[f32],
        isa: Supported,
    ) -> (LookupTable, f32) {
        let values = self.activated(activation);
        let scale = scheme::scale(self.largest(&values, tensor), self.clip);
        (quantized_of(&values, scale, self.clip, isa), scale)
    }

    /// The largest magnitude of `tensor` after the activation whose `values` these are.
    fn largest(self, values: &[f32; 256], tensor: &[f32]) -> f32 {
        let q = |value| scheme::quantize(value, self.scale, self.clip);
        // Quantization keeps order, so that the quantized values of both ends are the smallest and the largest.
        let (low, high) = (index(q(self.range.low)), index(q(self.range.high)));
        let ends = values[low].abs().max(values[high].abs());
        // The quantized values at both ends are in the tensor. Those between need not be: as a rule they do not
        // matter, but a mathematical library's tanh may step back in its last bit.
        if values[low..=high].iter().all(|value| value.abs() <= ends) {
            return ends;
        }
        let value = |&z: &f32| values[index(q(z))].abs();
        tensor.iter().map(value).fold(0.0, f32::max)
    }

    /// The quantized values of a row of whole vectors, as indices.
    ///
    /// # Safety
    /// The instructions of `S` are there.
    #[inline(always)]
    pub unsafe fn indices<S: Simd>(self, values: &[f32], indices: &mut [u8]) {
        assert!(values.len() <= indices.len() && values.len().is_multiple_of(S::LANES));
        for start in (0..values.len()).step_by(S::LANES) {
            // SAFETY: the caller's promise; both hold whole vectors, as was just checked.
            unsafe {
                let value = S::load(values.as_ptr().add(start));
                let q = quotient::<S>(value, self.scale, self.clip);
                S::store_index(indices.as_mut_ptr().add(start), q);
            }
        }
    }

    /// What the quantized values of a row of whole vectors stand for, and `offset` added to it.
    ///
    /// # Safety
    /// The instructions of `S` are there.
    #[inline(always)]
    pub unsafe fn dequantized<S: Simd>(self, values: &[f32], offset: &[f32], to: &mut [f32]) {
        assert!(values.len().is_multiple_of(S::LANES));
        assert!(values.len() <= to.len() && values.len() <= offset.len());
        for start in (0..values.len()).step_by(S::LANES) {
            // SAFETY: the caller's promise; all hold whole vectors, as was just checked.
            unsafe {
                let value = S::load(values.as_ptr().add(start));
                let q = S::round(quotient::<S>(value, self.scale, self.clip));
                let value = S::mul(q, S::splat(self.scale));
                let offset = S::load(offset.as_ptr().add(start));
                S::store(to.as_mut_ptr().add(start), S::add(value, offset));
            }
        }
    }
}

/// What is rounded to a quantized value: `value` over `scale`, within the clip. NaN is the smallest quantized value's.
#[inline(always)]
unsafe fn quotient<S: Simd>(value: S::F, scale: f32, clip: u8) -> S::F {
    let clip = f32::from(clip);
    // SAFETY: the caller's promise.
    unsafe {
        let quotient = S::div(value, S::splat(scale));
        S::min(S::max(quotient, S::splat(-clip)), S::splat(clip))
    }
}

/// The quantized values of 256 values, as indices.
fn quantized_of(values: &[f32; 256], scale: f32, clip: u8, isa: Supported) -> LookupTable {
    struct Look<'a> {
        values: &'a [f32; 256],
        z: QuantizedSums,
    }

    impl Work for Look<'_> {
        type Output = LookupTable;

        #[inline(always)]
        unsafe fn run<S: Simd>(self) -> LookupTable {
            let mut table = [0; 256];
            // SAFETY: the caller's promise.
            unsafe { self.z.indices::<S>(self.values, &mut table) };
            table
        }
    }

    let range = Range::EMPTY;
    isa.run(Look {
        values,
        z: QuantizedSums { scale, clip, range },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIPS: [u8; 3] = [1, 63, 127];

    #[test]
    fn pixels_have_the_quantized_of_exact_integers() {
        for isa in Supported::all() {
            for clip in CLIPS {
                let input = PixelQuantizer::new(Normalization::Unit, clip);
                for high in 0..=u8::MAX {
                    let pixels: Vec<u8> = (0..=high).collect();
                    let (table, scale) = input.quantize(&pixels, isa);
                    assert_eq!(scale, scheme::pixel_scale(high, clip));
                    for pixel in pixels {
                        let want = scheme::quantize_pixel(pixel, high, clip);
                        assert_eq!(
                            usize::from(table[usize::from(pixel)]),
                            index(want),
                            "{isa:?}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_table_says_what_the_scheme_says_of_each_value() {
        // Every quantized value but one, ties among them, and no symmetry.
        let tensor: Vec<f32> = (-200..=217).map(|i| i as f32 * 0.25).collect();
        for isa in Supported::all() {
            for clip in CLIPS {
                for activation in Activation::ALL {
                    if activation == Activation::Softmax {
                        continue;
                    }
                    let range = Range {
                        low: -50.0,
                        high: 54.25,
                    };
                    let z = QuantizedSums::new(range, clip);
                    let (table, scale) = z.next(activation, &tensor, isa);
                    let z_scale = scheme::scale(scheme::max_abs(&tensor), clip);
                    let mut values: Vec<f32> = tensor
                        .iter()
                        .map(|&z| scheme::dequantize(scheme::quantize(z, z_scale, clip), z_scale))
                        .collect();
                    activation.apply(&mut values, tensor.len());
                    assert_eq!(scale, scheme::scale(scheme::max_abs(&values), clip));
                    for (&z, &value) in tensor.iter().zip(&values) {
                        let want = scheme::quantize(value, scale, clip);
                        let got = table[index(scheme::quantize(z, z_scale, clip))];
                        assert_eq!(usize::from(got), index(want), "{isa:?} {activation} {z}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_code_that_is_not_in_the_tensor_does_not_count() {
        let z = QuantizedSums::new(
            Range {
                low: -2.0,
                high: 127.0,
            },
            127,
        );
        let mut values = z.activated(Activation::Relu);
        values[index(5)] = 1000.0;
        assert_eq!(z.largest(&values, &[-2.0, 3.0, 127.0]), 127.0);
        assert_eq!(z.largest(&values, &[-2.0, 5.2, 127.0]), 1000.0);
    }

    #[test]
    fn the_extremes_of_bytes() {
        assert_eq!(extremes(&[7]), (7, 7));
        let mut bytes = vec![9; 10_000];
        bytes[9_999] = 200;
        bytes[5_000] = 3;
        assert_eq!(extremes(&bytes), (3, 200));
        bytes[0] = 255;
        assert_eq!(extremes(&bytes), (3, 255));
        bytes[1] = 0;
        assert_eq!(extremes(&bytes), (0, 255));
    }
}
