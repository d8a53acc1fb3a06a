//! `memory`: the memory that a network needs in each mode, and the largest batch under a limit.

mod plan;

use clap::Args;
use fmnist_gpu::engine::Place;
use fmnist_gpu::error::UsageError;
use fmnist_gpu::memory::{Footprint, checked_footprint, parameters};
use fmnist_gpu::report::{self, Column, Layout, OutputFormat, Table};
use fmnist_gpu::tune::Tuning;
use fmnist_gpu::units;
use fmnist_gpu::{Error, Mode, Precision, Scheme, WeightScales};
use plan::{Largest, Network, Planned};
use serde::Serialize;

use super::help;
use super::modes::ModesOptions;
use super::options::{
    self, AdapterOptions, KernelOptions, LayerWidths, MatrixOptions, ModelOptions,
};
use super::terminal;

/// The calls that its help shows.
const EXAMPLES: &help::Examples = &[
    (
        "fmnist-gpu memory --layers 784-1024-10 --batch 1",
        "compute the memory of a network by its widths",
    ),
    (
        "fmnist-gpu memory --model m.safetensors --limit 1MiB",
        "find the largest batch that fits in 1 MiB",
    ),
    (
        "fmnist-gpu memory --precision every --scheme all",
        "list all precisions and int8 schemes",
    ),
];

/// Compute the memory of a network in each precision, and the largest batch that fits
///
/// It gives the textbook figures, which follow from the widths of the layers, and the bytes that this program allocates
/// on a device. With --limit, it also runs the largest batch of each precision once.
#[derive(Debug, Args)]
#[command(after_help = help::short(EXAMPLES), after_long_help = help::long(EXAMPLES))]
pub struct Arguments {
    #[command(flatten)]
    model: ModelOptions,

    /// Widths of a network without weights, from input to output, for example 784-64-10
    #[arg(
        long,
        value_name = "WIDTHS",
        conflicts_with = "model",
        value_parser = options::layers,
        help_heading = help::MODEL
    )]
    layers: Option<LayerWidths>,

    #[command(flatten)]
    modes: ModesOptions,

    #[command(flatten)]
    adapter: AdapterOptions,

    #[command(flatten)]
    matrix: MatrixOptions,

    /// Images in a batch
    #[arg(
        long,
        default_value_t = 32,
        value_name = "N",
        value_parser = options::positive,
        help_heading = help::MEASUREMENT
    )]
    batch: usize,

    /// Also find and run the largest batch that fits in this size, for example 100KiB
    #[arg(long, value_name = "SIZE", value_parser = options::size, help_heading = help::MEASUREMENT)]
    limit: Option<u64>,

    /// Format of standard output: table, json or markdown
    #[arg(long, default_value = "table", value_name = "FORMAT", help_heading = help::OUTPUT)]
    format: OutputFormat,

    #[command(flatten)]
    kernels: KernelOptions,
}

#[derive(Serialize)]
struct Document {
    schema: u32,
    layers: Vec<usize>,
    parameters: u64,
    /// The device of the planned figures.
    adapter: String,
    batch: usize,
    limit_bytes: Option<u64>,
    precisions: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    precision: Precision,
    scheme: Option<Scheme>,
    weights: Option<WeightScales>,
    /// The precision of each layer, if they differ.
    #[serde(rename = "layers")]
    layer_precisions: Vec<Precision>,
    #[serde(skip)]
    name: String,
    /// By the textbook.
    #[serde(flatten)]
    footprint: Footprint,
    /// Share of f32's textbook total that is saved.
    saving: f64,
    /// Where it would run; none where it cannot.
    device: Option<Place>,
    /// Bytes of all buffers that batches of this size need there; none where they cannot run.
    planned_bytes: Option<u64>,
    /// The largest batch whose planned bytes stay within the limit, and that ran; none if there is no limit, or if no
    /// batch fits and runs.
    largest_batch: Option<usize>,
    /// Its planned bytes.
    largest_batch_planned_bytes: Option<u64>,
    /// The bytes that were allocated when it ran.
    largest_batch_allocated_bytes: Option<u64>,
    /// Why a figure is missing, why the CPU path runs it, or why a larger batch that stays within the limit did not run.
    detail: Option<String>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if matches!(arguments.format, OutputFormat::Csv | OutputFormat::Html) {
        return Err(Error::no_output("memory", "csv or html", "table, json or markdown").into());
    }
    let (network, modes) = match &arguments.layers {
        Some(LayerWidths(widths)) => {
            let layers = widths.len() - 1;
            let modes = (arguments.modes).modes_of_shape(&units::widths(widths), layers)?;
            (Network::of_shape(widths), modes)
        }
        None => {
            let model = arguments.model.load()?;
            let modes = arguments.modes.modes(&model)?;
            (Network::of_model(model), modes)
        }
    };
    let footprints = footprints(network.widths(), &modes, arguments.batch)?;
    let document = pollster::block_on(describe(arguments, &network, &modes, footprints))?;
    let text = match arguments.format {
        OutputFormat::Json => report::to_json(&document)?,
        OutputFormat::Markdown => table(&document, Layout::Markdown),
        _ => table(&document, terminal::layout()),
    };
    terminal::print(&text)
}

/// The textbook figures of f32, and those of each mode.
///
/// # Errors
/// `Error::Usage` where they do not fit in 64 bits.
fn footprints(
    widths: &[usize],
    modes: &[Mode],
    batch: usize,
) -> Result<(Footprint, Vec<Footprint>), Error> {
    let of = |mode: &Mode| checked_footprint(widths, mode, batch);
    let f32 = of(&Precision::F32.into());
    let modes: Option<Vec<Footprint>> = modes.iter().map(of).collect();
    f32.zip(modes).ok_or_else(|| {
        let layers = units::widths(widths);
        Error::Usage(UsageError::SizeOverflow { layers, batch })
    })
}

/// All figures: the textbook's, and those of the device.
async fn describe(
    arguments: &Arguments,
    network: &Network,
    modes: &[Mode],
    (f32, footprints): (Footprint, Vec<Footprint>),
) -> anyhow::Result<Document> {
    let Arguments {
        adapter,
        kernels,
        matrix,
        batch,
        limit,
        ..
    } = arguments;
    // The first one is that on which 'bench' would recommend a precision.
    let engines = adapter.open_all(kernels, matrix, modes, Tuning::Off);
    let engines = engines.await?;
    let engine = &engines[0];
    let mut precisions = Vec::new();
    for (mode, footprint) in modes.iter().zip(footprints) {
        let planned = network.plan(engine, mode, *batch, *limit).await?;
        precisions.push(Line::new(mode, footprint, f32, planned));
    }
    Ok(Document {
        schema: report::SCHEMA,
        // Those of f32 are counted in 64 bits.
        parameters: parameters(network.widths()).unwrap_or(u64::MAX),
        adapter: engine.info().to_string(),
        batch: *batch,
        limit_bytes: *limit,
        precisions,
        layers: network.widths().to_vec(),
    })
}

impl Line {
    fn new(mode: &Mode, footprint: Footprint, f32: Footprint, planned: Planned) -> Self {
        let Planned {
            device,
            bytes,
            largest,
            detail,
        } = planned;
        let of = |figure: fn(Largest) -> u64| largest.map(figure);
        Self {
            precision: mode.precision,
            scheme: mode.scheme,
            weights: mode.weights,
            layer_precisions: mode.layers.clone(),
            name: mode.to_string(),
            footprint,
            saving: 1.0 - footprint.total_bytes as f64 / f32.total_bytes as f64,
            device,
            planned_bytes: bytes,
            largest_batch: largest.map(|largest| largest.batch),
            largest_batch_planned_bytes: of(|largest| largest.planned),
            largest_batch_allocated_bytes: of(|largest| largest.allocated),
            detail,
        }
    }
}

/// The columns of the table, the last one only with a limit.
const COLUMNS: [Column; 7] = [
    Column::text("precision"),
    Column::number("parameters"),
    Column::number("activations"),
    Column::number("textbook"),
    Column::number("saving"),
    Column::number("planned"),
    Column::number("largest batch"),
];

fn table(document: &Document, layout: Layout) -> String {
    let columns = match document.limit_bytes {
        Some(_) => &COLUMNS[..],
        None => &COLUMNS[..COLUMNS.len() - 1],
    };
    let row = |line: &Line| {
        let planned = line.planned_bytes.map(report::bytes);
        let largest = line.largest_batch.map(|batch| report::count(batch as u64));
        let mut cells = vec![
            line.name.clone(),
            report::bytes(line.footprint.parameters_bytes),
            report::bytes(line.footprint.activations_bytes),
            report::bytes(line.footprint.total_bytes),
            format!("{:.0}%", 100.0 * line.saving),
            planned.unwrap_or_else(|| "–".to_owned()),
            largest.unwrap_or_else(|| "none fits".to_owned()),
        ];
        cells.truncate(columns.len());
        cells
    };
    let rows = document.precisions.iter().map(row).collect();
    let title = format!(
        "{}: {} parameters, batch {}, on {}\n\n",
        units::widths(&document.layers),
        report::count(document.parameters),
        report::count(document.batch as u64),
        document.adapter,
    );
    let mut text = title + &Table::new(columns, rows).render(layout) + "\n";
    text.push_str(&layout.paragraph(
        "",
        "textbook: parameters and activations, values × bytes per value. saving: against the textbook figure of f32. planned: \
         all buffers that this program allocates there for such a batch.",
    ));
    if let Some(limit) = document.limit_bytes {
        let limit = report::bytes(limit);
        let legend = format!(
            "largest batch: the most images whose planned memory stays within {limit}. Each of these batches was run once."
        );
        text.push_str(&layout.paragraph("", &legend));
    }
    for line in &document.precisions {
        if let Some(detail) = &line.detail {
            text.push_str(&layout.paragraph("", &format!("{}: {detail}", line.name)));
        }
    }
    text
}
