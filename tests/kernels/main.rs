//! Every pass × element type × adapter × awkward shape against the oracle, with checked and with
//! trusted shader modules, and with sentinels behind every buffer that is written.

mod case;
#[path = "../common/mod.rs"]
mod common;
mod int8;
mod real;

use case::Case;
use common::compare::Check;
use common::{Rig, SIZES, run_on_adapters};
use fmnist_gpu::Precision;
use fmnist_gpu::gpu::{DeviceOptions, kernel};
use fmnist_gpu::model::Activation;
use fmnist_gpu::plan::Pass;
use libtest_mimic::Trial;

fn main() {
    run_on_adapters(Vec::new(), |rigs| {
        let mut trials = Vec::new();
        for rig in rigs {
            trials.extend(variant_trials(rig, &Precision::ALL));
            if !rig.checked {
                // What a driver gets whose own conversion does not round to nearest even.
                let options = DeviceOptions {
                    round_in_integers: true,
                    ..DeviceOptions::default()
                };
                let rounds = Rig::open(&rig.found, "rounds-in-integers", options);
                trials.extend(variant_trials(&rounds, &[Precision::F16]));
            }
        }
        trials
    })
}

/// A trial for each kernel of these element types that the adapter can run.
fn variant_trials(rig: &Rig, elements: &[Precision]) -> Vec<Trial> {
    let mut variants = kernel::variants();
    variants.retain(|(_, e)| elements.contains(e) && rig.device.info().lacks(*e).is_none());
    let trial = |(pass, elements)| {
        let name = format!("{}/{}.{elements}", rig.name, kernel::variant_name(pass));
        let rig = rig.clone();
        Trial::test(name, move || check_variant(&rig, pass, elements))
    };
    variants.into_iter().map(trial).collect()
}

/// Tries a kernel at every shape; all failures are told together.
fn check_variant(rig: &Rig, pass: Pass, elements: Precision) -> Result<(), libtest_mimic::Failed> {
    let mut failures = Vec::new();
    for (rows, inner, cols) in shapes(pass) {
        let mut case = Case {
            rig,
            pass,
            elements,
            rows,
            inner,
            cols,
            clip: 127,
        };
        let mut check = |what: &str, result: Check| {
            if let Err(problem) = result {
                failures.push(format!("{rows}×{inner}×{cols} {what}: {problem}"));
            }
        };
        check("random", case.check());
        if let (Pass::Activation(activation), Precision::F32) = (pass, elements) {
            check("extremes", case.check_extremes(activation));
        }
        if (pass, elements) == (Pass::Softmax, Precision::F32) {
            check("extremes", case.check_extremes(Activation::Softmax));
        }
        if matches!(pass, Pass::Quantize | Pass::QuantizePixels) {
            case.clip = 7;
            check("clip 7", case.check());
        }
        if matches!(pass, Pass::Matmul(_)) && elements == Precision::Int8 {
            check("all ±127", case.check_extreme_codes());
        }
    }
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures.join("\n").into())
    }
}

/// Each dimension at every size, the others small and odd; products also deep and squarish.
fn shapes(pass: Pass) -> Vec<(usize, usize, usize)> {
    let matmul = matches!(pass, Pass::Matmul(_));
    let mut shapes = Vec::new();
    for size in SIZES {
        shapes.push((size, 31, 33));
        shapes.push((33, 31, size));
        if matmul {
            shapes.push((31, size, 33));
        }
    }
    if matmul {
        shapes.extend([(9, 1041, 10), (3, 4097, 7), (65, 784, 64), (257, 64, 10)]);
        shapes.extend([(8, 5, 8), (7, 4, 9), (63, 8, 31), (64, 9, 32), (66, 16, 65)]);
    } else {
        shapes.extend([(1, 1, 1), (257, 1, 257), (4097, 1, 3)]);
    }
    shapes
}
