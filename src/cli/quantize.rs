//! `quantize`: writes a model in the numbers that it runs in.

use std::path::PathBuf;

use clap::Args;
use fmnist_gpu::atomic_file::AtomicFile;
use fmnist_gpu::deploy::{Source, losses};
use fmnist_gpu::{Mode, report};

use super::calibration::CalibrationOptions;
use super::modes::ModeOptions;
use super::options::{self, ModelOptions};
use super::terminal;

/// Writes a model in the numbers that it runs in: int8, int4, f16, bf16, or each layer its own. Without
/// other options: int8 by the scheme static.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    model: ModelOptions,

    #[command(flatten)]
    mode: ModeOptions,

    #[command(flatten)]
    calibration: CalibrationOptions,

    /// The file to write (safetensors)
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let output = AtomicFile::create(&arguments.output)?;
    let source = arguments.model.load()?;
    let Source::Model(model) = &source else {
        return Err(options::already_quantized(&source).into());
    };
    let mode = arguments.mode.quantized_mode(&source)?;
    arguments.calibration.check_use(&mode)?;
    let recipe = arguments.calibration.recipe();
    let sample = match recipe.needs_images(&mode) || recipe.compensates(&mode) {
        true => Some(arguments.calibration.sample()?),
        false => None,
    };
    // Who quantizes chooses: nothing is rounded otherwise than told.
    if let Some(sample) = &sample {
        sample.check(model)?;
    }
    let spinner = terminal::spinner("quantizing");
    let deployed = recipe.deploy(model, &mode, sample.as_ref());
    spinner.finish_and_clear();
    let mut deployed = deployed?;
    let command = command(arguments, &mode);
    deployed
        .provenance
        .insert("quantize_command".into(), command);
    let bytes = deployed.to_bytes()?;
    output.commit(&bytes)?;
    let rounding = match deployed.provenance.get("rounding").map(String::as_str) {
        Some("nearest") => ", weights rounded to nearest",
        Some(_) => ", weights compensated",
        None => "",
    };
    for loss in losses(&source, &deployed) {
        terminal::tell(&format!("warning: {mode}: {loss}"));
    }
    let before = model.to_bytes()?.len();
    terminal::print(&format!(
        "{}: {mode}{rounding}, {} of {} ({:.0}%)\n",
        arguments.output.display(),
        report::bytes(bytes.len() as u64),
        report::bytes(before as u64),
        100.0 * bytes.len() as f64 / before as f64
    ))
}

/// The command that makes this file again, every choice told.
fn command(arguments: &Arguments, mode: &Mode) -> String {
    let mut command = "fmnist-gpu quantize".to_owned();
    if let Some(path) = arguments.model.path() {
        command += &format!(" --model {}", path.display());
    }
    command += &format!(" --precision {}", mode.precision);
    if !mode.layers.is_empty() {
        let layers: Vec<&str> = mode.layers.iter().map(|layer| layer.name()).collect();
        command += &format!(" --layer-precision {}", layers.join(","));
    }
    if let (Some(scheme), Some(weights)) = (mode.scheme, mode.weights) {
        command += &format!(" --scheme {scheme} --weights {weights}");
    }
    command += &arguments.calibration.command_of(mode);
    command + &format!(" --output {}", arguments.output.display())
}
