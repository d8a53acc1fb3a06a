//! Networks under arithmetic that WGSL allows a driver, or that some driver has. The outputs of int8 networks do not
//! change by a bit (but −0 may be 0); those of other precisions stay within their tolerances.

use std::sync::Arc;

use fmnist_gpu::adapter::Backend;
use fmnist_gpu::dataset;
use fmnist_gpu::gpu::fault::Hostile;
use fmnist_gpu::gpu::{self, Device, DeviceOperation, DeviceOptions, Numerics};
use fmnist_gpu::mode::Mode;
use fmnist_gpu::model::{Activation, Network};
use fmnist_gpu::plan::{KERNEL_VARIANTS, Kernels};
use fmnist_gpu::quantize::QuantizedNetwork;
use fmnist_gpu::scheme::{Scheme, WeightScales};
use half::f16;
use libtest_mimic::Trial;

use crate::common::Rig;
use crate::common::compare::{Check, equal};
use crate::executor::{Executor, close_to_reference, done, infer_on, precisions};
use crate::quantized::quantized;

/// Runs all kernels and all images under each arithmetic alone. Otherwise a few kernels and batch sizes have to do, and fewer images in small batches.
const SWEEP: &str = "FMNIST_GPU_SWEEP";

/// The kernels that stand for all.
const SOME: [&str; 5] = [
    "matmul-8x8",
    "register-8x8",
    "workgroup-64x64-dot",
    "rows-4x32",
    "network-8-dot",
];

fn sweeps() -> bool {
    std::env::var_os(SWEEP).is_some_and(|value| value != "0")
}

fn schemes() -> [Mode; 3] {
    [
        Mode::int8(Scheme::DynamicTensor, WeightScales::Tensor),
        Mode::int8(Scheme::DynamicRow, WeightScales::Channel),
        Mode::int8(Scheme::Static, WeightScales::Channel),
    ]
}

/// The default network without its softmax, whose exp and division a driver may round as it likes.
fn logits() -> fmnist_gpu::Result<Network> {
    let mut model = Network::default_model()?;
    if let Some(last) = model.layers.last_mut() {
        last.activation = Activation::Identity;
    }
    Ok(model)
}

fn infer(
    device: &Arc<Device>,
    kernels: Kernels,
    network: &QuantizedNetwork,
    pixels: &[u8],
    batch: usize,
) -> Result<Vec<f32>, String> {
    let run = async {
        let mut session = gpu::Session::new(device, network).await?;
        session.restrict(kernels);
        session.infer(pixels, batch, &mut |_| ()).await
    };
    pollster::block_on(run).map_err(|error| error.to_string())
}

/// In batches of each size, by the kernels that are chosen for it.
fn check_batches(sound: &Rig, hostile: &Rig) -> Check {
    let text = |error: fmnist_gpu::Error| error.to_string();
    let model = logits().map_err(text)?;
    let images = &dataset::test_split().map_err(text)?.images;
    for mode in schemes() {
        let network = quantized(&model, &mode)?;
        for batch in [1, 2, 32, 256, 10_000] {
            if !sweeps() && matches!(batch, 2 | 256) {
                continue;
            }
            let count = match batch {
                _ if sweeps() => images.count,
                1 => 500,
                batch => images.count.min(40 * batch),
            };
            let pixels = images.range(0, count);
            let run = |rig: &Rig| infer(&rig.device, Kernels::Any, &network, pixels, batch);
            let place = |problem| format!("{mode}, batch {batch}: {problem}");
            equal(&run(hostile)?, &run(sound)?).map_err(place)?;
        }
    }
    Ok(())
}

/// By each kernel.
fn check_kernels(sound: &Rig, hostile: &Rig) -> Check {
    let text = |error: fmnist_gpu::Error| error.to_string();
    let model = logits().map_err(text)?;
    let images = &dataset::test_split().map_err(text)?.images;
    let pixels = images.range(0, 64);
    let mut ran = 0;
    for mode in schemes() {
        let network = quantized(&model, &mode)?;
        for &variant in KERNEL_VARIANTS {
            let runs = |batch| {
                let limits = sound.device.limits();
                let refused = variant.refused(&network.architecture(), batch, limits);
                refused.is_none() && (sweeps() || SOME.contains(&variant.name))
            };
            for batch in [1, 32].into_iter().filter(|&batch| runs(batch)) {
                let named = Kernels::Named(variant);
                let run = |rig: &Rig| infer(&rig.device, named, &network, pixels, batch);
                let place = |problem| format!("{mode}, {}, batch {batch}: {problem}", variant.name);
                equal(&run(hostile)?, &run(sound)?).map_err(place)?;
                ran += 1;
            }
        }
    }
    if ran > 10 {
        Ok(())
    } else {
        Err(format!("only {ran} kernels ran"))
    }
}

/// The default network in the precisions whose arithmetic a driver may round.
fn check_floats(hostile: &Rig) -> Check {
    let text = |error: fmnist_gpu::Error| error.to_string();
    let model = Network::default_model().map_err(text)?;
    let images = &dataset::test_split().map_err(text)?.images;
    let pixels = images.range(0, 256);
    for precision in precisions(&Executor::gpu(hostile, Kernels::Any)) {
        for batch in [256, 1] {
            let pixels = &pixels[..batch * model.inputs()];
            let got = infer_on(
                &hostile.device,
                Kernels::Any,
                &model,
                precision,
                pixels,
                batch,
            );
            close_to_reference(&model, precision, pixels, batch, &got.map_err(text)?)
                .map_err(|problem| format!("{precision}, batch {batch}: {problem}"))?;
        }
    }
    Ok(())
}

/// Operations by themselves are wrong, so that a kernel that trusted them would be found. What is right comes from the host,
/// since the driver itself may have such an arithmetic.
fn check_that_it_matters(hostile: &Rig) -> Check {
    let text = |error: fmnist_gpu::Error| error.to_string();
    let numerics = Numerics::new(&hostile.device).map_err(text)?;
    let apply = |operation, operands: &[[f32; 3]]| {
        let operands: Vec<_> = operands.iter().map(|it| it.map(f32::to_bits)).collect();
        let words = pollster::block_on(numerics.apply(operation, &operands)).map_err(text)?;
        words.ok_or_else(|| "no results".to_owned())
    };
    let values = |operation, operands: &[[f32; 3]]| {
        let words = apply(operation, operands)?.into_iter();
        Ok::<Vec<f32>, String>(words.map(f32::from_bits).collect())
    };
    let differs = |what: &str, got: Vec<f32>, right: Vec<f32>| match got == right {
        true => Err(format!("{what} is not hostile")),
        false => Ok(()),
    };
    // Odd multiples of half a scale: quantized values once were such rounded quotients.
    let scales = (1_u8..=127).map(|step| f32::from(step) / 255.0);
    let tie = |scale: f32| (0_u8..127).map(move |k| [(f32::from(k) + 0.5) * scale, scale, 0.0]);
    let ties: Vec<_> = scales.flat_map(tie).collect();
    let rounded = |quotients: Vec<f32>| quotients.into_iter().map(f32::round_ties_even).collect();
    let right = rounded(ties.iter().map(|[a, b, _]| a / b).collect());
    differs(
        "division",
        rounded(values(DeviceOperation::Divide, &ties)?),
        right,
    )?;
    if hostile.name.ends_with("subnormals") {
        let tiny = f32::MIN_POSITIVE / 4.0;
        let got = values(DeviceOperation::Add, &[[tiny, tiny, 0.0]])?;
        return differs("addition", got, vec![2.0 * tiny]);
    }
    let near_one = [1.0 + f32::EPSILON, 1.0 - f32::EPSILON, -1.0];
    differs(
        "a·b + c",
        values(DeviceOperation::MultiplyAdd, &[near_one])?,
        vec![0.0],
    )?;
    let large = [30.0, 31.0, 32.0, 33.0, 34.0];
    let got = values(DeviceOperation::Exp, &large.map(|x| [x, 0.0, 0.0]))?;
    let near = |(got, x): (&f32, f32)| {
        let exact = f64::from(x).exp();
        (f64::from(*got) - exact).abs() <= 4.0 * f64::from(f32::EPSILON) * exact
    };
    if got.iter().zip(large).all(near) {
        return Err("exp is not hostile".to_owned());
    }
    // Just below the f16 that follows 1.
    let below = f16::from_f32(1.0).to_f32() + 0.000_97;
    let packed = apply(DeviceOperation::Pack, &[[below, 0.0, 0.0]])?;
    if packed == [u32::from(f16::from_f32(below).to_bits())] {
        return Err("conversion is not hostile".to_owned());
    }
    Ok(())
}

/// A comparison of a sound device with a hostile one.
type Compare = fn(&Rig, &Rig) -> Check;

/// What trials run under: all freedoms in as few devices as do not exclude each other; in a sweep each by itself.
fn arithmetics() -> Vec<(String, Vec<Hostile>)> {
    use Hostile::{Contraction, Conversion, Division, Exp, Reassociation, Reciprocal, Subnormals};
    if sweeps() {
        let alone = |hostile: Hostile| (hostile.name().to_owned(), vec![hostile]);
        return Hostile::ALL.map(alone).into();
    }
    vec![
        (
            "rounding".to_owned(),
            vec![Division, Exp, Contraction, Reassociation, Conversion],
        ),
        ("subnormals".to_owned(), vec![Reciprocal, Subnormals]),
    ]
}

/// The trials of an adapter under each arithmetic.
pub fn trials(sound: &Rig) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (name, arithmetic) in arithmetics() {
        let options = DeviceOptions {
            faults: arithmetic[..].into(),
            ..DeviceOptions::default()
        };
        let hostile = Rig::open(&sound.found, &format!("hostile-{name}"), options);
        let mut checks: Vec<(&str, Compare)> = vec![("floats", |_, hostile| check_floats(hostile))];
        if !sweeps() {
            checks.push(("matters", |_, hostile| check_that_it_matters(hostile)));
        }
        // The shaders are the same on every backend, and OpenGL takes longest to compile them.
        if sweeps() || sound.found.info.backend != Backend::Gl {
            checks.push(("batches", check_batches));
            checks.push(("kernels", check_kernels));
        }
        for (what, check) in checks {
            let (sound, on) = (sound.clone(), hostile.clone());
            let name = format!("{}/{what}", hostile.name);
            trials.push(hostile.trial(name, move || done(check(&sound, &on))));
        }
    }
    trials
}
