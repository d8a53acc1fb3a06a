//! Vectors of four lanes in plain Rust, which a compiler turns into those of any processor.

use super::vectors::Simd;

#[derive(Clone, Copy, Debug)]
pub struct Portable;

type F = [f32; 4];
type I = [i32; 4];

/// Adding and taking away 1.5 · 2²³ leaves the nearest whole number, ties to even, of anything
/// below 2²² in magnitude: the unit in the last place there is 1.
const ROUNDER: f32 = 12_582_912.0;

#[inline(always)]
fn map2<T: Copy, R>(a: [T; 4], b: [T; 4], f: impl Fn(T, T) -> R) -> [R; 4] {
    [f(a[0], b[0]), f(a[1], b[1]), f(a[2], b[2]), f(a[3], b[3])]
}

impl Simd for Portable {
    type F = F;
    type I = I;
    const LANES: usize = 4;
    const PANEL: usize = 2;
    const GROUP: usize = 2;
    const CONVERTS_F16: bool = false;

    #[inline(always)]
    unsafe fn splat(value: f32) -> F {
        [value; 4]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> F {
        // SAFETY: the caller's promise.
        unsafe { from.cast::<F>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: F) {
        // SAFETY: the caller's promise.
        unsafe { to.cast::<F>().write_unaligned(value) }
    }
    #[inline(always)]
    unsafe fn add(a: F, b: F) -> F {
        map2(a, b, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(a: F, b: F) -> F {
        map2(a, b, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(a: F, b: F) -> F {
        map2(a, b, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn div(a: F, b: F) -> F {
        map2(a, b, |a, b| a / b)
    }
    #[inline(always)]
    unsafe fn mul_add(a: F, b: F, c: F) -> F {
        // Where it is no instruction, `mul_add` calls a function.
        if cfg!(any(target_feature = "fma", target_arch = "aarch64")) {
            [
                a[0].mul_add(b[0], c[0]),
                a[1].mul_add(b[1], c[1]),
                a[2].mul_add(b[2], c[2]),
                a[3].mul_add(b[3], c[3]),
            ]
        } else {
            map2(map2(a, b, |a, b| a * b), c, |ab, c| ab + c)
        }
    }
    #[inline(always)]
    unsafe fn max(a: F, b: F) -> F {
        map2(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn min(a: F, b: F) -> F {
        map2(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    unsafe fn exp2_whole(k: F) -> F {
        k.map(|k| f32::from_bits(((k as i32 + 127) as u32) << 23))
    }
    #[inline(always)]
    unsafe fn round(value: F) -> F {
        value.map(|value| value + ROUNDER - ROUNDER)
    }
    #[inline(always)]
    unsafe fn reduce_add(value: F) -> f32 {
        (value[0] + value[2]) + (value[1] + value[3])
    }
    #[inline(always)]
    unsafe fn reduce_max(value: F) -> f32 {
        value.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }
    #[inline(always)]
    unsafe fn reduce_min(value: F) -> f32 {
        value.into_iter().fold(f32::INFINITY, f32::min)
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> F {
        // SAFETY: the caller's promise.
        let bits = unsafe { from.cast::<[u16; 4]>().read_unaligned() };
        bits.map(widen)
    }
    #[inline(always)]
    unsafe fn round_f16(value: F) -> F {
        value.map(|value| half::f16::from_f32(value).to_f32())
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> F {
        // SAFETY: the caller's promise.
        let bits = unsafe { from.cast::<[u16; 4]>().read_unaligned() };
        bits.map(|bits| f32::from_bits(u32::from(bits) << 16))
    }
    #[inline(always)]
    unsafe fn round_bf16(value: F) -> F {
        value.map(|value| {
            let bits = value.to_bits();
            let odd = bits >> 16 & 1;
            let rounded = bits.wrapping_add(0x7fff + odd) & 0xffff_0000;
            if value.is_nan() {
                value
            } else {
                f32::from_bits(rounded)
            }
        })
    }
    #[inline(always)]
    unsafe fn load_nibbles(from: *const u8) -> [F; 2] {
        // SAFETY: the caller's promise.
        let bytes = unsafe { from.cast::<[i8; 4]>().read_unaligned() };
        let low = bytes.map(|byte| f32::from((byte << 4) >> 4));
        [low, bytes.map(|byte| f32::from(byte >> 4))]
    }
    #[inline(always)]
    unsafe fn load_bytes(from: *const u8) -> F {
        // SAFETY: the caller's promise.
        let bytes = unsafe { from.cast::<[u8; 4]>().read_unaligned() };
        bytes.map(f32::from)
    }
    #[inline(always)]
    unsafe fn unit(p: F) -> F {
        p.map(|p| p / 255.0)
    }

    #[inline(always)]
    unsafe fn load_i32(from: *const i32) -> I {
        // SAFETY: the caller's promise.
        unsafe { from.cast::<I>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store_i32(to: *mut i32, value: I) {
        // SAFETY: the caller's promise.
        unsafe { to.cast::<I>().write_unaligned(value) }
    }
    #[inline(always)]
    unsafe fn add_i32(a: I, b: I) -> I {
        map2(a, b, i32::wrapping_add)
    }
    #[inline(always)]
    unsafe fn zero_i32() -> I {
        [0; 4]
    }
    #[inline(always)]
    unsafe fn to_f32(value: I) -> F {
        value.map(|value| value as f32)
    }
    #[inline(always)]
    unsafe fn splat_quantized(group: u32) -> I {
        [group.cast_signed(); 4]
    }
    #[inline(always)]
    unsafe fn load_weights(from: *const i8) -> I {
        // SAFETY: the caller's promise.
        let quantized = unsafe { from.cast::<[i8; 8]>().read_unaligned() };
        bytemuck::cast(quantized.map(i16::from))
    }
    #[inline(always)]
    unsafe fn dot(sum: I, quantized: I, weights: I) -> I {
        map2(sum, multiply_pairs(quantized, weights), i32::wrapping_add)
    }
    #[inline(always)]
    unsafe fn store_index(to: *mut u8, value: F) {
        // The sum's last bits are the whole number, and all of them together a number of f32.
        let bytes = value.map(|value| ((value + ROUNDER).to_bits() as u8).wrapping_add(128));
        // SAFETY: the caller's promise.
        unsafe { to.cast::<[u8; 4]>().write_unaligned(bytes) }
    }
    #[inline(always)]
    unsafe fn store_quantized(to: *mut u8, value: F) {
        let quantized = value.map(|value| (value + ROUNDER).to_bits() as i16);
        // SAFETY: the caller's promise: the memory holds quantized values of two bytes.
        unsafe { to.cast::<[i16; 4]>().write_unaligned(quantized) }
    }
}

/// The sum of the products of the two 16-bit numbers in each lane: an instruction that every x86-64
/// processor has.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn multiply_pairs(a: I, b: I) -> I {
    use std::arch::x86_64::{__m128i, _mm_madd_epi16};

    // SAFETY: SSE2 is part of the architecture; a vector is four lanes, all of whose bits mean something.
    unsafe {
        let [a, b] = [a, b].map(|lanes| std::mem::transmute::<I, __m128i>(lanes));
        std::mem::transmute::<__m128i, I>(_mm_madd_epi16(a, b))
    }
}

/// The sum of the products of the two 16-bit numbers in each lane.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn multiply_pairs(a: I, b: I) -> I {
    let low = |pair: i32| i32::from(pair as i16);
    let high = |pair: i32| pair >> 16;
    map2(a, b, |a, b| low(a) * low(b) + high(a) * high(b))
}

/// A binary16 number's value. Its exponent and fraction, moved to their places in binary32, are off
/// by the difference of the biases, 2¹¹², be they normal or not.
#[inline(always)]
fn widen(bits: u16) -> f32 {
    const BIAS: f32 = f32::from_bits((127 + 112) << 23);
    let magnitude = u32::from(bits & 0x7fff) << 13;
    let scaled = (f32::from_bits(magnitude) * BIAS).to_bits();
    // Infinity and NaN have all bits of the exponent.
    let all = if magnitude >= 0x7c00 << 13 {
        0xff << 23
    } else {
        0
    };
    f32::from_bits(scaled | all | u32::from(bits & 0x8000) << 16)
}
