//! What a trial comes to, without a device.

use half::f16;

use super::*;
use crate::adapter::{Kind, MatrixUnits};
use crate::plan::Limits;
use crate::quantize::Weights;

#[test]
fn outputs_that_differ_are_reported() {
    let want = vec![1.0, -1.0, 0.5];
    assert_eq!(compare(&[1.0, -1.004, 0.5], &want), Ok(()));
    for wrong in [[1.0, -1.1, 0.5], [f32::NAN, -1.0, 0.5]] {
        let problem = compare(&wrong, &want).unwrap_err();
        assert!(problem.contains("1 of 3"), "{problem}");
    }
    assert!(compare(&[1.0], &want).is_err());
}

#[test]
fn a_missing_term_is_more_than_the_tolerance() {
    let (widths, batch) = CHECKED;
    let (mut model, pixels) = random_network(&widths, batch, Activation::Softmax).unwrap();
    let outputs = |model: &QuantizedNetwork| reference::infer(model, &pixels, batch).outputs;
    let want = outputs(&model);
    let exact: Vec<f32> = want.iter().map(|&want| want as f32).collect();
    assert_eq!(compare(&exact, &want), Ok(()));
    for layer in 0..model.layers.len() {
        let whole = model.layers[layer].weights.clone();
        let cols = model.layers[layer].outputs;
        // What a kernel computes that loses the last inner value.
        let last = whole.len() - cols;
        let Weights::F16(weights) = &mut model.layers[layer].weights else {
            panic!("not f16");
        };
        weights[last..].fill(f16::ZERO);
        let without: Vec<f32> = outputs(&model).iter().map(|&v| v as f32).collect();
        assert!(compare(&without, &want).is_err(), "layer {layer}");
        model.layers[layer].weights = whole;
    }
}

/// A kernel that is timed and cannot run the network on which it is checked would end the trial.
#[test]
fn what_is_timed_can_be_checked() {
    let architecture = |(widths, batch): ([usize; 3], usize)| {
        let network = random_network(&widths, batch, Activation::Softmax).unwrap();
        (network.0.architecture(), batch)
    };
    let (timed, checked) = (architecture(TIMED), architecture(CHECKED));
    for size in [8, 16] {
        for lanes in [8, 32, 64] {
            let limits = Limits {
                binding_bytes: 1 << 27,
                workgroups: 65_535,
                storage_buffers: 8,
                invocations: 1024,
                workgroup_bytes: 64 << 10,
                subgroup: Some(lanes),
                matrix_units: Some(MatrixUnits { size, lanes }),
                rejected: Vec::new(),
                kind: Kind::Discrete,
                adapter: "a test's".into(),
            };
            let mut tried = 0;
            for variant in KERNEL_VARIANTS.iter().filter(|v| v.on_matrix_units()) {
                if variant.refused(&timed.0, timed.1, &limits).is_none() {
                    let refused = variant.refused(&checked.0, checked.1, &limits);
                    assert_eq!(refused, None, "{} of {size}×{size}", variant.name);
                    tried += 1;
                }
            }
            assert!(tried > 3, "{tried}");
        }
    }
}

fn right(without: &str, without_nanoseconds: u64) -> TrialResult {
    TrialResult::Right {
        without: without.into(),
        without_nanoseconds,
        rejected: vec!["coop-1x4".into()],
    }
}

#[test]
fn only_what_is_right_and_faster_is_taken() {
    let decides = |result, nanoseconds| {
        let kernel = "coop-2x4";
        let trial = MatrixUnitsTrial {
            result,
            kernel,
            nanoseconds,
        };
        trial.decides()
    };
    let faster = decides(right("register-8x8", 100), 50);
    assert!(faster.used && faster.reason.contains("and coop-2x4 has 2.00 times"));
    assert_eq!(faster.rejected, ["coop-1x4"]);
    let slower = decides(right("register-8x8", 100), 200);
    assert!(!slower.used && slower.reason.contains("but coop-2x4 has 0.50 times"));
    let detail = || "the cause".to_owned();
    for result in [
        TrialResult::Wrong { detail: detail() },
        TrialResult::Refused { detail: detail() },
    ] {
        let bad = decides(result, 0);
        assert!(!bad.used && bad.reason.contains("the cause"));
    }
    assert!(!decides(TrialResult::Begun, 0).used);
}

#[test]
fn only_known_kernels_are_believed_of_the_cache() {
    let known = |kernel: &str, result| {
        let mut entry = CacheEntry::new(kernel, 1);
        entry.matrix_units = result;
        MatrixUnitsTrial::known(&entry)
    };
    assert!(known("coop-2x4", Some(right("register-8x8", 2))).is_some());
    assert!(known("coop-2x4", Some(right("nosuch", 2))).is_none());
    assert!(known("register-8x8", Some(right("register-8x8", 2))).is_none());
    assert!(known("coop-2x4", None).is_none());
    assert!(known("", Some(TrialResult::Begun)).is_some());
    let detail = format!("a\u{1b}[31m\n{}", "b".repeat(1000));
    let wrong = known("", Some(TrialResult::Wrong { detail })).unwrap();
    let words = wrong.decides().reason;
    assert!(words.contains("a[31m b") && words.len() < 400, "{words}");
}
