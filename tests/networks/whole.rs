//! What every executor is tried on: shapes, activations, normalization, golden labels, and that a
//! precision is what it says.

use fmnist_gpu::model::{Activation, Layer, Network, Normalization};
use fmnist_gpu::quantize::lower;
use fmnist_gpu::{Precision, dataset, engine, reference};
use libtest_mimic::Trial;

use crate::common::compare::{Check, equal, same_labels};
use crate::common::{SIZES, random_model, random_pixels, seeded};
use crate::executor::{Executor, compare, core_mode, precisions, to_bits};

/// The trials of one executor.
pub fn trials(executor: &Executor) -> Vec<Trial> {
    let mut trials = Vec::new();
    for precision in precisions(executor) {
        let mut add = |what: &str, check: fn(&Executor, Precision) -> Check| {
            let on = executor.clone();
            let name = format!("{}/{what}.{precision}", executor.name());
            trials.push(executor.trial(name, move || check(&on, precision)));
        };
        add("shapes", check_shapes);
        add("activations", check_activations);
        add("normalization", check_normalization);
        add("is-what-it-says", check_identity);
        add("repeats", check_repeats);
    }
    trials
}

/// The golden labels; in small batches only where `thorough`.
pub fn golden_trials(executor: &Executor, thorough: bool) -> Vec<Trial> {
    let mut trials = Vec::new();
    for precision in precisions(executor) {
        for batch in [1, 32, 1000, 10_000] {
            if thorough || batch >= 1000 {
                let on = executor.clone();
                let name = format!("{}/golden.{precision}.batch-{batch}", executor.name());
                let check = move || check_golden(&on, precision, batch);
                trials.push(executor.trial(name, check));
            }
        }
    }
    trials
}

/// Every awkward size in each of batch, in and out, and deep inner dimensions.
fn check_shapes(executor: &Executor, precision: Precision) -> Check {
    let mut shapes = Vec::new();
    for size in SIZES {
        shapes.push((size, vec![31, 33, 5]));
        shapes.push((33, vec![size, 10]));
        shapes.push((7, vec![33, size]));
        shapes.push((9, vec![5, size, 3, 10]));
    }
    shapes.push((3, vec![1041, 10]));
    shapes.push((3, vec![4097, 3]));
    let mut failures = Vec::new();
    for (images, widths) in shapes {
        let mut activations = vec![Activation::Relu; widths.len() - 2];
        activations.push(Activation::Identity);
        let model = random_model(&mut seeded(&format!("{widths:?}")), &widths, &activations);
        // All at once, and in batches that leave a short last one.
        for batch in [images, (images / 3).max(1)] {
            failures.extend(compare(executor, &model, precision, images, batch).err());
        }
    }
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures.join("\n"))
    }
}

fn check_activations(executor: &Executor, precision: Precision) -> Check {
    for first in Activation::ALL {
        for last in Activation::ALL {
            if first == Activation::Softmax {
                continue;
            }
            let widths = [50, 21, 10];
            let model = random_model(&mut seeded("activations"), &widths, &[first, last]);
            compare(executor, &model, precision, 40, 40)
                .map_err(|problem| format!("{first}, {last}: {problem}"))?;
        }
    }
    Ok(())
}

fn check_normalization(executor: &Executor, precision: Precision) -> Check {
    let activations = [Activation::Tanh, Activation::Softmax];
    // A width that is no multiple of four, since the byte 0 is not the value 0 here.
    let mut model = random_model(&mut seeded("normalization"), &[49, 30, 10], &activations);
    model.normalization = Normalization::Standard {
        mean: 0.2860,
        std: 0.3530,
    };
    compare(executor, &model, precision, 33, 33)?;
    model.int8_clip = 63;
    compare(executor, &model, precision, 33, 33)
}

/// A model of one input and two outputs, which distinguishes precisions by whether its weights 1 and
/// `other` are still different.
fn distinguishes(executor: &Executor, precision: Precision, other: f32) -> Result<usize, String> {
    let model = Network::new(vec![Layer {
        inputs: 1,
        outputs: 2,
        weights: vec![1.0, other],
        bias: vec![0.0; 2],
        activation: Activation::Softmax,
    }])
    .map_err(|error| error.to_string())?;
    let outputs = executor.infer(&model, precision, &[255], 1)?;
    Ok(engine::label(&outputs))
}

/// 1 and 1 + 2⁻¹² differ in f32 alone; 1 and 1.003 in f16 too, but have the same int8 quantized value.
fn check_identity(executor: &Executor, precision: Precision) -> Check {
    let fine = distinguishes(executor, precision, 1.0 + 2_f32.powi(-12))?;
    let coarse = distinguishes(executor, precision, 1.003)?;
    let want = match precision {
        Precision::F32 => [1, 1],
        Precision::F16 => [0, 1],
        Precision::Int8 => [0, 0],
        other => return Err(format!("{other} is none of the core")),
    };
    equal(&[fine, coarse], &want)
}

/// The same bits from a second network, and from one batch as from many in a submit.
fn check_repeats(executor: &Executor, precision: Precision) -> Check {
    let activations = [Activation::Relu, Activation::Softmax];
    let model = random_model(&mut seeded("repeats"), &[100, 40, 10], &activations);
    let pixels = random_pixels(&mut seeded("repeats"), 60 * 100);
    let many = to_bits(executor.infer(&model, precision, &pixels, 20)?);
    equal(
        &to_bits(executor.infer(&model, precision, &pixels, 20)?),
        &many,
    )?;
    let mut one_by_one = Vec::new();
    for pixels in pixels.chunks(20 * 100) {
        one_by_one.extend(executor.infer(&model, precision, pixels, 20)?);
    }
    equal(&to_bits(one_by_one), &many)
}

/// The default model's labels on the whole test split.
fn check_golden(executor: &Executor, precision: Precision, batch: usize) -> Check {
    let text = |error: fmnist_gpu::Error| error.to_string();
    let model = Network::default_model().map_err(text)?;
    let data = dataset::test_split().map_err(text)?;
    let outputs = executor.infer(&model, precision, &data.images.pixels, batch)?;
    let got = engine::labels(&outputs, model.outputs());
    let quantized = lower(&model, &core_mode(precision), None).map_err(text)?;
    let want = reference::infer_all(&quantized, &data.images.pixels, batch).labels;
    same_labels(&got, &want, precision)
}
