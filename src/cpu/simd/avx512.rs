//! AVX-512 (F, BW, DQ, VL): sixteen lanes; and with VNNI, which multiplies bytes.

use std::arch::x86_64::*;

use super::vectors::{RECIPROCAL_OF_255, Simd, Work, look_up_one_by_one};

#[derive(Clone, Copy, Debug)]
pub struct Avx512;

#[derive(Clone, Copy, Debug)]
pub struct Avx512Vnni;

/// Does `work` with AVX-512.
///
/// # Safety
/// The processor has it: F, BW, DQ and VL.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
pub unsafe fn with_avx512<W: Work>(work: W) -> W::Output {
    // SAFETY: the caller's promise.
    unsafe { work.run::<Avx512>() }
}

/// Does `work` with AVX-512 and VNNI.
///
/// # Safety
/// The processor has them: F, BW, DQ, VL and VNNI.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
pub unsafe fn with_avx512_vnni<W: Work>(work: W) -> W::Output {
    // SAFETY: the caller's promise.
    unsafe { work.run::<Avx512Vnni>() }
}

/// What the two have in common: all but the products of quantized values.
macro_rules! common {
    () => {
        type F = __m512;
        type I = __m512i;
        const LANES: usize = 16;
        const PANEL: usize = 4;
        const CONVERTS_F16: bool = true;

        #[inline(always)]
        unsafe fn splat(value: f32) -> __m512 {
            unsafe { _mm512_set1_ps(value) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> __m512 {
            unsafe { _mm512_loadu_ps(from) }
        }
        #[inline(always)]
        unsafe fn store(to: *mut f32, value: __m512) {
            unsafe { _mm512_storeu_ps(to, value) }
        }
        #[inline(always)]
        unsafe fn add(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_add_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sub(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_sub_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn mul(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_mul_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn div(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_div_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn mul_add(a: __m512, b: __m512, c: __m512) -> __m512 {
            unsafe { _mm512_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn max(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_max_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn min(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_min_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn exp2_whole(k: __m512) -> __m512 {
            unsafe {
                let exponent = _mm512_add_epi32(_mm512_cvtps_epi32(k), _mm512_set1_epi32(127));
                _mm512_castsi512_ps(_mm512_slli_epi32::<23>(exponent))
            }
        }
        #[inline(always)]
        unsafe fn round(value: __m512) -> __m512 {
            unsafe {
                _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(value)
            }
        }
        #[inline(always)]
        unsafe fn reduce_add(value: __m512) -> f32 {
            unsafe { _mm512_reduce_add_ps(value) }
        }
        #[inline(always)]
        unsafe fn reduce_max(value: __m512) -> f32 {
            unsafe { _mm512_reduce_max_ps(value) }
        }
        #[inline(always)]
        unsafe fn reduce_min(value: __m512) -> f32 {
            unsafe { _mm512_reduce_min_ps(value) }
        }

        #[inline(always)]
        unsafe fn load_f16(from: *const u16) -> __m512 {
            unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
        }
        #[inline(always)]
        unsafe fn round_f16(value: __m512) -> __m512 {
            unsafe { _mm512_cvtph_ps(_mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(value)) }
        }
        #[inline(always)]
        unsafe fn load_bf16(from: *const u16) -> __m512 {
            unsafe {
                let bits = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()));
                _mm512_castsi512_ps(_mm512_slli_epi32::<16>(bits))
            }
        }
        #[inline(always)]
        unsafe fn round_bf16(value: __m512) -> __m512 {
            unsafe {
                let bits = _mm512_castps_si512(value);
                let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
                let half = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
                let mask = _mm512_set1_epi32(0xffff_0000_u32.cast_signed());
                let rounded = _mm512_and_si512(_mm512_add_epi32(bits, half), mask);
                let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(value, value);
                _mm512_mask_blend_ps(nan, _mm512_castsi512_ps(rounded), value)
            }
        }
        #[inline(always)]
        unsafe fn load_nibbles(from: *const u8) -> [__m512; 2] {
            unsafe {
                // A permute looks at the low four bits of its index alone.
                let values = _mm512_setr_ps(
                    0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, -8.0, -7.0, -6.0, -5.0, -4.0, -3.0,
                    -2.0, -1.0,
                );
                let bytes = _mm512_cvtepu8_epi32(_mm_loadu_si128(from.cast()));
                let high = _mm512_srli_epi32::<4>(bytes);
                [
                    _mm512_permutexvar_ps(bytes, values),
                    _mm512_permutexvar_ps(high, values),
                ]
            }
        }
        #[inline(always)]
        unsafe fn load_bytes(from: *const u8) -> __m512 {
            unsafe { _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(from.cast()))) }
        }
        #[inline(always)]
        unsafe fn unit(p: __m512) -> __m512 {
            unsafe {
                let rest = _mm512_mul_ps(p, _mm512_set1_ps(RECIPROCAL_OF_255.1));
                _mm512_fmadd_ps(p, _mm512_set1_ps(RECIPROCAL_OF_255.0), rest)
            }
        }

        #[inline(always)]
        unsafe fn load_i32(from: *const i32) -> __m512i {
            unsafe { _mm512_loadu_si512(from.cast()) }
        }
        #[inline(always)]
        unsafe fn store_i32(to: *mut i32, value: __m512i) {
            unsafe { _mm512_storeu_si512(to.cast(), value) }
        }
        #[inline(always)]
        unsafe fn add_i32(a: __m512i, b: __m512i) -> __m512i {
            unsafe { _mm512_add_epi32(a, b) }
        }
        #[inline(always)]
        unsafe fn zero_i32() -> __m512i {
            unsafe { _mm512_setzero_si512() }
        }
        #[inline(always)]
        unsafe fn to_f32(value: __m512i) -> __m512 {
            unsafe { _mm512_cvtepi32_ps(value) }
        }
        #[inline(always)]
        unsafe fn splat_quantized(group: u32) -> __m512i {
            unsafe { _mm512_set1_epi32(group.cast_signed()) }
        }
        #[inline(always)]
        unsafe fn store_index(to: *mut u8, value: __m512) {
            unsafe {
                let bytes = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(value));
                _mm_storeu_si128(to.cast(), _mm_xor_si128(bytes, _mm_set1_epi8(-128)));
            }
        }
    };
}

// SAFETY, for all of the blocks below and above: the instructions are there, and pointers hold a
// whole vector, as the trait's caller promises.
impl Simd for Avx512 {
    common!();
    const GROUP: usize = 2;

    #[inline(always)]
    unsafe fn load_weights(from: *const i8) -> __m512i {
        unsafe { _mm512_cvtepi8_epi16(_mm256_loadu_si256(from.cast())) }
    }
    #[inline(always)]
    unsafe fn dot(sum: __m512i, quantized: __m512i, weights: __m512i) -> __m512i {
        unsafe { _mm512_add_epi32(sum, _mm512_madd_epi16(quantized, weights)) }
    }
    #[inline(always)]
    unsafe fn store_quantized(to: *mut u8, value: __m512) {
        unsafe {
            let words = _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(value));
            _mm256_storeu_si256(to.cast(), words);
        }
    }
}

impl Simd for Avx512Vnni {
    common!();
    const GROUP: usize = 4;

    #[inline(always)]
    unsafe fn load_weights(from: *const i8) -> __m512i {
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    unsafe fn dot(sum: __m512i, quantized: __m512i, weights: __m512i) -> __m512i {
        // Unsigned bytes by signed ones; it wraps, and does not saturate.
        unsafe { _mm512_dpbusd_epi32(sum, quantized, weights) }
    }
    #[inline(always)]
    unsafe fn store_quantized(to: *mut u8, value: __m512) {
        // Bytes that are 128 up.
        unsafe { Self::store_index(to, value) }
    }
    #[inline(always)]
    unsafe fn look_up(table: &[u8; 256], from: *const u8, to: *mut u8, count: usize) {
        if is_x86_feature_detected!("avx512vbmi") {
            // SAFETY: it was just found, and the rest is the caller's promise.
            unsafe { look_up_by_permutes(table, from, to, count) }
        } else {
            // SAFETY: the caller's promise.
            unsafe { look_up_one_by_one::<Self>(table, from, to, count) }
        }
    }
}

/// 64 bytes at a time: a permute picks from 128 entries by seven bits, and the eighth selects which of
/// two permutes counts.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")]
unsafe fn look_up_by_permutes(table: &[u8; 256], from: *const u8, to: *mut u8, count: usize) {
    // SAFETY: the table is 256 bytes; whole vectors end before `count`, and masked loads and stores
    // touch no byte beyond it.
    unsafe {
        let entries: [__m512i; 4] = std::array::from_fn(|quarter| {
            _mm512_loadu_si512(table.as_ptr().add(64 * quarter).cast())
        });
        let pick = |bytes: __m512i| {
            let low = _mm512_permutex2var_epi8(entries[0], bytes, entries[1]);
            let high = _mm512_permutex2var_epi8(entries[2], bytes, entries[3]);
            _mm512_mask_blend_epi8(_mm512_movepi8_mask(bytes), low, high)
        };
        let mut start = 0;
        while start + 64 <= count {
            let quantized = pick(_mm512_loadu_si512(from.add(start).cast()));
            _mm512_storeu_si512(to.add(start).cast(), quantized);
            start += 64;
        }
        // A masked store takes many times as long as a plain one.
        if start < count {
            let mask = u64::MAX >> (64 - (count - start));
            let quantized = pick(_mm512_maskz_loadu_epi8(mask, from.add(start).cast()));
            _mm512_mask_storeu_epi8(to.add(start).cast(), mask, quantized);
        }
    }
}
