//! AVX2 with FMA and F16C: eight lanes.

use std::arch::x86_64::*;

use super::vectors::{RECIPROCAL_OF_255, Simd, Work};

#[derive(Clone, Copy, Debug)]
pub struct Avx2;

/// Does `work` with these instructions.
///
/// # Safety
/// The processor has them.
#[target_feature(enable = "avx2,fma,f16c")]
pub unsafe fn with_avx2<W: Work>(work: W) -> W::Output {
    // SAFETY: the caller's promise.
    unsafe { work.run::<Avx2>() }
}

// SAFETY, for all of the blocks below: the instructions are there, and pointers hold a whole vector,
// as the trait's caller promises.
impl Simd for Avx2 {
    type F = __m256;
    type I = __m256i;
    const LANES: usize = 8;
    const PANEL: usize = 2;
    const GROUP: usize = 2;
    const CONVERTS_F16: bool = true;

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m256 {
        unsafe { _mm256_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: __m256) {
        unsafe { _mm256_storeu_ps(to, value) }
    }
    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_div_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul_add(a: __m256, b: __m256, c: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn max(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn min(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_min_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn exp2_whole(k: __m256) -> __m256 {
        unsafe {
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(k), _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent))
        }
    }
    #[inline(always)]
    unsafe fn round(value: __m256) -> __m256 {
        unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(value) }
    }
    #[inline(always)]
    unsafe fn reduce_add(value: __m256) -> f32 {
        unsafe {
            let four = _mm_add_ps(
                _mm256_castps256_ps128(value),
                _mm256_extractf128_ps::<1>(value),
            );
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        }
    }
    #[inline(always)]
    unsafe fn reduce_max(value: __m256) -> f32 {
        unsafe {
            let four = _mm_max_ps(
                _mm256_castps256_ps128(value),
                _mm256_extractf128_ps::<1>(value),
            );
            let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)))
        }
    }
    #[inline(always)]
    unsafe fn reduce_min(value: __m256) -> f32 {
        unsafe {
            let four = _mm_min_ps(
                _mm256_castps256_ps128(value),
                _mm256_extractf128_ps::<1>(value),
            );
            let two = _mm_min_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_min_ss(two, _mm_movehdup_ps(two)))
        }
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> __m256 {
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.cast())) }
    }
    #[inline(always)]
    unsafe fn round_f16(value: __m256) -> __m256 {
        unsafe { _mm256_cvtph_ps(_mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(value)) }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> __m256 {
        unsafe {
            let bits = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(bits))
        }
    }
    #[inline(always)]
    unsafe fn round_bf16(value: __m256) -> __m256 {
        unsafe {
            let bits = _mm256_castps_si256(value);
            let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
            let half = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
            let mask = _mm256_set1_epi32(0xffff_0000_u32.cast_signed());
            let rounded = _mm256_and_si256(_mm256_add_epi32(bits, half), mask);
            let nan = _mm256_cmp_ps::<_CMP_UNORD_Q>(value, value);
            _mm256_blendv_ps(_mm256_castsi256_ps(rounded), value, nan)
        }
    }
    #[inline(always)]
    unsafe fn load_nibbles(from: *const u8) -> [__m256; 2] {
        unsafe {
            let bytes = _mm256_cvtepi8_epi32(_mm_loadl_epi64(from.cast()));
            let low = _mm256_srai_epi32::<28>(_mm256_slli_epi32::<28>(bytes));
            let high = _mm256_srai_epi32::<4>(bytes);
            [_mm256_cvtepi32_ps(low), _mm256_cvtepi32_ps(high)]
        }
    }
    #[inline(always)]
    unsafe fn load_bytes(from: *const u8) -> __m256 {
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(from.cast()))) }
    }
    #[inline(always)]
    unsafe fn unit(p: __m256) -> __m256 {
        unsafe {
            let rest = _mm256_mul_ps(p, _mm256_set1_ps(RECIPROCAL_OF_255.1));
            _mm256_fmadd_ps(p, _mm256_set1_ps(RECIPROCAL_OF_255.0), rest)
        }
    }

    #[inline(always)]
    unsafe fn load_i32(from: *const i32) -> __m256i {
        unsafe { _mm256_loadu_si256(from.cast()) }
    }
    #[inline(always)]
    unsafe fn store_i32(to: *mut i32, value: __m256i) {
        unsafe { _mm256_storeu_si256(to.cast(), value) }
    }
    #[inline(always)]
    unsafe fn add_i32(a: __m256i, b: __m256i) -> __m256i {
        unsafe { _mm256_add_epi32(a, b) }
    }
    #[inline(always)]
    unsafe fn zero_i32() -> __m256i {
        unsafe { _mm256_setzero_si256() }
    }
    #[inline(always)]
    unsafe fn to_f32(value: __m256i) -> __m256 {
        unsafe { _mm256_cvtepi32_ps(value) }
    }
    #[inline(always)]
    unsafe fn splat_quantized(group: u32) -> __m256i {
        unsafe { _mm256_set1_epi32(group.cast_signed()) }
    }
    #[inline(always)]
    unsafe fn load_weights(from: *const i8) -> __m256i {
        unsafe { _mm256_cvtepi8_epi16(_mm_loadu_si128(from.cast())) }
    }
    #[inline(always)]
    unsafe fn dot(sum: __m256i, quantized: __m256i, weights: __m256i) -> __m256i {
        unsafe { _mm256_add_epi32(sum, _mm256_madd_epi16(quantized, weights)) }
    }
    #[inline(always)]
    unsafe fn store_index(to: *mut u8, value: __m256) {
        unsafe {
            let whole = _mm256_cvtps_epi32(value);
            let words = _mm_packs_epi32(
                _mm256_castsi256_si128(whole),
                _mm256_extracti128_si256::<1>(whole),
            );
            let bytes = _mm_packs_epi16(words, words);
            _mm_storel_epi64(to.cast(), _mm_xor_si128(bytes, _mm_set1_epi8(-128)));
        }
    }
    #[inline(always)]
    unsafe fn store_quantized(to: *mut u8, value: __m256) {
        unsafe {
            let whole = _mm256_cvtps_epi32(value);
            let words = _mm_packs_epi32(
                _mm256_castsi256_si128(whole),
                _mm256_extracti128_si256::<1>(whole),
            );
            _mm_storeu_si128(to.cast(), words);
        }
    }
}
