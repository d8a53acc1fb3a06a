//! What calibration and rounding are worth: accuracy on training images that nothing has learned from.
//! `cargo run --release --example quantization [MODEL]` makes the table in data/README.md; it needs the
//! training split.
#![expect(clippy::print_stdout, reason = "a program")]

use std::path::Path;

use fmnist_gpu::cpu::Processor;
use fmnist_gpu::dataset::{self, HELD_OUT, Holdout, Split};
use fmnist_gpu::model::Network;
use fmnist_gpu::quantize::{Calibration, QuantizedNetwork, Recipe, Rounding, Sample};
use fmnist_gpu::{Mode, Precision, Result, Scheme, WeightScales, cpu, engine};

fn main() -> Result<()> {
    let model = match std::env::args().nth(1) {
        Some(path) => Network::load(Path::new(&path))?,
        None => Network::default_model()?,
    };
    let data = dataset::load_split(Split::Train, None)?;
    let held = Holdout::new(data.len(), HELD_OUT).validation;
    let images = data.images.select(&held);
    let labels = data.labels()?;
    let labels: Vec<usize> = held.iter().map(|&i| usize::from(labels[i])).collect();
    let sample = Sample::standard()?;

    let labels_of = |quantized: &QuantizedNetwork| -> Result<Vec<usize>> {
        let mut network = cpu::Session::new(quantized, &Processor::default())?;
        network.upload(&images.pixels, images.count);
        Ok(engine::labels(network.run(), model.outputs()))
    };
    let standard = Recipe::default();
    let f32 = labels_of(&standard.quantize(&model, &Precision::F32.into(), None)?)?;
    let mut recipes: Vec<(String, Mode, Recipe)> = Vec::new();
    for precision in [Precision::F32, Precision::F16, Precision::Bf16] {
        recipes.push((precision.to_string(), precision.into(), standard));
    }
    for scheme in [Scheme::DynamicRow, Scheme::Static] {
        for weights in [WeightScales::Channel, WeightScales::Tensor] {
            let mode = Mode::int8(scheme, weights);
            for rounding in Rounding::ALL {
                let recipe = Recipe {
                    rounding,
                    ..standard
                };
                recipes.push((format!("{mode}, {rounding}"), mode.clone(), recipe));
            }
            if scheme == Scheme::DynamicRow {
                continue;
            }
            for calibration in Calibration::ALL {
                let recipe = Recipe {
                    calibration,
                    ..standard
                };
                recipes.push((format!("{mode}, {calibration}"), mode.clone(), recipe));
            }
        }
    }
    for rounding in Rounding::ALL {
        let recipe = Recipe {
            rounding,
            ..standard
        };
        recipes.push((format!("int4, {rounding}"), Precision::Int4.into(), recipe));
    }
    println!("{:46} accuracy  as f32", "");
    for (name, mode, recipe) in recipes {
        let found = labels_of(&recipe.quantize(&model, &mode, Some(&sample))?)?;
        let share = |other: &[usize]| {
            let equal = found.iter().zip(other).filter(|(a, b)| a == b).count();
            100.0 * equal as f64 / found.len() as f64
        };
        println!("{name:46} {:7.2}% {:6.2}%", share(&labels), share(&f32));
    }
    Ok(())
}
