//! The forms in which layers take their input, and how pixels and values are put into them.
//!
//! The formulas are those of [`crate::quantize`].
#![expect(unsafe_code, reason = "computed with vectors, through pointers")]

use super::scratch::Scratch;
use crate::cpu::quantized::{LookupTable, index};
use crate::cpu::simd::{Simd, stride};
use crate::model::Normalization;
use crate::precision::Float;
use crate::quantize::{InputQuantization, QuantizedLayer};
use crate::scheme;

/// In which form a layer takes its input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Encoding {
    /// As values in f32.
    Values(Float),
    /// As quantized values with a scale for each row.
    Row(Levels),
    /// As quantized values with a scale that is known, by whose inverse values are multiplied.
    Static(Levels, f32),
}

/// A value in units of its scale is rounded, stays within two whole numbers, and is moved by a third:
/// that is its quantized value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Levels {
    low: f32,
    high: f32,
    moved: f32,
}

impl Encoding {
    /// That of a layer's input.
    pub fn of(layer: &QuantizedLayer, clip: u8) -> Self {
        let moved = layer.zero_point(clip) as f32;
        let clip = f32::from(clip);
        let levels = |low, high| Levels { low, high, moved };
        match layer.input {
            InputQuantization::Values => Self::Values(layer.precision().float()),
            InputQuantization::Tensor => {
                unreachable!("a batch that shares its scales is run layer by layer")
            }
            InputQuantization::Row { unsigned: true } => Self::Row(levels(0.0, 2.0 * clip + 1.0)),
            InputQuantization::Row { unsigned: false } => Self::Row(levels(-clip, clip)),
            InputQuantization::Static(affine) => {
                Self::Static(levels(-128.0 - moved, 127.0 - moved), affine.inverse())
            }
        }
    }
}

impl Levels {
    /// The quantized value of a value in units of its scale.
    fn q(self, units: f32) -> i8 {
        let inside = units.round_ties_even().clamp(self.low, self.high);
        (inside + self.moved) as i8
    }

    /// The quantized values of a vector of values in units of their scale, to where they stand in memory.
    #[inline(always)]
    pub unsafe fn store<S: Simd>(self, units: S::F, to: *mut u8) {
        // SAFETY: the caller's promise: the memory holds a vector's quantized values.
        unsafe {
            // The bounds are whole numbers: rounding moves nothing beyond them. NaN is the lower one.
            let inside = S::min(S::max(units, S::splat(self.low)), S::splat(self.high));
            S::store_quantized(to, S::add(S::round(inside), S::splat(self.moved)));
        }
    }

    /// The scale of a row whose largest magnitude is `largest`.
    fn scale(self, largest: f32) -> f32 {
        scheme::scale_for(largest, self.high)
    }
}

/// How the first layer's input is made of pixels.
#[derive(Debug)]
pub(super) enum Pixels {
    /// The value of every byte; of `Unit` it is also computed.
    Values {
        table: Box<[f32; 256]>,
        unit: bool,
        stored: Float,
    },
    /// The quantized value of every byte.
    Static(Box<LookupTable>),
    /// Each byte is its own quantized value.
    Own,
    /// The quantized values of every byte and their scale, by the byte of a row whose value is largest in magnitude.
    Row {
        tables: Box<[(LookupTable, f32); 256]>,
        magnitudes: Box<[f32; 256]>,
    },
}

impl Pixels {
    pub fn new(encoding: Encoding, normalization: Normalization) -> Self {
        let unit = normalization == Normalization::Unit;
        let values = normalization.table_f32();
        match encoding {
            Encoding::Values(stored) => Self::Values {
                table: Box::new(match stored {
                    Float::F32 => values,
                    Float::F16 => normalization.table_f16().map(f32::from),
                    Float::Bf16 => normalization.table_bf16().map(f32::from),
                }),
                unit,
                stored,
            },
            Encoding::Static(levels, inverse) => {
                let table = values.map(|value| index(levels.q(value * inverse)) as u8);
                if table.iter().enumerate().all(|(p, &q)| p == usize::from(q)) {
                    Self::Own
                } else {
                    Self::Static(Box::new(table))
                }
            }
            Encoding::Row(levels) => {
                let magnitudes = values.map(f32::abs);
                let of_largest = |byte: usize| {
                    let scale = levels.scale(magnitudes[byte]);
                    let q = |pixel: usize| index(levels.q(values[pixel] / scale)) as u8;
                    (std::array::from_fn(q), scale)
                };
                Self::Row {
                    tables: Box::new(std::array::from_fn(of_largest)),
                    magnitudes: Box::new(magnitudes),
                }
            }
        }
    }

    pub fn bytes(&self) -> u64 {
        let bytes = match self {
            Self::Values { table, .. } => size_of_val(&**table),
            Self::Static(table) => size_of_val(&**table),
            Self::Own => 0,
            Self::Row { tables, magnitudes } => size_of_val(&**tables) + size_of_val(&**magnitudes),
        };
        bytes as u64
    }

    /// The first layer's input of `pixels: [rows, inputs]`.
    ///
    /// # Safety
    /// The instructions of `S` are there.
    #[inline(always)]
    pub unsafe fn hand_on<S: Simd>(&self, pixels: &[u8], inputs: usize, scratch: &mut Scratch) {
        let rows = pixels.chunks_exact(inputs);
        // SAFETY: the caller's promise, here and below.
        if let Self::Values {
            table,
            unit,
            stored,
        } = self
        {
            for (pixels, x) in rows.zip(scratch.x.chunks_mut(stride(inputs))) {
                unsafe { values::<S>(pixels, table, *unit, *stored, x) };
            }
            return;
        }
        let quantized = scratch
            .quantized
            .chunks_mut(stride(inputs.div_ceil(S::GROUP)));
        for ((pixels, quantized), scale) in rows.zip(quantized).zip(scratch.scales.iter_mut()) {
            let quantized: &mut [u8] = bytemuck::cast_slice_mut(quantized);
            *scale = unsafe { self.quantized::<S>(pixels, quantized) };
        }
    }

    /// The quantized values of one row and their scale, or 1 where the layer knows that.
    #[inline(always)]
    unsafe fn quantized<S: Simd>(&self, pixels: &[u8], quantized: &mut [u8]) -> f32 {
        assert!(
            pixels.len() * (4 / S::GROUP) <= quantized.len(),
            "the memory holds a row of quantized values"
        );
        let (table, scale) = match self {
            Self::Row { tables, magnitudes } => {
                let (low, high) = pixels.iter().fold((u8::MAX, u8::MIN), |(low, high), &p| {
                    (low.min(p), high.max(p))
                });
                // An affine function is largest in magnitude at one of the ends.
                let magnitude = |byte: u8| magnitudes[usize::from(byte)];
                let largest = if magnitude(low) > magnitude(high) {
                    low
                } else {
                    high
                };
                let (table, scale) = &tables[usize::from(largest)];
                (table, *scale)
            }
            Self::Static(table) => (&**table, 1.0),
            Self::Own | Self::Values { .. } => {
                if S::GROUP == 4 {
                    quantized[..pixels.len()].copy_from_slice(pixels);
                } else {
                    for (q, &pixel) in quantized.chunks_exact_mut(2).zip(pixels) {
                        q.copy_from_slice(&(i16::from(pixel) - 128).to_ne_bytes());
                    }
                }
                return 1.0;
            }
        };
        // SAFETY: the caller's promise; the row was found to be long enough.
        unsafe { S::look_up(table, pixels.as_ptr(), quantized.as_mut_ptr(), pixels.len()) };
        scale
    }
}

/// The values of one row of pixels.
#[inline(always)]
unsafe fn values<S: Simd>(
    pixels: &[u8],
    table: &[f32; 256],
    unit: bool,
    stored: Float,
    x: &mut [f32],
) {
    let inputs = pixels.len();
    assert!(inputs <= x.len(), "a row of inputs");
    let mut done = 0;
    if unit && (stored != Float::F16 || S::CONVERTS_F16) {
        while done + S::LANES <= inputs {
            // SAFETY: the caller's promise; both rows hold `inputs` values.
            unsafe {
                let value = S::unit(S::load_bytes(pixels.as_ptr().add(done)));
                S::store(x.as_mut_ptr().add(done), rounded::<S>(stored, value));
            }
            done += S::LANES;
        }
    }
    for (x, pixel) in x[done..inputs].iter_mut().zip(&pixels[done..]) {
        *x = table[usize::from(*pixel)];
    }
}

#[inline(always)]
unsafe fn rounded<S: Simd>(stored: Float, value: S::F) -> S::F {
    // SAFETY: the caller's promise.
    unsafe {
        match stored {
            Float::F32 => value,
            Float::F16 => S::round_f16(value),
            Float::Bf16 => S::round_bf16(value),
        }
    }
}

/// Rounds values, whole vectors of them, to what they are stored as.
///
/// # Safety
/// The instructions of `S` are there.
#[inline(always)]
pub(super) unsafe fn round<S: Simd>(stored: Float, values: &mut [f32]) {
    if stored == Float::F32 {
        return;
    }
    assert!(values.len().is_multiple_of(S::LANES));
    for start in (0..values.len()).step_by(S::LANES) {
        // SAFETY: the caller's promise; the values are whole vectors, as was just checked.
        unsafe {
            let at = values.as_mut_ptr().add(start);
            S::store(at, rounded::<S>(stored, S::load(at)));
        }
    }
}

/// Hands on what a layer of `width` outputs gave for `rows` rows, in the form that the next one takes.
///
/// # Safety
/// The instructions of `S` are there.
#[inline(always)]
pub(super) unsafe fn hand_on<S: Simd>(
    encoding: Encoding,
    rows: usize,
    width: usize,
    scratch: &mut Scratch,
) {
    let y_stride = stride(width);
    let y = &mut scratch.y[..rows * y_stride];
    if let Encoding::Values(stored) = encoding {
        // SAFETY: the caller's promise, here and below.
        unsafe { round::<S>(stored, y) };
        scratch.swap_values();
        return;
    }
    let padded = width.next_multiple_of(S::LANES);
    let quantized = scratch
        .quantized
        .chunks_mut(stride(width.div_ceil(S::GROUP)));
    for ((y, quantized), scale) in y
        .chunks_exact_mut(y_stride)
        .zip(quantized)
        .zip(scratch.scales.iter_mut())
    {
        // What fills up a row is not to be searched.
        y[width..padded].fill(0.0);
        let quantized = bytemuck::cast_slice_mut(quantized);
        *scale = unsafe { quantize_rows::<S>(encoding, &y[..padded], quantized) };
    }
}

/// The quantized values of one row of values, whole vectors, and their scale, or 1 where the next layer knows that.
#[inline(always)]
unsafe fn quantize_rows<S: Simd>(encoding: Encoding, values: &[f32], quantized: &mut [u8]) -> f32 {
    let size = 4 / S::GROUP;
    assert!(
        values.len() * size <= quantized.len() && values.len().is_multiple_of(S::LANES),
        "a row of quantized values"
    );
    let vectors = (0..values.len()).step_by(S::LANES);
    // SAFETY: the caller's promise; both rows hold whole vectors, as was just checked.
    unsafe {
        let at = |start: usize| S::load(values.as_ptr().add(start));
        match encoding {
            Encoding::Values(_) => 1.0,
            Encoding::Static(levels, inverse) => {
                let inverse = S::splat(inverse);
                for start in vectors {
                    let to = quantized.as_mut_ptr().add(size * start);
                    levels.store::<S>(S::mul(at(start), inverse), to);
                }
                1.0
            }
            Encoding::Row(levels) => {
                let (mut low, mut high) = (S::splat(0.0), S::splat(0.0));
                for start in vectors.clone() {
                    low = S::min(at(start), low);
                    high = S::max(at(start), high);
                }
                let largest = S::reduce_max(high).max(-S::reduce_min(low));
                let scale = levels.scale(largest);
                // A quotient, as in the scheme: an inverse would round twice.
                let divisor = S::splat(scale);
                for start in vectors {
                    let to = quantized.as_mut_ptr().add(size * start);
                    levels.store::<S>(S::div(at(start), divisor), to);
                }
                scale
            }
        }
    }
}
