//! QuantizedNetwork models, whose layers have numbers of their own: every kernel that runs them on networks that
//! differ in what matters to it, and that no image depends on the others.

use fmnist_gpu::cpu::{self, Processor};
use fmnist_gpu::gpu;
use fmnist_gpu::mode::Mode;
use fmnist_gpu::model::{Activation, Layer, Network, Normalization};
use fmnist_gpu::plan::{KernelVariant, Kernels};
use fmnist_gpu::quantize::{QuantizedNetwork, Ranges, lower};
use fmnist_gpu::scheme::{Scheme, WeightScales};
use fmnist_gpu::{Precision, engine, reference};
use libtest_mimic::Trial;

use crate::common::compare::{Check, close_outputs, equal};
use crate::common::{Rig, random_model, random_pixels, seeded};
use crate::executor::{done, to_bits};

/// What is run: every precision and scheme that is not of the core, and layers that differ.
fn modes(layers: usize) -> Vec<Mode> {
    use Precision::{Bf16, F16, F32, Int4, Int8};
    let others = Precision::EVERY.into_iter();
    let others = others.filter(|precision| !Precision::ALL.contains(precision));
    let mut modes: Vec<Mode> = others.map(Mode::from).collect();
    for scheme in [Scheme::DynamicRow, Scheme::Static] {
        for weights in [WeightScales::Tensor, WeightScales::Channel] {
            modes.push(Mode::int8(scheme, weights));
        }
        // Each form behind each other one.
        let order = [
            Int8, F16, Int8, Int8, Bf16, Int8, F32, Int8, Int4, F16, Bf16, F32, F16, F32, Int4,
        ];
        for start in 0..order.len() {
            let mixed: Vec<Precision> = (0..layers)
                .map(|i| order[(start + i) % order.len()])
                .collect();
            let mode = Mode::mixed(mixed, scheme, WeightScales::Channel);
            modes.push(mode.expect("a mode"));
        }
    }
    modes
}

/// A network that differs from others in what matters to a kernel.
struct Case {
    name: &'static str,
    model: Network,
    images: usize,
    batches: Vec<usize>,
    /// Whether it is run in every way.
    thorough: bool,
}

fn cases() -> Vec<Case> {
    use Activation::{Identity, Relu, Sigmoid, Softmax, Tanh};
    let case =
        |name, widths: &[usize], activations: &[Activation], images, batches: &[usize]| Case {
            name,
            model: random_model(&mut seeded(name), widths, activations),
            images,
            batches: batches.to_vec(),
            thorough: name == "odd",
        };
    let elementwise = Activation::ALL.into_iter().filter(|one| *one != Softmax);
    let elementwise: Vec<Activation> = elementwise.collect();
    let widths: Vec<usize> = (0..=elementwise.len()).map(|at| 12 + 7 * at).collect();
    let mut all = vec![
        case(
            "odd",
            &[33, 31, 7, 5],
            &[Relu, Tanh, Softmax],
            37,
            &[37, 1, 8],
        ),
        case(
            "wide",
            &[50, 130, 70, 10],
            &[Sigmoid, Relu, Softmax],
            70,
            &[70, 17],
        ),
        case(
            "no softmax",
            &[784, 64, 33, 12],
            &[Relu, Identity, Identity],
            19,
            &[19, 2],
        ),
        case("many outputs", &[20, 9, 90], &[Relu, Softmax], 9, &[9, 4]),
        case(
            "exact",
            &[64, 40, 30, 10],
            &[Relu, Relu, Identity],
            50,
            &[50, 1, 16],
        ),
        case("one layer", &[17, 3], &[Softmax], 5, &[5]),
        case("every activation", &widths, &elementwise, 9, &[9, 1]),
        case("tiny", &[1, 1, 1], &[Relu, Sigmoid], 3, &[3, 1]),
    ];
    let mut standard = case("normalized", &[49, 30, 10], &[Tanh, Softmax], 33, &[33, 5]);
    standard.model.normalization = Normalization::Standard {
        mean: 0.2860,
        std: 0.3530,
    };
    all.push(standard);
    let mut clipped = case("clipped", &[40, 20, 10], &[Relu, Softmax], 33, &[33]);
    clipped.model.int8_clip = 31;
    all.push(clipped);
    all
}

/// The model in the numbers of a mode, with ranges that its values mostly keep to.
pub fn quantized(model: &Network, mode: &Mode) -> Result<QuantizedNetwork, String> {
    let range = |index: usize| {
        let (low, high) = model.layers[index].activation.range();
        (low.max(-3.0) as f32, high.min(3.0) as f32)
    };
    let ranges = (0..model.layers.len()).map(|index| match index {
        0 => (0.0, 1.0),
        index => range(index - 1),
    });
    lower(model, mode, Some(&Ranges(ranges.collect()))).map_err(|error| error.to_string())
}

/// Where quantized networks run.
enum Place<'a> {
    Cpu(&'a Processor),
    Gpu(&'a Rig),
}

/// Every way to run a case in a mode, on images all at once and in smaller batches: near the reference, and
/// where quantized values alone are summed, to the same bits in every way.
fn check_case(place: &Place<'_>, case: &Case, mode: &Mode) -> Check {
    let model = quantized(&case.model, mode)?;
    if let Place::Gpu(rig) = place
        && mode.layers.contains(&Precision::F16)
        && rig.device.info().lacks(Precision::F16).is_some()
    {
        return Ok(());
    }
    let width = case.model.outputs();
    let pixels = random_pixels(&mut seeded(case.name), case.images * case.model.inputs());
    let want = reference::infer(&model, &pixels, 1);
    let mut first: Option<Vec<u32>> = None;
    let mut ran = 0;
    for &batch in &case.batches {
        let mut ways: Vec<(&str, Vec<f32>)> = Vec::new();
        match place {
            Place::Cpu(processor) => {
                let mut network =
                    cpu::Session::new(&model, processor).map_err(|error| error.to_string())?;
                let mut outputs = Vec::new();
                for pixels in pixels.chunks(batch * case.model.inputs()) {
                    network.upload(pixels, pixels.len() / case.model.inputs());
                    outputs.extend_from_slice(network.run());
                }
                ways.push(("cpu", outputs));
            }
            Place::Gpu(rig) => {
                let limits = rig.device.limits();
                let all =
                    KernelVariant::runnable(&model.architecture(), batch, limits, Kernels::Any);
                // Compilation takes most of the time: one case has to do for most kernels.
                let few = ["register-8x8", "broadcast-4x32", "network-8"];
                let thorough = case.thorough && !rig.checked && mode.precision != Precision::Mixed;
                for variant in all {
                    if !compiles(rig, variant) || !(thorough || few.contains(&variant.name)) {
                        continue;
                    }
                    let run = async {
                        let mut network = gpu::Session::new(&rig.device, &model).await?;
                        network.restrict(Kernels::Named(variant));
                        network.infer(&pixels, batch, &mut |_| ()).await
                    };
                    let outputs = pollster::block_on(run)
                        .map_err(|error: fmnist_gpu::Error| format!("{}: {error}", variant.name))?;
                    ways.push((variant.name, outputs));
                }
            }
        }
        for (way, outputs) in ways {
            let place = |problem| format!("{}, {mode}, batch {batch}, {way}: {problem}", case.name);
            let wide: Vec<f64> = outputs.iter().map(|&value| f64::from(value)).collect();
            close_outputs(mode, &wide, &want.outputs, width).map_err(place)?;
            if same_everywhere(&case.model, mode) {
                let exact: Vec<f32> = want.outputs.iter().map(|&value| value as f32).collect();
                equal(&outputs, &exact).map_err(|problem| {
                    place(format!("not the bits of the reference: {problem}"))
                })?;
            }
            if mode.precision == Precision::Int8 {
                let bits = to_bits(outputs);
                equal(&bits, first.get_or_insert_with(|| bits.clone()))
                    .map_err(|problem| place(format!("not the bits of the others: {problem}")))?;
            }
            ran += 1;
        }
    }
    if ran > 0 {
        Ok(())
    } else {
        Err(format!("{}, {mode}: it ran nothing", case.name))
    }
}

/// Whether a mode's sums, and so its outputs, are the same to the bit on every adapter: static quantized values, and no
/// activation but those that round nothing.
fn same_everywhere(model: &Network, mode: &Mode) -> bool {
    let exact = |layer: &Layer| matches!(layer.activation, Activation::Relu | Activation::Identity);
    mode.precision == Precision::Int8
        && mode.scheme == Some(Scheme::Static)
        && model.layers.iter().all(exact)
}

fn compiles(rig: &Rig, variant: KernelVariant) -> bool {
    match variant.fusion {
        fmnist_gpu::plan::Fusion::Layers(tile) => {
            rig.compiles(tile.on(rig.device.limits().subgroups()), variant.arithmetic)
        }
        _ => true,
    }
}

fn check_cases(place: &Place<'_>, uniform: bool) -> Check {
    let mut failures = Vec::new();
    for case in cases() {
        for mode in modes(case.model.layers.len()) {
            let wanted = case.thorough || matches!(place, Place::Cpu(_)) || uniform;
            if (mode.precision != Precision::Mixed) == uniform && wanted {
                failures.extend(check_case(place, &case, &mode).err());
            }
        }
    }
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures.join("\n"))
    }
}

/// The default model's labels on the test split hardly differ from those of f32.
fn check_golden(rig: &Rig) -> Check {
    let text = |error: fmnist_gpu::Error| error.to_string();
    let model = Network::default_model().map_err(text)?;
    let data = fmnist_gpu::dataset::test_split().map_err(text)?;
    let mode = Mode::int8(Scheme::DynamicRow, WeightScales::Channel);
    let quantized = lower(&model, &mode, None).map_err(text)?;
    let labels = |mut network: gpu::Session, batch| {
        let outputs = pollster::block_on(network.infer(&data.images.pixels, batch, &mut |_| ()));
        outputs
            .map(|outputs| engine::labels(&outputs, 10))
            .map_err(text)
    };
    let network = || pollster::block_on(gpu::Session::new(&rig.device, &quantized)).map_err(text);
    let f32 = lower(&model, &Precision::F32.into(), None).map_err(text)?;
    let f32 = pollster::block_on(gpu::Session::new(&rig.device, &f32));
    let want = labels(f32.map_err(text)?, 1000)?;
    let got = labels(network()?, 1000)?;
    let changed = got
        .iter()
        .zip(&want)
        .filter(|(got, want)| got != want)
        .count();
    if changed > 70 {
        return Err(format!("{changed} labels differ from f32's"));
    }
    equal(&labels(network()?, 17)?, &got)
}

/// The trials of an adapter.
pub fn trials(rig: &Rig) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (name, uniform) in [("quantized", true), ("quantized-mixed", false)] {
        // Compilation takes most of the time, and mixed networks have no index of their own.
        if rig.checked && !uniform {
            continue;
        }
        let on = rig.clone();
        let check = move || done(check_cases(&Place::Gpu(&on), uniform));
        trials.push(rig.trial(format!("{}/{name}", rig.name), check));
    }
    let on = rig.clone();
    trials.push(
        rig.trial(format!("{}/quantized-golden", rig.name), move || {
            done(check_golden(&on))
        }),
    );
    trials
}

/// The trials of the CPU path.
pub fn cpu_trials(name: &str, processor: &Processor) -> Vec<Trial> {
    let on = processor.clone();
    let check = move || {
        let place = Place::Cpu(&on);
        done(check_cases(&place, true).and_then(|()| check_cases(&place, false)))
    };
    vec![Trial::test(format!("{name}/quantized"), check)]
}
