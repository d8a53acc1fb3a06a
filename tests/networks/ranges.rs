//! Networks whose weights leave the range of a format, in the first, a hidden or the last layer, upwards or downwards: on every
//! path, and in every format and scheme, each is right or reported.

use fmnist_gpu::model::{Activation, Network};
use fmnist_gpu::quantize::QuantizedNetwork;
use fmnist_gpu::{Precision, gpu};
use libtest_mimic::Trial;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::common::compare::Check;
use crate::common::{Rig, random_model, random_pixels, seeded};
use crate::executor::done;
use crate::judge::{Case, IMAGES, held, judge, modes};

/// Networks of each place and direction.
const NETWORKS: usize = 36;

/// The layers of a network, of which one is scaled.
const PLACES: [&str; 3] = ["first", "hidden", "last"];

/// A network whose layer `place` is scaled by a power of ten, up or down, and the next one by its inverse half of the time:
/// then it computes the same.
fn case(rng: &mut ChaCha8Rng, place: usize, up: bool) -> Case {
    use Activation::{Identity, Relu, Sigmoid, Softmax, Tanh};
    let mut any = |of: &[Activation]| of[rng.random_range(0..of.len())];
    let hidden = [Relu, Relu, Identity, Tanh, Sigmoid];
    let activations = [
        any(&hidden),
        any(&hidden),
        any(&[Softmax, Identity, Relu, Sigmoid]),
    ];
    let mut model: Network = random_model(rng, &[12, 8, 8, 5], &activations);
    let magnitude = if up {
        rng.random_range(0.0..38.0)
    } else {
        rng.random_range(-40.0..0.0)
    };
    let factor = 10_f64.powf(magnitude);
    let mut scale = |layer: usize, factor: f64, bias: bool| {
        let layer = &mut model.layers[layer];
        let scale = |value: &mut f32| {
            *value = (f64::from(*value) * factor).clamp(-3e38, 3e38) as f32;
        };
        layer.weights.iter_mut().for_each(scale);
        if bias {
            layer.bias.iter_mut().for_each(scale);
        }
    };
    scale(place, factor, rng.random());
    if place < 2 && rng.random() {
        scale(place + 1, 1.0 / factor, false);
    }
    let pixels = random_pixels(rng, IMAGES * 12);
    Case { model, pixels }
}

/// The networks of a place and a direction; the same on every path.
fn cases(place: usize, up: bool) -> impl Iterator<Item = Case> {
    let mut rng = seeded(&format!("{} {up}", PLACES[place]));
    (0..NETWORKS).map(move |_| case(&mut rng, place, up))
}

/// Each kind, by name.
fn kinds() -> impl Iterator<Item = (String, usize, bool)> {
    let places = PLACES.iter().enumerate();
    places.flat_map(|(place, name)| {
        [("over", true), ("under", false)]
            .map(|(direction, up)| (format!("{name}.{direction}"), place, up))
    })
}

/// On the CPU path.
pub fn cpu_trials() -> Vec<Trial> {
    let trial = |(kind, place, up): (String, usize, bool)| {
        Trial::test(format!("cpu/ranges.{kind}"), move || {
            let all: Vec<_> = cases(place, up).flat_map(|case| held(&case)).collect();
            let run = all.iter().filter(|(_, run)| *run).count();
            let reported = all.len() - run;
            // Neither is an exception.
            assert!(
                run > NETWORKS && reported > NETWORKS / 2,
                "{run} were run, {reported} reported"
            );
            Ok(())
        })
    };
    kinds().map(trial).collect()
}

/// On an adapter.
pub fn trials(rig: &Rig) -> Vec<Trial> {
    let trial = |(kind, place, up): (String, usize, bool)| {
        let on = rig.clone();
        rig.trial(format!("{}/ranges.{kind}", rig.name), move || {
            done(check(&on, place, up))
        })
    };
    kinds().map(trial).collect()
}

fn check(rig: &Rig, place: usize, up: bool) -> Check {
    for (number, case) in cases(place, up).enumerate() {
        for mode in modes(case.model.layers.len()) {
            let lacks = |&precision: &Precision| rig.device.info().lacks(precision).is_some();
            if mode.precisions().iter().any(lacks) {
                continue;
            }
            let Some(quantized) = case.unreported(&mode) else {
                continue;
            };
            let outputs =
                infer(rig, &quantized, &case.pixels).map_err(|error| error.to_string())?;
            judge(&case, &mode, &outputs)
                .map_err(|problem| format!("network {number}, {mode}: {problem}"))?;
        }
    }
    Ok(())
}

fn infer(rig: &Rig, quantized: &QuantizedNetwork, pixels: &[u8]) -> fmnist_gpu::Result<Vec<f32>> {
    pollster::block_on(async {
        let mut network = gpu::Session::new(&rig.device, quantized).await?;
        network.infer(pixels, IMAGES, &mut |_| ()).await
    })
}
