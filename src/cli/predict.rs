//! `predict`: the label of each image.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use fmnist_gpu::dataset::{self, Images};
use fmnist_gpu::engine::{self, Session, check_width};
use fmnist_gpu::error::CheckError;
use fmnist_gpu::model::Activation;
use fmnist_gpu::quantize::{
    QuantizedNetwork, Recipe, Sample, Source, calibration_problems, losses,
};
use fmnist_gpu::report::{self, Column, Layout, OutputFormat, Table};
use fmnist_gpu::results::Warning;
use fmnist_gpu::tune::{Tuner, Tuning};
use fmnist_gpu::{Engine, Error, Mode, Precision, Scheme, WeightScales, host, reference};
use serde::Serialize;

use super::help;
use super::modes::ModeOptions;
use super::options::{self, AdapterOptions, KernelOptions, MatrixOptions, ModelOptions};
use super::terminal;

/// The calls that its help shows.
const EXAMPLES: &help::Examples = &[
    (
        "fmnist-gpu predict --precision f16 --format csv",
        "classify the built-in test images in f16",
    ),
    (
        "fmnist-gpu predict --model m.safetensors --data images.gz",
        "classify your own images",
    ),
    (
        "fmnist-gpu predict --precision int8 --scheme dynamic-row",
        "quantize each image by itself",
    ),
];

/// Classify images: print the label, its class and its probability (or output) for each image
#[derive(Debug, Args)]
#[command(after_help = help::short(EXAMPLES), after_long_help = help::long(EXAMPLES))]
pub struct Arguments {
    #[command(flatten)]
    model: ModelOptions,

    /// IDX file of images, plain or .gz, or a folder with a test split [default: the Fashion-MNIST test split inside
    /// the program]
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath, help_heading = help::MODEL)]
    data: Option<PathBuf>,

    #[command(flatten)]
    mode: ModeOptions,

    /// Print predictions even if values are too large or too small for the precision, with a warning
    ///
    /// Such predictions may be meaningless. Without this option the command ends with exit code 4.
    #[arg(long, help_heading = help::PRECISION, hide_short_help = true)]
    allow_overflow: bool,

    #[command(flatten)]
    adapter: AdapterOptions,

    #[command(flatten)]
    matrix: MatrixOptions,

    /// Images to classify at the same time
    ///
    /// In int8 with the scheme dynamic-tensor the batch size changes the results a little.
    #[arg(
        long,
        default_value_t = 1000,
        value_name = "N",
        value_parser = options::positive,
        help_heading = help::MODEL
    )]
    batch: usize,

    /// Format of standard output: table, json, csv or markdown
    #[arg(long, default_value = "table", value_name = "FORMAT", help_heading = help::OUTPUT)]
    format: OutputFormat,

    #[command(flatten)]
    kernels: KernelOptions,

    /// How to choose kernels: off, quick or full
    ///
    /// off uses the default kernels for this kind of adapter, the same in every run. quick and full time kernels, or
    /// take the choice from the cache, as in 'bench'.
    #[arg(
        long,
        default_value = "off",
        value_name = "EFFORT",
        help_heading = help::ADVANCED,
        hide_short_help = true
    )]
    tune: Tuning,
}

/// Memory of an image's answer and its line.
const BYTES_OF_ANSWER: u64 = 1 << 10;

/// What ran, in JSON.
#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    precision: Precision,
    scheme: Option<Scheme>,
    weights: Option<WeightScales>,
    /// The precision of each layer, if they differ.
    layers: &'a [Precision],
    batch: usize,
    adapter: String,
    device: engine::Place,
    kernel: &'static str,
    /// The most that the CPU path runs on; none on the adapter.
    threads: Option<usize>,
    reason: Option<&'a str>,
    model: String,
    /// Where values leave the range of their type, which --allow-overflow allows.
    overflow: Option<&'a str>,
    /// What the weights lose to the range of their numbers, and what the calibration images do not show.
    warnings: &'a [Warning],
    predictions: Vec<Prediction>,
}

/// One image.
#[derive(Serialize)]
struct Prediction {
    index: usize,
    label: usize,
    class: String,
    /// The label's output where the last layer is a softmax. In JSON null where an overflow that was allowed left no
    /// number.
    #[serde(skip_serializing_if = "Option::is_none")]
    probability: Option<f32>,
    /// The label's output where the last layer is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<f32>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let model = arguments.model.load()?;
    let mode = arguments.mode.mode(&model)?;
    let (name, images) = load_images(arguments.data.as_deref())?;
    check_width(&model, &name, images.width)?;
    let modes = [mode.clone()];
    let (kernels, matrix) = (&arguments.kernels, &arguments.matrix);
    let opened = (arguments.adapter).open(kernels, matrix, &modes, arguments.tune);
    let engine = pollster::block_on(opened)?;
    let quantized = model.quantize(&mode)?;
    let losses = losses(&model, &quantized);
    let mut warnings: Vec<Warning> = losses.into_iter().map(Warning::from).collect();
    let recipe = Recipe::default();
    let uses_images = recipe.needs_images(&mode) || recipe.compensates(&mode);
    if let (Some(float), true) = (model.model(), uses_images) {
        let problems = calibration_problems(float, &quantized, &Sample::standard()?);
        warnings.extend(problems.into_iter().map(Warning::from));
    }
    for warning in &warnings {
        terminal::note(&format!("warning: {mode}: {}", warning.text));
    }
    let mut network = pollster::block_on(engine.load(&quantized))?;
    let batch = arguments.batch.min(images.count);
    let mut tuner = Tuner::new(arguments.tune);
    pollster::block_on(tuner.tune(&mut network, images.range(0, batch)))?;

    let bar = terminal::progress_bar();
    bar.set_length(images.count as u64);
    bar.set_message(mode.to_string());
    let mut progress = |done| bar.set_position(done as u64);
    let outputs = pollster::block_on(network.infer(&images.pixels, batch, &mut progress))?;
    bar.finish_and_clear();
    let overflow = overflow(&quantized, &images, batch, &outputs)?;
    if let Some(overflow) = &overflow {
        if !arguments.allow_overflow {
            let failed = Error::CheckFailed(CheckError::OutOfRange {
                mode: mode.to_string(),
                problem: format!(
                    "{overflow}, or --allow-overflow to see the results, which may be wrong"
                ),
            });
            return Err(failed.into());
        }
        terminal::note(&format!("warning: {mode} is out of range: {overflow}"));
    }

    host::need("the printed answers", images.count as u64 * BYTES_OF_ANSWER)?;
    let predictions = predictions(&model, &outputs);
    let what = what_ran(&engine, &network, &mode, batch);
    let text = match arguments.format {
        OutputFormat::Table => format!("{what}\n{}", table(&predictions, terminal::layout())),
        OutputFormat::Markdown => format!("{what}\n\n{}", table(&predictions, Layout::Markdown)),
        OutputFormat::Csv => report::to_csv(&predictions)?,
        OutputFormat::Html => {
            return Err(Error::no_output("predict", "html", "table, json, csv or markdown").into());
        }
        OutputFormat::Json => report::to_json(&Document {
            schema: report::SCHEMA,
            precision: mode.precision,
            scheme: mode.scheme,
            weights: mode.weights,
            layers: &mode.layers,
            batch,
            adapter: engine.info().to_string(),
            device: network.placement().place,
            kernel: network.kernel_for(batch)?,
            threads: network.threads().map(|_| engine.processor().info().threads),
            reason: network.placement().reason.as_deref(),
            model: model.path().display().to_string(),
            overflow: overflow.as_deref(),
            warnings: &warnings,
            predictions,
        })?,
    };
    // The fixed columns of CSV cannot say that the precision ran on another device than requested.
    if let (OutputFormat::Csv, Some(_)) = (arguments.format, &network.placement().reason) {
        terminal::note(&format!("note: {what}"));
    }
    terminal::print(&text)
}

fn load_images(path: Option<&Path>) -> Result<(PathBuf, Images), Error> {
    match path {
        Some(path) => Ok((path.to_owned(), dataset::load_test_images(path)?)),
        None => {
            let data = dataset::test_split()?;
            Ok((PathBuf::from(data.name), data.images))
        }
    }
}

/// Which values leave the range of their type, if any do.
fn overflow(
    model: &QuantizedNetwork,
    images: &Images,
    batch: usize,
    outputs: &[f32],
) -> Result<Option<String>, Error> {
    if let Some(found) = reference::out_of_range(model, &images.pixels, batch)? {
        return Ok(Some(found.to_string()));
    }
    let at = outputs.iter().position(|output| !output.is_finite());
    Ok(at.map(|at| {
        format!(
            "the output of image {} is {}; use another precision",
            at / model.architecture().outputs(),
            outputs[at]
        )
    }))
}

fn predictions(model: &Source, outputs: &[f32]) -> Vec<Prediction> {
    let architecture = model.architecture();
    let last = architecture.layers.last();
    let are_probabilities = last.is_some_and(|layer| layer.activation == Activation::Softmax);
    let rows = outputs
        .chunks_exact(model.architecture().outputs())
        .enumerate();
    rows.map(|(index, row)| {
        let label = engine::label(row);
        Prediction {
            index,
            label,
            class: model.class_name(label),
            probability: are_probabilities.then_some(row[label]),
            output: (!are_probabilities).then_some(row[label]),
        }
    })
    .collect()
}

/// What ran where, with the batch size, which changes the results of the reference scheme.
fn what_ran(engine: &Engine, network: &Session, mode: &Mode, batch: usize) -> String {
    // A mode's name omits the default scheme.
    let scheme = match mode.scheme {
        Some(scheme) if scheme == Scheme::default() => format!(" ({scheme})"),
        _ => String::new(),
    };
    let place = match &network.placement().reason {
        Some(reason) => format!("the CPU path, because {reason}"),
        None => engine.info().to_string(),
    };
    format!("{mode}{scheme}, batch {batch}, on {place}")
}

fn table(predictions: &[Prediction], layout: Layout) -> String {
    let are_probabilities = predictions.iter().all(|one| one.probability.is_some());
    let columns = [
        Column::number("index"),
        Column::number("label"),
        Column::text("class"),
        Column::number(match are_probabilities {
            true => "probability",
            false => "output",
        }),
    ];
    let row = |prediction: &Prediction| {
        vec![
            prediction.index.to_string(),
            prediction.label.to_string(),
            prediction.class.clone(),
            (prediction.probability.or(prediction.output))
                .map_or_else(String::new, |output| format!("{output:.6}")),
        ]
    };
    Table::new(&columns, predictions.iter().map(row).collect()).render(layout)
}
