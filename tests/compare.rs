//! Every comparison that the tests rely on can fail.

mod common;

use common::compare::{
    close_bf16_network, close_f16, close_f16_network, close_f32, close_int8_network, equal,
    same_labels, ulp_f16, within_each,
};
use fmnist_gpu::Precision;

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
fn each_value_has_its_own_tolerance() {
    let want = [1.0, 2.0];
    let off = |by: [f64; 2]| within_each(&[1.0 + by[0], 2.0 + by[1]], &want, &[0.1, 0.2], 1.0);
    assert!(off([0.09, -0.19]).is_ok());
    assert!(off([0.11, 0.0]).is_err());
    assert!(off([0.0, -0.21]).is_err());
    assert!(off([0.0, f64::NAN]).is_err());
    // A tolerance that is no number, or is missing, lets nothing pass.
    assert!(within_each(&want, &want, &[0.1, f64::NAN], 1.0).is_err());
    assert!(within_each(&want, &want, &[0.1], 1.0).is_err());
    assert!(within_each(&want, &[1.0, 2.1], &[0.2, 0.2], 1e-4).is_err());
}

#[test]
fn f16_comparison_fails_above_one_ulp() {
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
fn equal_means_every_bit_and_every_value() {
    assert!(equal(&[1, 2], &[1, 2]).is_ok());
    assert!(equal(&[1, 2], &[1, 3]).is_err());
    assert!(equal(&[1], &[1, 3]).is_err());
}

#[test]
fn f16_networks_may_be_off_by_two_ulp_a_layer() {
    let want = [1.0, 0.25];
    let off = |ulps: f64| [1.0, 0.25 + ulps * ulp_f16(1.0)];
    for layers in [1, 3] {
        let most = 2.0 * layers as f64;
        let compare = |got: &[f64]| close_f16_network(got, &[want, [1.0; 2]].concat(), layers);
        assert!(compare(&[off(0.0), [1.0; 2]].concat()).is_ok());
        assert!(compare(&[off(1.1 * most), [1.0; 2]].concat()).is_err());
        assert!(compare(&[[1.0, f64::NAN], [1.0; 2]].concat()).is_err());
        assert!(compare(&want).is_err());
        // A tolerance is no offset: each value inside its own, but all of them off the same way.
        assert!(close_f16_network(&off(0.9), &want, layers).is_ok());
        let all = [1.0 + 1.9 * ulp_f16(1.0); 2];
        assert!(close_f16_network(&all, &[1.0; 2], layers).is_err());
    }
}

#[test]
fn bf16_networks_may_be_off_rarely_and_by_little() {
    let want = [1.0; 100];
    let with = |count: usize, value: f64| {
        let mut got = want;
        got[..count].fill(value);
        close_bf16_network(&got, &want, 2)
    };
    let ulp = 2_f64.powi(-7);
    assert!(with(5, 1.0 + ulp).is_ok());
    assert!(with(6, 1.0 + ulp).is_err(), "too many");
    assert!(with(1, 1.0 + 5.0 * ulp).is_err(), "too far");
    assert!(with(1, f64::NAN).is_err());
    assert!(close_bf16_network(&want[1..], &want, 2).is_err());
}

#[test]
fn int8_networks_may_be_off_rarely_and_by_little() {
    let want = [1.0; 2000];
    let with = |values: &[f64]| {
        let mut got = want;
        got[..values.len()].copy_from_slice(values);
        close_int8_network(&got, &want)
    };
    assert!(with(&[1.000_05; 2000]).is_ok());
    assert!(with(&[1.1; 2]).is_ok());
    assert!(with(&[1.001; 3]).is_err(), "too many");
    assert!(with(&[2.0]).is_err(), "too far");
    assert!(with(&[f64::NAN]).is_err());
    assert!(with(&[f64::INFINITY]).is_err());
    assert!(close_int8_network(&want[1..], &want).is_err());
    assert!(close_int8_network(&want, &want[1..]).is_err());
}

#[test]
fn golden_labels_may_differ_rarely() {
    let want = [3; 10_000];
    for (precision, most) in [
        (Precision::F32, 1),
        (Precision::F16, 5),
        (Precision::Int8, 10),
    ] {
        let mut got = want;
        got[..most].fill(4);
        assert!(same_labels(&got, &want, precision).is_ok());
        got[most] = 4;
        assert!(same_labels(&got, &want, precision).is_err(), "{precision}");
        assert!(same_labels(&want[1..], &want, precision).is_err());
        // Of a few labels none may differ.
        assert!(same_labels(&[3, 4], &[3, 3], precision).is_err());
    }
}
