//! Softmax with vectors.
#![expect(unsafe_code, reason = "computed with vectors, through pointers")]

use super::simd::Simd;

/// Below this e^x is no normal number; it is taken to be about 10⁻³⁸ there, and so is what fills up a row.
const SMALLEST: f32 = -87.0;

/// e^x of x ≤ 88, to about two units in the last place; NaN of NaN.
///
/// With k the whole number nearest to x · log₂ e, e^x = 2^k · e^r with r = x − k · ln 2, |r| ≤ ln 2 / 2.
/// ln 2 is taken in two parts, so that k times the first is exact; e^r is the polynomial of expf in
/// Cephes (Moshier, 1992).
#[inline(always)]
pub(super) unsafe fn exp<S: Simd>(x: S::F) -> S::F {
    const LN_2: (f32, f32) = (0.693_359_4, -2.121_944_4e-4);
    const POLYNOMIAL: [f32; 6] = [
        1.987_569_1e-4,
        1.398_199_9e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        1.666_666_5e-1,
        0.5,
    ];
    // SAFETY: the caller's promise.
    unsafe {
        let inside = S::max(S::splat(SMALLEST), x);
        let k = S::round(S::mul(inside, S::splat(std::f32::consts::LOG2_E)));
        let r = S::mul_add(k, S::splat(-LN_2.0), inside);
        let r = S::mul_add(k, S::splat(-LN_2.1), r);
        let mut sum = S::splat(POLYNOMIAL[0]);
        for factor in &POLYNOMIAL[1..] {
            sum = S::mul_add(sum, r, S::splat(*factor));
        }
        let sum = S::mul_add(S::mul(sum, r), r, S::add(r, S::splat(1.0)));
        S::mul(sum, S::exp2_whole(k))
    }
}

/// e^(z − max) over its sum, of each row of `z: [rows, width]`, rows `stride` apart and filled up to
/// whole vectors with −∞, to `y: [rows, width]`. Rows of more than a vector are overwritten.
///
/// # Safety
/// The instructions of `S` are there.
#[inline(always)]
pub(super) unsafe fn softmax<S: Simd>(z: &mut [f32], stride: usize, width: usize, y: &mut [f32]) {
    let padded = width.next_multiple_of(S::LANES);
    assert!(padded <= stride, "rows of whole vectors");
    for (row, z) in z.chunks_mut(stride).enumerate().take(y.len() / width) {
        assert!(padded <= z.len(), "a row of whole vectors");
        let y = &mut y[row * width..];
        // SAFETY: `z` holds `padded` values.
        unsafe {
            if padded == S::LANES {
                let z = S::load(z.as_ptr());
                let value = exp::<S>(S::sub(z, S::splat(S::reduce_max(z))));
                put::<S>(y, width, S::div(value, S::splat(S::reduce_add(value))));
            } else {
                wide::<S>(&mut z[..padded]);
                y[..width].copy_from_slice(&z[..width]);
            }
        }
    }
}

/// Puts a row that is one vector where it belongs. What fills it up may go where the next row will be.
#[inline(always)]
unsafe fn put<S: Simd>(y: &mut [f32], width: usize, value: S::F) {
    // SAFETY: the caller's promise; `row` holds a vector of any instruction set.
    unsafe {
        if y.len() >= S::LANES {
            S::store(y.as_mut_ptr(), value);
        } else {
            let mut row = [0.0; 16];
            S::store(row.as_mut_ptr(), value);
            y[..width].copy_from_slice(&row[..width]);
        }
    }
}

/// The softmax of a row of whole vectors, in its place.
#[inline(always)]
unsafe fn wide<S: Simd>(z: &mut [f32]) {
    let vectors = (0..z.len()).step_by(S::LANES);
    let at = z.as_mut_ptr();
    // SAFETY: `z` is whole vectors.
    unsafe {
        let mut max = S::splat(f32::NEG_INFINITY);
        for start in vectors.clone() {
            max = S::max(S::load(at.add(start)), max);
        }
        let max = S::splat(S::reduce_max(max));
        let mut sum = S::splat(0.0);
        for start in vectors.clone() {
            let value = exp::<S>(S::sub(S::load(at.add(start)), max));
            S::store(at.add(start), value);
            sum = S::add(sum, value);
        }
        let sum = S::splat(S::reduce_add(sum));
        for start in vectors {
            S::store(at.add(start), S::div(S::load(at.add(start)), sum));
        }
    }
}
