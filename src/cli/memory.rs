//! `memory`: the memory that a network needs in each mode, and the largest batch under a limit.

use clap::Args;
use fmnist_gpu::error::UsageError;
use fmnist_gpu::memory::{Footprint, checked_footprint, largest_batch, parameters};
use fmnist_gpu::report::{self, Layout, OutputFormat, Table};
use fmnist_gpu::units;
use fmnist_gpu::{Error, Mode, Precision, Scheme, WeightScales};
use serde::Serialize;

use super::help;
use super::modes::ModesOptions;
use super::options::{self, LayerWidths, ModelOptions};
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
/// Nothing is run: the figures follow from the widths of the layers.
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

    /// Images in a batch
    #[arg(
        long,
        default_value_t = 32,
        value_name = "N",
        value_parser = options::positive,
        help_heading = help::MEASUREMENT
    )]
    batch: usize,

    /// Also find the largest batch that fits in this size, for example 100KiB
    #[arg(long, value_name = "SIZE", value_parser = options::size, help_heading = help::MEASUREMENT)]
    limit: Option<u64>,

    /// Format of standard output: table, json or markdown
    #[arg(long, default_value = "table", value_name = "FORMAT", help_heading = help::OUTPUT)]
    format: OutputFormat,
}

#[derive(Serialize)]
struct Document {
    schema: u32,
    layers: Vec<usize>,
    parameters: u64,
    batch: usize,
    limit_bytes: Option<u64>,
    precisions: Vec<FootprintLine>,
}

#[derive(Serialize)]
struct FootprintLine {
    precision: Precision,
    scheme: Option<Scheme>,
    weights: Option<WeightScales>,
    /// The precision of each layer, if they differ.
    #[serde(rename = "layers")]
    layer_precisions: Vec<Precision>,
    #[serde(skip)]
    name: String,
    #[serde(flatten)]
    footprint: Footprint,
    /// Share of f32's total that is saved.
    saving: f64,
    /// The largest batch under the limit; none if there is no limit, or if not even one image fits.
    largest_batch: Option<u64>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (widths, modes) = match &arguments.layers {
        Some(LayerWidths(widths)) => {
            let modes =
                (arguments.modes).modes_of_shape(&units::widths(widths), widths.len() - 1)?;
            (widths.clone(), modes)
        }
        None => {
            let model = arguments.model.load()?;
            (
                model.architecture().widths(),
                arguments.modes.modes(&model)?,
            )
        }
    };
    let name = units::widths(&widths);
    let (batch, limit) = (arguments.batch, arguments.limit);
    let document = describe(widths, &modes, batch, limit).ok_or_else(|| {
        let layers = name.clone();
        Error::Usage(UsageError::SizeOverflow { layers, batch })
    })?;
    let text = match arguments.format {
        OutputFormat::Table => table(&document, terminal::layout()),
        OutputFormat::Markdown => table(&document, Layout::Markdown),
        OutputFormat::Json => report::to_json(&document)?,
        OutputFormat::Csv | OutputFormat::Html => {
            return Err(
                Error::no_output("memory", "csv or html", "table, json or markdown").into(),
            );
        }
    };
    terminal::print(&text)
}

/// The figures; none if they do not fit in 64 bits.
fn describe(
    layers: Vec<usize>,
    modes: &[Mode],
    batch: usize,
    limit: Option<u64>,
) -> Option<Document> {
    let f32_bytes = checked_footprint(&layers, Precision::F32, batch)?.total_bytes;
    let mut precisions = Vec::new();
    for mode in modes {
        let footprint = checked_footprint(&layers, mode, batch)?;
        precisions.push(FootprintLine {
            precision: mode.precision,
            scheme: mode.scheme,
            weights: mode.weights,
            layer_precisions: mode.layers.clone(),
            name: mode.to_string(),
            footprint,
            saving: 1.0 - footprint.total_bytes as f64 / f32_bytes as f64,
            largest_batch: limit.and_then(|limit| largest_batch(&layers, mode, limit)),
        });
    }
    Some(Document {
        schema: report::SCHEMA,
        parameters: parameters(&layers)?,
        batch,
        limit_bytes: limit,
        precisions,
        layers,
    })
}

fn table(document: &Document, layout: Layout) -> String {
    let mut header = vec!["precision", "parameters", "activations", "total", "saving"];
    if document.limit_bytes.is_some() {
        header.push("largest batch");
    }
    let row = |line: &FootprintLine| {
        let mut cells = vec![
            line.name.clone(),
            report::bytes(line.footprint.parameters_bytes),
            report::bytes(line.footprint.activations_bytes),
            report::bytes(line.footprint.total_bytes),
            format!("{:.0}%", 100.0 * line.saving),
        ];
        if document.limit_bytes.is_some() {
            cells.push(
                line.largest_batch
                    .map_or_else(|| "none fits".to_owned(), report::count),
            );
        }
        cells
    };
    let rows = document.precisions.iter().map(row).collect();
    let limit = document.limit_bytes.map_or_else(String::new, |limit| {
        format!(", limit {}", report::bytes(limit))
    });
    let title = format!(
        "{}: {} parameters, batch {}{limit}\n\n",
        units::widths(&document.layers),
        report::count(document.parameters),
        report::count(document.batch as u64)
    );
    title + &Table::of(&header, 1, rows).render(layout)
}
