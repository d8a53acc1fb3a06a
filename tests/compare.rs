//! Every comparison that the tests rely on can fail.

mod common;

use common::compare::{close_codes, close_f16, close_f32, equal, ulp_f16};

#[test]
fn f32_comparison_fails_on_a_small_error_and_on_nan() {
    let want = [1.0, -2.0, 3.0];
    assert!(close_f32(&[1.0, -2.0, 3.0], &want, 4).is_ok());
    assert!(close_f32(&[1.0, -2.0, 3.001], &want, 4).is_err());
    assert!(close_f32(&[1.0, f64::NAN, 3.0], &want, 4).is_err());
    assert!(close_f32(&[1.0, -2.0], &want, 4).is_err());
    // Each value inside its own tolerance, but all of them off the same way.
    assert!(close_f32(&want.map(|w| w * 1.000_05), &want, 4).is_err());
}

#[test]
fn f16_comparison_fails_beyond_one_ulp() {
    assert_eq!(ulp_f16(1.0), 2_f64.powi(-10));
    assert_eq!(ulp_f16(0.0), 2_f64.powi(-24));
    let want = [1.0; 2000];
    let mut got = want;
    got[5] += 0.9 * ulp_f16(1.0);
    assert!(close_f16(&got, &want).is_ok());
    got[5] = 1.0 + 1.1 * ulp_f16(1.0);
    assert!(close_f16(&got, &want).is_err());
    got[5] = f64::INFINITY;
    assert!(close_f16(&got, &want).is_err());
}

#[test]
fn codes_may_be_off_by_one_only_rarely() {
    let want = [5; 30_000];
    let mut got = [5_i8; 30_000];
    got[..3].fill(6);
    assert!(close_codes(&got, &want).is_ok());
    got[3] = 4;
    assert!(close_codes(&got, &want).is_err());
    assert!(close_codes(&[7], &[5]).is_err());
    assert!(equal(&[1, 2], &[1, 3]).is_err());
    assert!(equal(&[1], &[1, 3]).is_err());
}
