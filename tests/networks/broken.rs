//! Weights that are broken on their way to the device do not pass what sound ones pass.

use fmnist_gpu::gpu::fault::Broken;
use fmnist_gpu::gpu::{self, DeviceOptions};
use fmnist_gpu::mode::Mode;
use fmnist_gpu::model::{Activation, Network};
use fmnist_gpu::plan::Kernels;
use fmnist_gpu::scheme::{Scheme, WeightScales};
use fmnist_gpu::{Precision, reference};
use libtest_mimic::Trial;

use crate::common::compare::{Check, equal};
use crate::common::{Rig, random_model, random_pixels, seeded};
use crate::executor::{Executor, close_to_reference, done, precisions};
use crate::quantized::quantized;

const IMAGES: usize = 50;

fn model(widths: &[usize], activations: &[Activation]) -> Network {
    random_model(&mut seeded("broken"), widths, activations)
}

/// What was found of outputs; an error where there are none.
type Judged = Result<Check, String>;

/// Each block of four by four turned over is more than any tolerance.
fn within_tolerance(rig: &Rig, precision: Precision) -> Judged {
    let executor = Executor::gpu(rig, Kernels::Any);
    let model = model(&[64, 40, 10], &[Activation::Relu, Activation::Softmax]);
    let pixels = random_pixels(&mut seeded("broken"), IMAGES * 64);
    let outputs = executor.infer(&model, precision, &pixels, IMAGES)?;
    let judged = close_to_reference(&model, precision, &pixels, IMAGES, &outputs);
    Ok(judged)
}

/// One bit of one weight of many is less than tolerances are, and a layer behind it may round it away: it takes the
/// sums of quantized values, which are exact, of a layer alone.
fn the_bits_of_the_reference(rig: &Rig) -> Judged {
    let text = |error: fmnist_gpu::Error| error.to_string();
    let mode = Mode::int8(Scheme::Static, WeightScales::Channel);
    let model = quantized(&model(&[64, 10], &[Activation::Identity]), &mode)?;
    let pixels = random_pixels(&mut seeded("broken"), IMAGES * 64);
    let run = async {
        let mut network = gpu::Session::new(&rig.device, &model).await?;
        network.infer(&pixels, IMAGES, &mut |_| ()).await
    };
    let outputs = pollster::block_on(run).map_err(text)?;
    let want = reference::infer(&model, &pixels, 1).outputs;
    let want: Vec<f32> = want.iter().map(|&value| value as f32).collect();
    Ok(equal(&outputs, &want))
}

/// The trials of an adapter: its outputs are right, and those of one that breaks weights are not.
pub fn trials(rig: &Rig) -> Vec<Trial> {
    let open = |fault: Broken| {
        let options = DeviceOptions {
            faults: fault.into(),
            ..DeviceOptions::default()
        };
        Rig::open(&rig.found, &format!("broken-{fault}"), options)
    };
    let mut trials = Vec::new();
    let mut add = |on: &Rig, what: String, judge: Box<dyn Fn(&Rig) -> Judged + Send>| {
        let (sound, broken) = (rig.clone(), on.clone());
        let found = move || {
            judge(&sound)??;
            match judge(&broken)? {
                Err(_) => Ok(()),
                Ok(()) => Err("it is not found".to_owned()),
            }
        };
        trials.push(on.trial(format!("{}/{what}", on.name), move || done(found())));
    };
    let transposed = open(Broken::Transposed);
    for precision in precisions(&Executor::gpu(rig, Kernels::Any)) {
        let judge = move |rig: &Rig| within_tolerance(rig, precision);
        add(&transposed, precision.to_string(), Box::new(judge));
    }
    let bit = open(Broken::Bit);
    add(
        &bit,
        "int8-static".to_owned(),
        Box::new(the_bits_of_the_reference),
    );
    trials
}
