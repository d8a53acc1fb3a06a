//! The operations on vectors that each instruction set implements.

/// Something that is computed with the vectors of whichever instruction set there is.
pub(in crate::cpu) trait Work {
    /// What comes out.
    type Output;

    /// Does it. Implementations are `#[inline(always)]`.
    ///
    /// # Safety
    /// The processor has the instructions of `S`.
    unsafe fn run<S: Simd>(self) -> Self::Output;
}

/// The vectors of an instruction set.
///
/// # Safety
/// Every function needs the instructions to be there. Those that take a pointer read or write one
/// whole vector through it, of `LANES` elements unless they say otherwise, at any alignment.
pub(in crate::cpu) trait Simd: Copy + 'static {
    /// f32 lanes.
    type F: Copy;
    /// As many i32 lanes; or the quantized values of as many groups.
    type I: Copy;

    /// Lanes of a vector.
    const LANES: usize;
    /// Vectors side by side in a panel of weights: with [`TILE_ROWS`](super::tiling::TILE_ROWS) rows of sums, as many as the
    /// registers hold.
    const PANEL: usize;
    /// Neighbouring int8 quantized values that one lane of [`Simd::dot`] multiplies and sums. Of an activation they
    /// are in memory either 2 signed numbers of 16 bits, or 4 unsigned bytes that are 128 up.
    const GROUP: usize;

    unsafe fn splat(value: f32) -> Self::F;
    unsafe fn load(from: *const f32) -> Self::F;
    unsafe fn store(to: *mut f32, value: Self::F);
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F;
    /// `a · b + c`, rounded once where the instruction set can.
    unsafe fn mul_add(a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// The larger; `b` where either is NaN.
    unsafe fn max(a: Self::F, b: Self::F) -> Self::F;
    /// The smaller; `b` where either is NaN.
    unsafe fn min(a: Self::F, b: Self::F) -> Self::F;
    /// 2^k of whole numbers −126 ≤ k ≤ 127.
    unsafe fn exp2_whole(k: Self::F) -> Self::F;
    /// The nearest whole number, ties to even, of a magnitude below 2²².
    unsafe fn round(value: Self::F) -> Self::F;
    unsafe fn reduce_add(value: Self::F) -> f32;
    unsafe fn reduce_max(value: Self::F) -> f32;
    unsafe fn reduce_min(value: Self::F) -> f32;

    /// Whether it has instructions that convert binary16.
    const CONVERTS_F16: bool;
    /// Binary16 to f32.
    unsafe fn load_f16(from: *const u16) -> Self::F;
    /// The nearest binary16, ties to even, as f32.
    unsafe fn round_f16(value: Self::F) -> Self::F;
    /// bfloat16 to f32.
    unsafe fn load_bf16(from: *const u16) -> Self::F;
    /// The nearest bfloat16, ties to even, as f32; NaN of NaN.
    unsafe fn round_bf16(value: Self::F) -> Self::F;
    /// Bytes of two signed numbers of four bits to f32: those in the low bits, and those in the high ones.
    unsafe fn load_nibbles(from: *const u8) -> [Self::F; 2];
    /// Bytes to f32.
    unsafe fn load_bytes(from: *const u8) -> Self::F;
    /// f32(p) / 255, to the bit, of whole numbers p from 0 to 255.
    unsafe fn unit(p: Self::F) -> Self::F;

    unsafe fn load_i32(from: *const i32) -> Self::I;
    unsafe fn store_i32(to: *mut i32, value: Self::I);
    unsafe fn add_i32(a: Self::I, b: Self::I) -> Self::I;
    unsafe fn zero_i32() -> Self::I;
    unsafe fn to_f32(value: Self::I) -> Self::F;
    /// One group of quantized activations in every lane.
    unsafe fn splat_quantized(group: u32) -> Self::I;
    /// A group of quantized weights a lane: `LANES · GROUP` bytes.
    unsafe fn load_weights(from: *const i8) -> Self::I;
    /// `sum + Σ quantized values · weights` over the group of each lane, in wrapping int32.
    unsafe fn dot(sum: Self::I, quantized: Self::I, weights: Self::I) -> Self::I;
    /// Rounds to the nearest whole number, ties to even, adds 128, and stores the low bytes of the
    /// lanes. −128 ≤ `value` ≤ 127.
    unsafe fn store_index(to: *mut u8, value: Self::F);
    /// Rounds to the nearest whole number, ties to even, and stores the lanes as quantized activations in
    /// memory. −128 ≤ `value` ≤ 127.
    unsafe fn store_quantized(to: *mut u8, value: Self::F);
    /// Writes the quantized values that `table` has of `count` bytes as quantized activations in memory. The table
    /// holds each quantized value plus 128.
    unsafe fn look_up(table: &[u8; 256], from: *const u8, to: *mut u8, count: usize) {
        // SAFETY: the caller's promises.
        unsafe { look_up_one_by_one::<Self>(table, from, to, count) }
    }
}

/// 1/255 as the sum of two f32 numbers, of which the second is what the first lacks: one product by
/// each, the sum rounded once, is the quotient by 255 to the bit.
#[cfg(target_arch = "x86_64")]
pub(super) const RECIPROCAL_OF_255: (f32, f32) = {
    let first = 1.0_f32 / 255.0;
    (first, (1.0 / 255.0 - first as f64) as f32)
};

#[inline(always)]
pub(super) unsafe fn look_up_one_by_one<S: Simd>(
    table: &[u8; 256],
    from: *const u8,
    to: *mut u8,
    count: usize,
) {
    for index in 0..count {
        // SAFETY: `from` holds `count` bytes, `to` as many quantized values.
        unsafe {
            let q = table[usize::from(*from.add(index))];
            if S::GROUP == 4 {
                *to.add(index) = q;
            } else {
                let q = i16::from(q) - 128;
                to.cast::<i16>().add(index).write_unaligned(q);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::isa::Supported;

    /// Looks quantized values up in each of the ways that a processor may take, one of which is plain.
    struct LookUp<'a> {
        table: &'a [u8; 256],
        bytes: &'a [u8],
    }

    impl Work for LookUp<'_> {
        /// Bytes of a quantized value, and what was written in each way.
        type Output = (usize, [Vec<u8>; 2]);

        #[inline(always)]
        unsafe fn run<S: Simd>(self) -> Self::Output {
            let size = if S::GROUP == 4 { 1 } else { 2 };
            let count = self.bytes.len();
            let mut ways = [(); 2].map(|()| vec![0xa5; size * count + 64]);
            let [quick, plain] = ways.each_mut().map(|way| way.as_mut_ptr());
            // SAFETY: the caller's promise; both hold `count` quantized values.
            unsafe {
                S::look_up(self.table, self.bytes.as_ptr(), quick, count);
                look_up_one_by_one::<S>(self.table, self.bytes.as_ptr(), plain, count);
            }
            (size, ways)
        }
    }

    #[test]
    fn every_way_to_look_quantized_up_finds_them_and_stays_inside() {
        let table: [u8; 256] = std::array::from_fn(|at| (at as u8).wrapping_mul(83) | 1);
        let bytes: Vec<u8> = (0..=u8::MAX).rev().chain(0..99).collect();
        for supported in Supported::all() {
            for count in [0, 1, 63, 64, 65, 127, 128, 255, 256, 355] {
                let bytes = &bytes[..count];
                let table = &table;
                let (size, ways) = supported.run(LookUp { table, bytes });
                let q = |byte: &u8| table[usize::from(*byte)];
                let want: Vec<u8> = if size == 1 {
                    bytes.iter().map(q).collect()
                } else {
                    let wide = |byte| (i16::from(q(byte)) - 128).to_ne_bytes();
                    bytes.iter().flat_map(wide).collect()
                };
                for way in ways {
                    let (written, behind) = way.split_at(size * count);
                    assert_eq!(written, want, "{supported:?}, {count}");
                    assert!(
                        behind.iter().all(|&byte| byte == 0xa5),
                        "{supported:?}, {count}"
                    );
                }
            }
        }
    }

    /// What vectors make of values and bytes, as many of each as vectors hold.
    struct Convert<'a> {
        values: &'a [f32],
        bytes: &'a [u8],
    }

    #[derive(Default)]
    struct Converted {
        bf16: Vec<u32>,
        widened: Vec<u32>,
        nibbles: [Vec<f32>; 2],
        quantized: Vec<i32>,
    }

    impl Work for Convert<'_> {
        type Output = Converted;

        #[inline(always)]
        unsafe fn run<S: Simd>(self) -> Converted {
            let mut converted = Converted::default();
            let bits: Vec<u16> = self
                .values
                .iter()
                .map(|v| (v.to_bits() >> 16) as u16)
                .collect();
            for start in (0..self.values.len()).step_by(S::LANES) {
                let mut row = [0.0_f32; 16];
                let mut quantized = [0_u8; 32];
                let mut put = |value, to: &mut Vec<f32>| {
                    // SAFETY: the caller's promise; a row holds a vector of any instruction set.
                    unsafe { S::store(row.as_mut_ptr(), value) };
                    to.extend(&row[..S::LANES]);
                };
                let (mut bf16, mut widened) = (Vec::new(), Vec::new());
                // SAFETY: the caller's promise; all hold whole vectors.
                unsafe {
                    let value = S::load(self.values[start..].as_ptr());
                    put(S::round_bf16(value), &mut bf16);
                    put(S::load_bf16(bits[start..].as_ptr()), &mut widened);
                    let [low, high] = S::load_nibbles(self.bytes[start..].as_ptr());
                    put(low, &mut converted.nibbles[0]);
                    put(high, &mut converted.nibbles[1]);
                    let inside = S::min(S::max(value, S::splat(-128.0)), S::splat(127.0));
                    S::store_quantized(quantized.as_mut_ptr(), inside);
                }
                converted.bf16.extend(bf16.iter().map(|v| v.to_bits()));
                converted
                    .widened
                    .extend(widened.iter().map(|v| v.to_bits()));
                if S::GROUP == 4 {
                    converted
                        .quantized
                        .extend(quantized[..S::LANES].iter().map(|&c| i32::from(c) - 128));
                } else {
                    let pairs = quantized[..2 * S::LANES].chunks_exact(2);
                    let q = |pair: &[u8]| i32::from(i16::from_ne_bytes([pair[0], pair[1]]));
                    converted.quantized.extend(pairs.map(q));
                }
            }
            converted
        }
    }

    #[test]
    fn bfloat16_nibbles_and_quantized_are_exact() {
        // Each bfloat16 number, what lies midway to the next, and just beside that.
        let near =
            |bits: u32| [0, 1, 0x7fff, 0x8000, 0x8001].map(|low| f32::from_bits(bits << 16 | low));
        let exotic = (0..=0xffff)
            .flat_map(near)
            .filter(|value| value.is_finite());
        let quantized = (-1200..=1200).map(|i| i as f32 * 0.125);
        let mut values: Vec<f32> = exotic.chain(quantized).collect();
        values.resize(values.len().next_multiple_of(16), f32::INFINITY);
        let bytes: Vec<u8> = (0..values.len()).map(|i| i as u8).collect();
        for supported in Supported::all() {
            let got = supported.run(Convert {
                values: &values,
                bytes: &bytes,
            });
            for (index, &value) in values.iter().enumerate() {
                let bf16 = half::bf16::from_f32(value);
                assert_eq!(
                    got.bf16[index],
                    u32::from(bf16.to_bits()) << 16,
                    "{supported:?} {value:e}"
                );
                assert_eq!(
                    got.widened[index],
                    value.to_bits() & 0xffff_0000,
                    "{supported:?}"
                );
                let signed = |nibble: u8| f32::from((nibble << 4).cast_signed() >> 4);
                let byte = bytes[index];
                assert_eq!(
                    got.nibbles[0][index],
                    signed(byte & 15),
                    "{supported:?} {byte}"
                );
                assert_eq!(
                    got.nibbles[1][index],
                    signed(byte >> 4),
                    "{supported:?} {byte}"
                );
                let q = value.clamp(-128.0, 127.0).round_ties_even() as i32;
                assert_eq!(got.quantized[index], q, "{supported:?} {value:e}");
            }
            let nan = [f32::NAN; 16];
            let got = supported.run(Convert {
                values: &nan,
                bytes: &bytes[..16],
            });
            assert!(got.bf16.iter().all(|&bits| f32::from_bits(bits).is_nan()));
        }
    }
}
