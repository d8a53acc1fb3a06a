//! `predict`: a line for each image.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use fmnist_gpu::dataset::{self, Images};
use fmnist_gpu::deploy::{Runnable, Source, losses};
use fmnist_gpu::engine::{self, Network, check_width};
use fmnist_gpu::report::{self, Column, Format, Layout, Table};
use fmnist_gpu::results::Warning;
use fmnist_gpu::tune::{Tuner, Tuning};
use fmnist_gpu::{Engine, Error, Mode, Precision, Scheme, WeightScales, reference};
use serde::Serialize;

use super::modes::{self, ModeOptions};
use super::options::{self, AdapterOptions, MatrixOptions, ModelOptions};
use super::terminal;

/// Classifies images.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    adapter: AdapterOptions,

    #[command(flatten)]
    matrix: MatrixOptions,

    #[command(flatten)]
    mode: ModeOptions,

    /// Images classified at a time; in int8 by the scheme dynamic-tensor the result depends on it a little
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = options::positive)]
    batch: usize,

    #[command(flatten)]
    model: ModelOptions,

    /// An IDX file of images, plain or .gz; without it, the Fashion-MNIST test split
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    data: Option<PathBuf>,

    /// table, json, csv or markdown
    #[arg(long, default_value = "table", value_name = "FORMAT")]
    format: Format,

    /// Print answers also where values leave the range of their type, such as f16's, with a warning: they may
    /// be worth nothing
    #[arg(long)]
    allow_overflow: bool,

    /// How kernels are chosen: off (defaults for this kind of adapter, the same in every run), quick
    /// or full (timed, or taken from the cache, as in 'bench')
    #[arg(long, default_value = "off", value_name = "EFFORT")]
    tune: Tuning,
}

/// What ran, in JSON.
#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    precision: Precision,
    scheme: Option<Scheme>,
    weights: Option<WeightScales>,
    /// The precision of each layer where they differ.
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
    /// What the weights lose to the range of their numbers.
    warnings: &'a [Warning],
    predictions: Vec<Prediction>,
}

/// One image.
#[derive(Serialize)]
struct Prediction {
    index: usize,
    label: usize,
    class: String,
    /// The label's output; a probability where the last layer is a softmax. In JSON null where an overflow that was
    /// allowed left no number.
    probability: f32,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let model = arguments.model.load()?;
    let mode = arguments.mode.mode(&model)?;
    let (name, images) = load_images(arguments.data.as_deref())?;
    check_width(&model, &name, images.width)?;
    let modes = [mode.clone()];
    let opened = (arguments.adapter).open(&arguments.matrix, &modes, arguments.tune);
    let engine = pollster::block_on(opened)?;
    let runnable = Runnable::new(&model, &mode)?;
    let losses = losses(&model, &runnable);
    let warnings: Vec<Warning> = losses.into_iter().map(Warning::from).collect();
    for warning in &warnings {
        terminal::tell(&format!("warning: {mode}: {}", warning.text));
    }
    let mut network = pollster::block_on(engine.load_runnable(&runnable))?;
    let batch = arguments.batch.min(images.count);
    let mut tuner = Tuner::new(arguments.tune);
    pollster::block_on(tuner.tune(&mut network, images.range(0, batch)))?;

    let bar = terminal::progress_bar();
    bar.set_length(images.count as u64);
    bar.set_message(mode.to_string());
    let mut progress = |done| bar.set_position(done as u64);
    let outputs = pollster::block_on(network.infer(&images.pixels, batch, &mut progress))?;
    bar.finish_and_clear();
    let overflow = overflow(&runnable, &images, batch, &outputs);
    if let Some(overflow) = &overflow {
        if !arguments.allow_overflow {
            let way_out = modes::way_out_of_overflow(mode.precision);
            return Err(Error::CheckFailed(format!(
                "{overflow}; {way_out}, or --allow-overflow for answers that may be worth nothing"
            ))
            .into());
        }
        terminal::tell(&format!("warning: {overflow}"));
    }

    let predictions = predictions(&model, &outputs);
    let what = what_ran(&engine, &network, &mode, batch);
    let text = match arguments.format {
        Format::Table => format!("{what}\n{}", table(&predictions, terminal::layout())),
        Format::Markdown => format!("{what}\n\n{}", table(&predictions, Layout::Markdown)),
        Format::Csv => report::to_csv(&predictions)?,
        Format::Html => {
            let problem = "predict has no html: use table, json, csv or markdown";
            return Err(Error::Usage(problem.into()).into());
        }
        Format::Json => report::to_json(&Document {
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
    // CSV has no room to say that the precision did not run where it was asked for.
    if let (Format::Csv, Some(_)) = (arguments.format, &network.placement().reason) {
        terminal::tell(&format!("note: {what}"));
    }
    terminal::print(&text)
}

fn load_images(path: Option<&Path>) -> Result<(PathBuf, Images), Error> {
    match path {
        Some(path) => Ok((path.to_owned(), dataset::load_images(path)?)),
        None => {
            let data = dataset::test_split()?;
            Ok((PathBuf::from(data.name), data.images))
        }
    }
}

/// Which values leave the range of their type, if any do. A later layer may hide them (the softmax of infinity,
/// a sigmoid's 1), so the oracle looks at every layer wherever the weights allow an overflow at all.
fn overflow(
    model: &Runnable<'_>,
    images: &Images,
    batch: usize,
    outputs: &[f32],
) -> Option<String> {
    let mode = model.mode();
    if model.may_overflow() {
        let outcome = reference::infer_all(model, &images.pixels, batch);
        if let Some(overflow) = outcome.overflow {
            return Some(format!("{mode} overflows: {overflow}"));
        }
    }
    let at = outputs.iter().position(|output| !output.is_finite())?;
    Some(format!(
        "image {} leaves the range of {mode}: its output is {}",
        at / model.architecture().outputs(),
        outputs[at]
    ))
}

fn predictions(model: &Source, outputs: &[f32]) -> Vec<Prediction> {
    let rows = outputs
        .chunks_exact(model.architecture().outputs())
        .enumerate();
    rows.map(|(index, row)| {
        let label = engine::label(row);
        Prediction {
            index,
            label,
            class: model.class_name(label),
            probability: row[label],
        }
    })
    .collect()
}

/// What ran where, with the batch size, which results by the reference scheme depend on.
fn what_ran(engine: &Engine, network: &Network, mode: &Mode, batch: usize) -> String {
    // A mode's name leaves out the scheme that goes without saying elsewhere.
    let scheme = if mode.scheme == Some(Scheme::DynamicTensor) {
        " (dynamic-tensor)"
    } else {
        ""
    };
    let place = match &network.placement().reason {
        Some(reason) => format!("the CPU path, since {reason}"),
        None => engine.info().to_string(),
    };
    format!("{mode}{scheme}, batch {batch}, on {place}")
}

fn table(predictions: &[Prediction], layout: Layout) -> String {
    const COLUMNS: [Column; 4] = [
        Column::number("index"),
        Column::number("label"),
        Column::text("class"),
        Column::number("probability"),
    ];
    let row = |prediction: &Prediction| {
        vec![
            prediction.index.to_string(),
            prediction.label.to_string(),
            prediction.class.clone(),
            format!("{:.6}", prediction.probability),
        ]
    };
    Table::new(&COLUMNS, predictions.iter().map(row).collect()).render(layout)
}
