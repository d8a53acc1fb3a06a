//! `quantize`: writes a quantized model file.

use std::path::Path;

use clap::Args;
use fmnist_gpu::error::CheckError;
use fmnist_gpu::model::Network;
use fmnist_gpu::quantize::{
    CalibrationProblem, OutOfRange, QuantizedNetwork, Quantizer, Sample, Source,
    calibration_problems, check_mode, losses,
};
use fmnist_gpu::{Error, Mode, Result, reference, report};

use super::calibration::CalibrationOptions;
use super::help;
use super::modes::ModeOptions;
use super::options::{self, ModelOptions, ModelOutput};
use super::shell::quoted;
use super::terminal;

/// The calls that its help shows.
const EXAMPLES: &help::Examples = &[
    (
        "fmnist-gpu quantize --output q.safetensors",
        "quantize the built-in model to int8",
    ),
    (
        "fmnist-gpu quantize --model m.safetensors --precision int4 --output q4.safetensors",
        "quantize your own model to int4",
    ),
    (
        "fmnist-gpu quantize --layer-precision f16,int8 --output mixed.safetensors",
        "choose a precision for each layer",
    ),
    (
        "fmnist-gpu quantize --calibration mse --calibration-data DIR --output q.safetensors",
        "calibrate with your own images",
    ),
];

/// Write a quantized model file: int8, int4, f16, bf16, or a precision for each layer
///
/// Without options it writes int8 with calibrated scales (the scheme static). 'bench' and 'predict' run the file in
/// its own precision.
#[derive(Debug, Args)]
#[command(after_help = help::short(EXAMPLES), after_long_help = help::long(EXAMPLES))]
pub struct Arguments {
    #[command(flatten)]
    model: ModelOptions,

    #[command(flatten)]
    mode: ModeOptions,

    #[command(flatten)]
    calibration: CalibrationOptions,

    /// Write the file even if the quantized model gives all calibration images the same answer, or if values are too large
    /// or too small for the precision
    ///
    /// Without this option such a model is an error (exit code 4), because its answers may be wrong.
    #[arg(long, help_heading = help::PRECISION, hide_short_help = true)]
    allow_degenerate: bool,

    #[command(flatten)]
    output: ModelOutput,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let output = arguments.output.create(&arguments.model)?;
    let source = arguments.model.load()?;
    let Source::Network(model) = &source else {
        return Err(options::already_quantized(&source).into());
    };
    let mode = arguments.mode.quantized_mode(&source)?;
    check_mode(&mode)?;
    arguments.calibration.check_use(&mode)?;
    let recipe = arguments.calibration.recipe();
    let sample = match recipe.needs_images(&mode) || recipe.compensates(&mode) {
        true => Some(arguments.calibration.sample()?),
        false => None,
    };
    // The options decide how weights are rounded, so images that do not fit the model are an error.
    if let Some(sample) = &sample {
        sample.check(model)?;
    }
    let spinner = terminal::spinner("quantizing");
    let quantize = || {
        let quantizer = Quantizer::new(recipe, model, sample.as_ref());
        // The model's own calibration holds unless an option asks for another.
        let mut quantizer = match arguments.calibration.is_given() {
            true => quantizer,
            false => quantizer.with_stored_ranges(),
        };
        let quantized = quantizer.quantize(&mode)?;
        let out_of_range = arguments.out_of_range(model, &quantized, sample.as_ref())?;
        let problems = match &sample {
            Some(sample) => arguments.problems(model, &quantized, sample)?,
            None => Vec::new(),
        };
        Ok::<_, Error>((quantized, out_of_range, problems))
    };
    let quantized = quantize();
    spinner.finish_and_clear();
    let (mut quantized, out_of_range, problems) = quantized?;
    let command = command(arguments, &mode);
    quantized
        .provenance
        .insert("quantize_command".into(), command);
    let bytes = quantized.to_bytes()?;
    output.commit(&bytes)?;
    let rounding = match quantized.provenance.get("rounding").map(String::as_str) {
        Some("nearest") => ", weights rounded to nearest",
        Some(_) => ", weights rounded with compensation",
        None => "",
    };
    for loss in losses(&source, &quantized) {
        terminal::note(&format!("warning: {mode}: {loss}"));
    }
    if let Some(found) = out_of_range {
        terminal::note(&format!("warning: {mode} is out of range: {found}"));
    }
    for problem in problems {
        terminal::note(&format!("warning: {mode}: {problem}"));
    }
    let before = model.to_bytes()?.len();
    terminal::print(&format!(
        "{}: {mode}{rounding}, {} of {} ({:.0}%)\n",
        arguments.output.path().display(),
        report::bytes(bytes.len() as u64),
        report::bytes(before as u64),
        100.0 * bytes.len() as f64 / before as f64
    ))
}

impl Arguments {
    /// What the mode cannot hold of the network's values on the images that it was quantized with, or on some of the built-in
    /// ones, if they fit.
    ///
    /// # Errors
    /// `Error::CheckFailed` where there is something, unless that is allowed.
    fn out_of_range(
        &self,
        model: &Network,
        quantized: &QuantizedNetwork,
        sample: Option<&Sample>,
    ) -> Result<Option<OutOfRange>> {
        let found = match (sample, quantized.out_of_range) {
            // No file holds them, so nothing allows them.
            (_, Some(_)) => return Ok(None),
            (Some(sample), None) => {
                reference::check_memory(quantized, sample.images.count, 1)?;
                reference::infer_all(quantized, &sample.images.pixels, 1).overflow
            }
            (None, None) => {
                let sample = Sample::standard()?;
                let fits = sample.check(model).is_ok();
                match fits {
                    true => reference::out_of_range(quantized, &sample.images.pixels, 1)?,
                    false => None,
                }
            }
        };
        match found {
            Some(found) if !self.allow_degenerate => {
                Err(Error::CheckFailed(CheckError::OutOfRange {
                    mode: quantized.mode.to_string(),
                    problem: format!(
                        "{found}, or --allow-degenerate to write the file all the same"
                    ),
                }))
            }
            found => Ok(found),
        }
    }

    /// What the calibration images do not show.
    ///
    /// # Errors
    /// `Error::CheckFailed` where all of them get the same answer, unless that is allowed.
    fn problems(
        &self,
        model: &Network,
        quantized: &QuantizedNetwork,
        sample: &Sample,
    ) -> Result<Vec<CalibrationProblem>> {
        let problems = calibration_problems(model, quantized, sample);
        let constant = |problem: &&CalibrationProblem| {
            matches!(problem, CalibrationProblem::ConstantAnswer { .. })
        };
        match problems.iter().find(constant) {
            Some(problem) if !self.allow_degenerate => {
                Err(Error::CheckFailed(CheckError::ConstantAnswer {
                    mode: quantized.mode.to_string(),
                    problem: problem.to_string(),
                }))
            }
            _ => Ok(problems),
        }
    }
}

/// The command that makes this file again, with every default written out.
fn command(arguments: &Arguments, mode: &Mode) -> String {
    let mut options = arguments.calibration.command_of(mode, None);
    if arguments.allow_degenerate {
        options += " --allow-degenerate";
    }
    let output = arguments.output.path();
    command_line(arguments.model.path(), mode, &options, output)
}

/// The command that makes the file `output` of a model in a mode, with these options for its calibration.
pub fn command_line(model: Option<&Path>, mode: &Mode, options: &str, output: &Path) -> String {
    let written = |path: &Path| quoted(&path.to_string_lossy());
    let mut command = "fmnist-gpu quantize".to_owned();
    if let Some(path) = model {
        command += &format!(" --model {}", written(path));
    }
    command += &format!(" --precision {}", mode.precision);
    if !mode.layers.is_empty() {
        let layers: Vec<&str> = mode.layers.iter().map(|layer| layer.name()).collect();
        command += &format!(" --layer-precision {}", layers.join(","));
    }
    if let (Some(scheme), Some(weights)) = (mode.scheme, mode.weights) {
        command += &format!(" --scheme {scheme} --weights {weights}");
    }
    command + options + &format!(" --output {}", written(output))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use fmnist_gpu::{Precision, Scheme, WeightScales};

    use super::*;
    use crate::cli;

    /// The command of each mode that a file can have is one that parses, uses each of its options, and means that mode.
    #[test]
    fn a_command_line_means_its_mode() {
        let mixed = |layers: [Precision; 2], scheme| {
            Mode::mixed(layers.to_vec(), scheme, WeightScales::Channel).unwrap()
        };
        let (f16, int8, int4) = (Precision::F16, Precision::Int8, Precision::Int4);
        let mut modes = Mode::every();
        modes.retain(|mode| mode.scheme != Some(Scheme::DynamicTensor));
        modes.extend([
            Mode::int8(Scheme::Static, WeightScales::Tensor),
            Mode::int8(Scheme::DynamicRow, WeightScales::Tensor),
            mixed([f16, int8], Scheme::Static),
            mixed([int8, int4], Scheme::DynamicRow),
            mixed([f16, int4], Scheme::DynamicRow),
        ]);
        let source = Source::default_model().unwrap();
        let parsed = |line: &str| {
            let parsed = cli::Arguments::try_parse_from(line.split(' ')).unwrap();
            let cli::Command::Quantize(arguments) = parsed.command else {
                panic!("{line}");
            };
            arguments
        };
        let base = parsed("fmnist-gpu quantize --output q.safetensors");
        for mode in modes {
            let options = base.calibration.command_of(&mode, Some(Path::new("data")));
            let line = command_line(None, &mode, &options, Path::new("q.safetensors"));
            let arguments = parsed(&line);
            assert_eq!(
                arguments.mode.quantized_mode(&source).unwrap(),
                mode,
                "{line}"
            );
            let used = arguments.calibration.check_use(&mode);
            assert!(used.is_ok(), "{line}: {used:?}");
        }
    }

    #[test]
    fn paths_are_quoted() {
        let mode = Mode::from(Precision::F32);
        let line = command_line(Some(Path::new("my model")), &mode, "", Path::new("it's"));
        assert_eq!(
            line,
            r"fmnist-gpu quantize --model 'my model' --precision f32 --output 'it'\''s'"
        );
    }
}
