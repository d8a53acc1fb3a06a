//! Whole networks × precision × executor × awkward shapes against the oracle; every strategy on networks
//! that differ in what matters to it; golden labels of the default model; and proof that each precision
//! is what it says.
//!
//! The executors are the CPU path and every adapter, with checked and with trusted shaders, which runs
//! networks in the way that is chosen where nothing is measured, and in one that is asked for.

mod common;

use std::sync::Arc;

use common::compare::{
    Check, close_f16_network, close_f32, close_int8_network, equal, same_labels,
};
use common::{Rig, SIZES, random_model, random_pixels, run_on_adapters, seeded};
use fmnist_gpu::adapter::Backend;
use fmnist_gpu::cpu::{IntegerWeights, Processor, ProcessorOptions, Supported};
use fmnist_gpu::gpu::{self, Device, DeviceOptions};
use fmnist_gpu::model::{Activation, Layer, Model, Normalization};
use fmnist_gpu::plan::{Form, Kernels, Plan, STRATEGIES, Strategy};
use fmnist_gpu::{Precision, cpu, dataset, engine, reference};
use libtest_mimic::Trial;

fn main() {
    let mut cpu_trials = Vec::new();
    for supported in Supported::all() {
        let options = ProcessorOptions {
            isa: Some(supported.isa()),
            threads: Some(3),
        };
        let processor = Processor::new(options).expect("an instruction set that was found");
        let executor = Executor::Cpu(processor.clone());
        cpu_trials.extend(trials(&executor));
        if supported == Supported::best() {
            cpu_trials.extend(golden_trials(&executor, true));
        }
        for precision in Precision::ALL {
            let on = executor.clone();
            let name = format!("{}/tile-edges.{precision}", executor.name());
            cpu_trials.push(Trial::test(name, move || done(check_edges(&on, precision))));
            let name = format!("{}/threads.{precision}", executor.name());
            let check = move || done(check_threads(supported, precision));
            cpu_trials.push(Trial::test(name, check));
        }
        let name = format!("{}/int8-sums", executor.name());
        cpu_trials.push(Trial::test(name, move || done(check_cpu_sums(&processor))));
    }
    run_on_adapters(cpu_trials, |rigs| {
        let mut all = Vec::new();
        for rig in rigs {
            let chosen = Executor::gpu(rig, Kernels::Any);
            all.extend(trials(&chosen));
            all.extend(golden_trials(&chosen, !rig.checked));
            all.extend(strategy_trials(rig));
            if let Some(rig) = rig.with_matrix_units() {
                let on = Executor::gpu(&rig, Kernels::MatrixUnits);
                all.extend(trials(&on));
                all.extend(golden_trials(&on, !rig.checked));
                all.extend(strategy_trials(&rig));
                all.push(chunks_trial(&rig, Precision::F16));
                for small in [false, true] {
                    let name = format!("{}/layouts{}", rig.name, if small { ", cut" } else { "" });
                    let on = rig.clone();
                    all.push(rig.trial(name, move || done(check_layouts(&on, small))));
                }
            }
            for precision in precisions(&chosen) {
                all.push(chunks_trial(rig, precision));
            }
        }
        all
    })
}

fn chunks_trial(rig: &Rig, precision: Precision) -> Trial {
    let name = format!("{}/chunks.{precision}", rig.name);
    let on = rig.clone();
    rig.trial(name, move || done(check_chunks(&on, precision)))
}

/// What runs a network.
#[derive(Clone)]
enum Executor {
    /// The CPU path on this instruction set and so many threads.
    Cpu(Processor),
    /// In one of these ways.
    Gpu(Box<Rig>, Kernels),
}

impl Executor {
    fn gpu(rig: &Rig, kernels: Kernels) -> Self {
        Self::Gpu(Box::new(rig.clone()), kernels)
    }

    fn name(&self) -> String {
        match self {
            Self::Cpu(processor) => format!("cpu/{}", processor.info().instruction_set),
            Self::Gpu(rig, Kernels::Named(strategy)) => format!("{}/{}", rig.name, strategy.name),
            Self::Gpu(rig, _) => rig.name.clone(),
        }
    }

    fn trial(&self, name: String, check: impl FnOnce() -> Check + Send + 'static) -> Trial {
        match self {
            Self::Cpu(_) => Trial::test(name, move || done(check())),
            Self::Gpu(rig, _) => rig.trial(name, move || done(check())),
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
            Self::Cpu(processor) => {
                cpu::Network::new(model, precision, processor).map(|mut network| {
                    let mut outputs = Vec::new();
                    for pixels in pixels.chunks(batch * model.inputs()) {
                        network.upload(pixels, pixels.len() / model.inputs());
                        outputs.extend_from_slice(network.run());
                    }
                    outputs
                })
            }
            Self::Gpu(rig, kernels) => {
                infer_on(&rig.device, *kernels, model, precision, pixels, batch)
            }
        };
        result.map_err(|error| error.to_string())
    }
}

fn infer_on(
    device: &Arc<Device>,
    kernels: Kernels,
    model: &Model,
    precision: Precision,
    pixels: &[u8],
    batch: usize,
) -> fmnist_gpu::Result<Vec<f32>> {
    pollster::block_on(async {
        let mut network = gpu::Network::new(device, model, precision).await?;
        network.restrict(kernels);
        network.infer(pixels, batch, &mut |_| ()).await
    })
}

/// The precisions that an executor runs itself.
fn precisions(executor: &Executor) -> Vec<Precision> {
    let runs = |precision: &Precision| match executor {
        Executor::Cpu(_) => true,
        Executor::Gpu(_, Kernels::MatrixUnits) => *precision == Precision::F16,
        Executor::Gpu(rig, _) => rig.device.info().lacks(*precision).is_none(),
    };
    Precision::ALL.into_iter().filter(runs).collect()
}

/// The trials of one executor.
fn trials(executor: &Executor) -> Vec<Trial> {
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
fn golden_trials(executor: &Executor, thorough: bool) -> Vec<Trial> {
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

/// Every strategy that runs something in a precision; and the separate passes, which are chosen for
/// nothing, once more on all that the chosen ones are tried on.
fn strategy_trials(rig: &Rig) -> Vec<Trial> {
    let mut trials_of_rig = Vec::new();
    // wgpu's checks are the same text on every backend, and OpenGL takes minutes to compile them: there
    // the trusted modules are tried, and on Vulkan both.
    if rig.checked && rig.device.info().backend == Backend::Gl {
        return trials_of_rig;
    }
    // A device with matrix units is there for their kernels.
    let kernels = match rig.device.limits().matrix_units {
        Some(_) => Kernels::MatrixUnits,
        None => Kernels::Any,
    };
    for precision in precisions(&Executor::gpu(rig, kernels)) {
        let wanted = |s: &&Strategy| kernels == Kernels::Any || s.on_matrix_units();
        for &strategy in STRATEGIES.iter().filter(wanted) {
            let small = random_model(&mut seeded("small"), &[4, 4], &[Activation::Relu]);
            let limits = rig.device.limits();
            let refused = strategy.refused(&small.architecture(), precision, 1, limits);
            let compiles = match strategy.form {
                Form::Layers(tile) => rig.compiles(tile, strategy.arithmetic),
                Form::Separate(_) | Form::Network { .. } => true,
            };
            if refused.is_none() && compiles {
                let executor = Executor::gpu(rig, Kernels::Named(strategy));
                let name = format!("{}/networks.{precision}", executor.name());
                let check = move || done(check_strategy(&executor, strategy, precision));
                trials_of_rig.push(rig.trial(name, check));
            }
        }
    }
    if !rig.checked && kernels == Kernels::Any {
        let separate = Executor::gpu(rig, Kernels::Named(Strategy::separate(1000)));
        trials_of_rig.extend(trials(&separate));
    }
    trials_of_rig
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
    close_to_oracle(model, precision, &pixels, batch, &got)
        .map_err(|problem| format!("{widths:?}, {images} images, batch {batch}: {problem}"))
}

/// Compares a network's outputs with the oracle's.
fn close_to_oracle(
    model: &Model,
    precision: Precision,
    pixels: &[u8],
    batch: usize,
    got: &[f32],
) -> Check {
    let got: Vec<f64> = got.iter().copied().map(f64::from).collect();
    let want = reference::infer(model, precision, pixels, batch).outputs;
    let deepest = model.architecture().widths().into_iter().max().unwrap_or(1);
    match precision {
        Precision::F32 => close_f32(&got, &want, deepest),
        Precision::F16 => close_f16_network(&got, &want, model.layers.len()),
        Precision::Int8 => close_int8_network(&got, &want),
    }
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

/// Networks that differ in what matters to a strategy: one of the usual size; a deep one of odd widths
/// with every activation that goes element by element; one whose softmax is wider than some tiles; one
/// whose pixels go through a table.
fn networks() -> Vec<Model> {
    use Activation::{Identity, Relu, Sigmoid, Softmax, Tanh};
    let random = |widths: &[usize], activations: &[Activation]| {
        random_model(&mut seeded("networks"), widths, activations)
    };
    let mut table = random(&[49, 30, 10], &[Tanh, Softmax]);
    table.normalization = Normalization::Standard {
        mean: 0.2860,
        std: 0.3530,
    };
    vec![
        random(&[13, 7, 33, 5, 6], &[Sigmoid, Tanh, Relu, Identity]),
        random(&[784, 64, 10], &[Relu, Softmax]),
        random(&[33, 12, 40], &[Relu, Softmax]),
        table,
    ]
}

/// A strategy on each of the networks that it can run, in batches of several sizes: against the oracle,
/// twice to the same bits, and with the bits that a row has in any batch where batches share nothing.
/// What it cannot run, no plan is made for.
fn check_strategy(executor: &Executor, strategy: Strategy, precision: Precision) -> Check {
    let Executor::Gpu(rig, _) = executor else {
        return Err("the CPU path has no strategies".into());
    };
    let limits = rig.device.limits();
    // Checked modules are compiled apart, which takes most of the time: one network has to do.
    let networks = networks().into_iter().take(if rig.checked { 1 } else { 4 });
    let mut ran = 0;
    for model in networks {
        let (architecture, width) = (model.architecture(), model.inputs());
        let widths = architecture.widths();
        let pixels = random_pixels(&mut seeded("networks"), 257 * width);
        let mut rows: Option<Vec<u32>> = None;
        for batch in [257, 33, 7, 1] {
            let refused = strategy.refused(&architecture, precision, batch, limits);
            let plan = Plan::new(&architecture, precision, batch, strategy, limits);
            if refused.is_some() != plan.is_err() {
                return Err(format!(
                    "{widths:?}, {batch}: refused {refused:?}, but {plan:?}"
                ));
            }
            if refused.is_some() {
                continue;
            }
            // Two whole batches and a short one.
            let images = (3 * batch - batch / 2).min(257);
            let pixels = &pixels[..images * width];
            let place = |problem| format!("{widths:?}, batch {batch}: {problem}");
            let got = executor.infer(&model, precision, pixels, batch)?;
            close_to_oracle(&model, precision, pixels, batch, &got).map_err(place)?;
            let bits = to_bits(got);
            equal(
                &to_bits(executor.infer(&model, precision, pixels, batch)?),
                &bits,
            )
            .map_err(|problem| place(format!("again: {problem}")))?;
            if strategy.rows_are_alone(precision) {
                let all = rows.get_or_insert_with(|| bits.clone());
                equal(&bits, &all[..bits.len()])
                    .map_err(|problem| place(format!("in another batch: {problem}")))?;
            }
            ran += 1;
        }
    }
    if ran > 0 {
        Ok(())
    } else {
        Err("it ran nothing".into())
    }
}

fn to_bits(outputs: Vec<f32>) -> Vec<u32> {
    outputs.into_iter().map(f32::to_bits).collect()
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
        matrix_units: rig.device.limits().matrix_units.is_some(),
        ..DeviceOptions::default()
    };
    let small = pollster::block_on(Device::open(&rig.found, &options)).map_err(text)?;
    let architecture = model.architecture();
    let names: &[&str] = match small.limits().matrix_units {
        Some(_) => &["coop-2x4", "coop-staged-2x2"],
        None => &["matmul-8x8", "register-8x8", "broadcast-4x32", "network-8"],
    };
    for strategy in names.iter().filter_map(|name| Strategy::find(name)) {
        let refused = strategy.refused(&architecture, precision, 1000, small.limits());
        if refused.is_some() {
            continue;
        }
        let plan = Plan::new(&architecture, precision, 1000, strategy, small.limits());
        let chunks = plan.map_err(text)?.chunks.len();
        if chunks < 2 {
            return Err(format!(
                "{}: {chunks} chunk: nothing was cut",
                strategy.name
            ));
        }
        let way = Kernels::Named(strategy);
        let cut = infer_on(&small, way, &model, precision, &pixels, 1000).map_err(text)?;
        let whole = infer_on(&rig.device, way, &model, precision, &pixels, 1000).map_err(text)?;
        equal(&to_bits(cut), &to_bits(whole))
            .map_err(|problem| format!("{}: {problem}", strategy.name))?;
    }
    Ok(())
}

/// One network that runs with matrix units, without, and with them again, gives the bits that each way
/// gives alone, and keeps its weights in one layout only. Where bindings are `small`, every layer's
/// weights have a buffer of their own.
fn check_layouts(rig: &Rig, small: bool) -> Check {
    let text = |error: fmnist_gpu::Error| error.to_string();
    let activations = [Activation::Relu, Activation::Relu, Activation::Softmax];
    let model = random_model(&mut seeded("layouts"), &[50, 70, 60, 10], &activations);
    let pixels = random_pixels(&mut seeded("layouts"), 33 * 50);
    let options = DeviceOptions {
        checked: rig.checked,
        // The largest layer takes 11,520 bytes in whole matrices of 16×16, all take more than 16 KiB.
        binding_bytes: small.then_some(16 << 10),
        matrix_units: true,
        ..DeviceOptions::default()
    };
    let device = pollster::block_on(Device::open(&rig.found, &options)).map_err(text)?;
    let [coop, other] = ["coop-2x4", "register-8x8"].map(Strategy::find);
    let (coop, other) = (coop.ok_or("coop-2x4")?, other.ok_or("register-8x8")?);
    let mut network =
        pollster::block_on(gpu::Network::new(&device, &model, Precision::F16)).map_err(text)?;
    let mut bytes = Vec::new();
    for strategy in [coop, other, coop] {
        network.restrict(Kernels::Named(strategy));
        let got = pollster::block_on(network.infer(&pixels, 33, &mut |_| ())).map_err(text)?;
        let kernels = Kernels::Named(strategy);
        let alone =
            infer_on(&device, kernels, &model, Precision::F16, &pixels, 33).map_err(text)?;
        equal(&to_bits(got), &to_bits(alone)).map_err(|p| format!("{}: {p}", strategy.name))?;
        bytes.push(network.allocated_bytes());
    }
    equal(&[bytes[0]], &[bytes[2]])?;
    if bytes[1] < bytes[0] {
        Ok(())
    } else {
        Err(format!(
            "{bytes:?} bytes: whole matrices take more than blocks"
        ))
    }
}

/// The CPU path's tiles: one layer, round every edge of a tile in each direction, and one beside another.
fn check_edges(executor: &Executor, precision: Precision) -> Check {
    let mut shapes = Vec::new();
    for outputs in [
        1, 4, 5, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 79, 81, 129,
    ] {
        for images in [1, 2, 3, 6] {
            shapes.push((images, 7, outputs));
        }
    }
    shapes.extend((1..=14).chain([95, 96, 97]).map(|images| (images, 10, 19)));
    shapes.extend((1..=18).map(|inputs| (8, inputs, 21)));
    // Rows so wide that a block is no larger than a tile.
    shapes.push((7, 2, 90_001));
    for (images, inputs, outputs) in shapes {
        for activation in [Activation::Relu, Activation::Softmax] {
            let mut rng = seeded(&format!("{inputs} {outputs}"));
            let model = random_model(&mut rng, &[inputs, outputs], &[activation]);
            compare(executor, &model, precision, images, images)
                .map_err(|problem| format!("{activation}: {problem}"))?;
        }
    }
    Ok(())
}

/// The number of threads changes no bit of the CPU path's outputs.
fn check_threads(supported: Supported, precision: Precision) -> Check {
    let text = |error: fmnist_gpu::Error| error.to_string();
    let activations = [Activation::Sigmoid, Activation::Relu, Activation::Softmax];
    let model = random_model(&mut seeded("threads"), &[200, 90, 70, 10], &activations);
    let images = 601;
    let pixels = random_pixels(&mut seeded("threads"), images * model.inputs());
    let mut first: Option<Vec<u32>> = None;
    for threads in [1, 2, 3, 7] {
        let processor = Processor::new(ProcessorOptions {
            isa: Some(supported.isa()),
            threads: Some(threads),
        });
        let processor = processor.map_err(text)?;
        let mut network = cpu::Network::new(&model, precision, &processor).map_err(text)?;
        network.upload(&pixels, images);
        if network.threads() != threads {
            return Err(format!("{} threads ran, not {threads}", network.threads()));
        }
        let got = to_bits(network.run().to_vec());
        let want = first.get_or_insert_with(|| got.clone());
        equal(&got, want).map_err(|problem| format!("{threads} threads: {problem}"))?;
    }
    Ok(())
}

/// The CPU path's integer sums, bitwise, random and with every code ±127: round every edge of a tile, and
/// as deep as a sum in int32 may be.
fn check_cpu_sums(processor: &Processor) -> Check {
    let mut shapes = vec![
        (3, 31, 33),
        (33, 784, 64),
        (5, 1040, 7),
        (9, 1041, 10),
        (3, 4097, 31),
    ];
    shapes.extend((1..=13).map(|rows| (rows, 9, 21)));
    shapes.extend((1..=9).map(|inner| (7, inner, 5)));
    for cols in [
        1, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 80, 81, 129,
    ] {
        shapes.extend([(1, 6, cols), (8, 5, cols)]);
    }
    // 127² · 133,143 is the last below 2³¹.
    shapes.push((1, 133_144, 2));
    for (rows, inner, cols) in shapes {
        let mut rng = seeded(&format!("{rows}{inner}{cols}"));
        let random = (
            common::random_codes(&mut rng, rows * inner),
            common::random_codes(&mut rng, inner * cols),
        );
        let extreme = (vec![127_i8; rows * inner], vec![-127_i8; inner * cols]);
        let negative = (vec![-127_i8; rows * inner], vec![-127_i8; inner * cols]);
        for (x, w) in [random, extreme, negative] {
            let got = IntegerWeights::new(&w, inner, cols, processor).sums(&x);
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
