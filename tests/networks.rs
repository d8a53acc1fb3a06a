//! Whole networks × precision × executor × awkward shapes against the oracle; golden labels of the
//! default model; and proof that each precision is what it says.
//!
//! The executors are the CPU path and every adapter, with checked and with trusted shaders.

mod common;

use std::sync::Arc;

use common::compare::{
    Check, close_f16_network, close_f32, close_int8_network, equal, same_labels,
};
use common::{Rig, SIZES, random_model, random_pixels, run_on_adapters, seeded};
use fmnist_gpu::cpu::int8::IntegerWeights;
use fmnist_gpu::gpu::{self, Device, DeviceOptions};
use fmnist_gpu::model::{Activation, Layer, Model, Normalization};
use fmnist_gpu::{Precision, cpu, dataset, engine, reference};
use libtest_mimic::Trial;

fn main() {
    let mut cpu_trials = trials(&Executor::Cpu, true);
    cpu_trials.push(Trial::test("cpu/int8-sums", || done(check_cpu_sums())));
    run_on_adapters(cpu_trials, |rigs| {
        let mut all = Vec::new();
        for rig in rigs {
            all.extend(trials(&Executor::Gpu(rig.clone()), !rig.checked));
            for precision in precisions(&Executor::Gpu(rig.clone())) {
                let name = format!("{}/chunks.{precision}", rig.name);
                let rig = rig.clone();
                all.push(Trial::test(name, move || {
                    done(check_chunks(&rig, precision))
                }));
            }
        }
        all
    })
}

/// What runs a network.
#[derive(Clone)]
enum Executor {
    Cpu,
    Gpu(Rig),
}

impl Executor {
    fn name(&self) -> &str {
        match self {
            Self::Cpu => "cpu",
            Self::Gpu(rig) => &rig.name,
        }
    }

    /// The outputs of all of `pixels` in batches of `batch`.
    fn infer(
        &self,
        model: &Model,
        precision: Precision,
        pixels: &[u8],
        batch: usize,
    ) -> Result<Vec<f32>, String> {
        let result = match self {
            Self::Cpu => cpu::Network::new(model, precision).map(|mut network| {
                let mut outputs = Vec::new();
                for pixels in pixels.chunks(batch * model.inputs()) {
                    network.upload(pixels, pixels.len() / model.inputs());
                    outputs.extend_from_slice(network.run());
                }
                outputs
            }),
            Self::Gpu(rig) => infer_on(&rig.device, model, precision, pixels, batch),
        };
        result.map_err(|error| error.to_string())
    }
}

fn infer_on(
    device: &Arc<Device>,
    model: &Model,
    precision: Precision,
    pixels: &[u8],
    batch: usize,
) -> fmnist_gpu::Result<Vec<f32>> {
    pollster::block_on(async {
        let mut network = gpu::Network::new(device, model, precision).await?;
        network.infer(pixels, batch, &mut |_| ()).await
    })
}

/// The precisions that an executor runs itself.
fn precisions(executor: &Executor) -> Vec<Precision> {
    let runs = |precision: &Precision| match executor {
        Executor::Cpu => true,
        Executor::Gpu(rig) => rig.device.info().lacks(*precision).is_none(),
    };
    Precision::ALL.into_iter().filter(runs).collect()
}

/// The trials of one executor; small batches of the golden labels only where `thorough`.
fn trials(executor: &Executor, thorough: bool) -> Vec<Trial> {
    let mut trials = Vec::new();
    for precision in precisions(executor) {
        let mut add = |what: &str, check: fn(&Executor, Precision) -> Check| {
            let executor = executor.clone();
            let name = format!("{}/{what}.{precision}", executor.name());
            trials.push(Trial::test(name, move || done(check(&executor, precision))));
        };
        add("shapes", check_shapes);
        add("activations", check_activations);
        add("normalization", check_normalization);
        add("is-what-it-says", check_identity);
        add("repeats", check_repeats);
        for batch in [1, 32, 1000, 10_000] {
            if thorough || batch >= 1000 {
                let executor = executor.clone();
                let name = format!("{}/golden.{precision}.batch-{batch}", executor.name());
                let check = move || done(check_golden(&executor, precision, batch));
                trials.push(Trial::test(name, check));
            }
        }
    }
    trials
}

fn done(check: Check) -> Result<(), libtest_mimic::Failed> {
    check.map_err(Into::into)
}

/// Runs a network on random pixels and compares its outputs with the oracle's.
fn compare(
    executor: &Executor,
    model: &Model,
    precision: Precision,
    images: usize,
    batch: usize,
) -> Check {
    let widths = model.architecture().widths();
    let name = format!("{widths:?}{images}");
    let pixels = random_pixels(&mut seeded(&name), images * model.inputs());
    let got = executor.infer(model, precision, &pixels, batch)?;
    let got: Vec<f64> = got.into_iter().map(f64::from).collect();
    let want = reference::infer(model, precision, &pixels, batch).outputs;
    let deepest = widths.iter().copied().max().unwrap_or(1);
    let check = match precision {
        Precision::F32 => close_f32(&got, &want, deepest),
        Precision::F16 => close_f16_network(&got, &want, model.layers.len()),
        Precision::Int8 => close_int8_network(&got, &want),
    };
    check.map_err(|problem| format!("{widths:?}, {images} images, batch {batch}: {problem}"))
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

/// A model of one input and two outputs, which tells precisions apart by whether its weights 1 and
/// `other` are still different.
fn tells_apart(executor: &Executor, precision: Precision, other: f32) -> Result<usize, String> {
    let model = Model::new(vec![Layer {
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

/// 1 and 1 + 2⁻¹² differ in f32 alone; 1 and 1.003 in f16 too, but have the same int8 code.
fn check_identity(executor: &Executor, precision: Precision) -> Check {
    let fine = tells_apart(executor, precision, 1.0 + 2_f32.powi(-12))?;
    let coarse = tells_apart(executor, precision, 1.003)?;
    let want = match precision {
        Precision::F32 => [1, 1],
        Precision::F16 => [0, 1],
        Precision::Int8 => [0, 0],
    };
    equal(&[fine, coarse], &want)
}

/// The same bits from a second network, and from one batch as from many in a submit.
fn check_repeats(executor: &Executor, precision: Precision) -> Check {
    let activations = [Activation::Relu, Activation::Softmax];
    let model = random_model(&mut seeded("repeats"), &[100, 40, 10], &activations);
    let pixels = random_pixels(&mut seeded("repeats"), 60 * 100);
    let bits = |outputs: Vec<f32>| outputs.into_iter().map(f32::to_bits).collect::<Vec<_>>();
    let many = bits(executor.infer(&model, precision, &pixels, 20)?);
    equal(
        &bits(executor.infer(&model, precision, &pixels, 20)?),
        &many,
    )?;
    let mut one_by_one = Vec::new();
    for pixels in pixels.chunks(20 * 100) {
        one_by_one.extend(executor.infer(&model, precision, pixels, 20)?);
    }
    equal(&bits(one_by_one), &many)
}

/// The default model's labels on the whole test split.
fn check_golden(executor: &Executor, precision: Precision, batch: usize) -> Check {
    let text = |error: fmnist_gpu::Error| error.to_string();
    let model = Model::default_model().map_err(text)?;
    let data = dataset::test_split().map_err(text)?;
    let outputs = executor.infer(&model, precision, &data.images.pixels, batch)?;
    let got = engine::labels(&outputs, model.outputs());
    let want = reference::infer(&model, precision, &data.images.pixels, batch).labels;
    same_labels(&got, &want, precision)
}

/// A batch that is cut into chunks gives the same bits as one that is not.
fn check_chunks(rig: &Rig, precision: Precision) -> Check {
    let text = |error: fmnist_gpu::Error| error.to_string();
    let activations = [Activation::Relu, Activation::Softmax];
    let model = random_model(&mut seeded("chunks"), &[50, 40, 10], &activations);
    let pixels = random_pixels(&mut seeded("chunks"), 1000 * 50);
    let options = DeviceOptions {
        checked: rig.checked,
        // 16 KiB hold no more than 78 rows of the widest buffer, 52 f32.
        binding_bytes: Some(16 << 10),
        ..DeviceOptions::default()
    };
    let small = pollster::block_on(Device::open(&rig.found, &options)).map_err(text)?;
    let plan = fmnist_gpu::plan::Plan::new(&model.architecture(), precision, 1000, small.limits());
    let chunks = plan.map_err(text)?.chunks.len();
    if chunks < 2 {
        return Err(format!("{chunks} chunk: nothing was cut"));
    }
    let cut = infer_on(&small, &model, precision, &pixels, 1000).map_err(text)?;
    let whole = infer_on(&rig.device, &model, precision, &pixels, 1000).map_err(text)?;
    let bits = |outputs: Vec<f32>| outputs.into_iter().map(f32::to_bits).collect::<Vec<_>>();
    equal(&bits(cut), &bits(whole))
}

/// The CPU path's integer sums, bitwise, random and with every code ±127.
fn check_cpu_sums() -> Check {
    for (rows, inner, cols) in [
        (1, 1, 1),
        (3, 31, 33),
        (33, 784, 64),
        (5, 1040, 7),
        (9, 1041, 10),
        (3, 4097, 31),
    ] {
        let mut rng = seeded(&format!("{rows}{inner}{cols}"));
        let random = (
            common::random_codes(&mut rng, rows * inner),
            common::random_codes(&mut rng, inner * cols),
        );
        let extreme = (vec![127_i8; rows * inner], vec![-127_i8; inner * cols]);
        for (x, w) in [random, extreme] {
            let mut got = Vec::new();
            IntegerWeights::new(&w, inner, cols, 127).sums(&x, rows, &mut got);
            let wide = |codes: &[i8]| {
                codes
                    .iter()
                    .map(|&code| i32::from(code))
                    .collect::<Vec<_>>()
            };
            let want = reference::integer_product(&wide(&x), &wide(&w), inner, cols);
            equal(&got, &want).map_err(|problem| format!("{rows}×{inner}×{cols}: {problem}"))?;
        }
    }
    Ok(())
}
