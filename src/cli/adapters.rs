//! `adapters`: every adapter, and how each precision runs on it.

use std::fmt::Write;

use clap::Args;
use fmnist_gpu::adapter::{AdapterInfo, Backend, Kind, MatrixUnits};
use fmnist_gpu::engine::{self, MatrixUse};
use fmnist_gpu::report::{self, Layout, OutputFormat, Table};
use fmnist_gpu::tune::{self, MatrixUnitsMode};
use fmnist_gpu::{Error, Precision};
use serde::Serialize;

use super::help;
use super::options::{self, MatrixOptions};
use super::terminal;

/// The calls that its help shows.
const EXAMPLES: &help::Examples = &[
    ("fmnist-gpu adapters", "list all adapters as a table"),
    (
        "fmnist-gpu adapters --format json",
        "list them with their features and limits",
    ),
];

/// List the adapters (GPU, software, CPU) and how each precision runs on them
///
/// Other commands take the index of an adapter, or a part of its name, with --adapter.
#[derive(Debug, Args)]
#[command(after_help = help::short(EXAMPLES), after_long_help = help::long(EXAMPLES))]
pub struct Arguments {
    #[command(flatten)]
    matrix: MatrixOptions,

    /// Format of standard output: table, json or markdown
    #[arg(long, default_value = "table", value_name = "FORMAT", help_heading = help::OUTPUT)]
    format: OutputFormat,
}

/// An adapter in JSON: what it is, and why it does not run a precision.
#[derive(Serialize)]
struct ListedAdapter<'a> {
    index: usize,
    #[serde(flatten)]
    info: &'a AdapterInfo,
    precisions: [RunsAs; Precision::EVERY.len()],
    #[serde(rename = "f16_on_matrix_units")]
    matrix_units: &'a MatrixUse,
}

#[derive(Serialize)]
struct RunsAs {
    precision: Precision,
    device: &'static str,
    reason: Option<&'static str>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let backends = options::backends_of_environment()?;
    let adapters = pollster::block_on(look(&backends, arguments.matrix.mode()))?;
    let text = match arguments.format {
        OutputFormat::Table => table(&adapters, terminal::layout()),
        OutputFormat::Markdown => table(&adapters, Layout::Markdown),
        OutputFormat::Json => report::to_json(&adapters.iter().map(entry).collect::<Vec<_>>())?,
        OutputFormat::Csv | OutputFormat::Html => {
            return Err(
                Error::no_output("adapters", "csv or html", "table, json or markdown").into(),
            );
        }
    };
    terminal::print(&text)
}

/// Every adapter, and whether f16 uses its matrix units, which may need a trial.
async fn look(
    backends: &[Backend],
    mode: MatrixUnitsMode,
) -> Result<Vec<(AdapterInfo, MatrixUse)>, Error> {
    let mut adapters = Vec::new();
    for selected in engine::every_adapter(backends).await? {
        let has = selected.info().lacks_matrix_units().is_none();
        let spinner = has.then(|| terminal::spinner("testing matrix units"));
        let matrix_units = tune::try_matrix_units(&selected, mode).await;
        if let Some(spinner) = spinner {
            spinner.finish_and_clear();
        }
        adapters.push((selected.info().clone(), matrix_units));
    }
    Ok(adapters)
}

fn entry((info, matrix_units): &(AdapterInfo, MatrixUse)) -> ListedAdapter<'_> {
    let runs_as = |precision| {
        let reason = info.lacks(precision);
        let on_cpu = info.kind == Kind::Cpu || reason.is_some();
        RunsAs {
            precision,
            device: if on_cpu { "cpu" } else { "gpu" },
            reason,
        }
    };
    ListedAdapter {
        index: info.index,
        info,
        precisions: Precision::EVERY.map(runs_as),
        matrix_units,
    }
}

fn table(adapters: &[(AdapterInfo, MatrixUse)], layout: Layout) -> String {
    let mut header = vec!["index", "name", "backend", "kind", "driver"];
    header.extend(Precision::EVERY.map(Precision::name));
    header.push("features");
    let infos = || adapters.iter().map(|(info, _)| info);
    let rows = adapters.iter().map(row).collect();
    let mut text = Table::of(&header, header.len(), rows).render(layout);
    for (info, MatrixUse { used, reason, .. }) in adapters {
        if let Some(MatrixUnits { size, .. }) = info.matrix_units {
            let not = if *used { "" } else { "not " };
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "Matrix units ({size}×{size}) of adapter {} are {not}used for f16:\n{reason}",
                info.index
            );
        }
    }
    if infos().any(|info| info.lacks(Precision::F16).is_some()) {
        text.push_str("'CPU path': the adapter lacks a feature that this precision needs (f16 needs shader-f16), so it runs on the CPU.\n");
    }
    for processor in infos().filter_map(|info| info.processor) {
        text.push_str(&format!(
            "The CPU path uses {processor}. --kernel and --threads change this.\n"
        ));
    }
    if cfg!(target_os = "linux") && infos().all(|info| info.kind == Kind::Cpu) {
        text.push_str(
            "No GPU adapter was found. The package mesa-vulkan-drivers has a software Vulkan driver.\n",
        );
    }
    text
}

fn row((info, matrix_units): &(AdapterInfo, MatrixUse)) -> Vec<String> {
    let runs_as = |precision| match (info.kind, info.lacks(precision)) {
        (Kind::Cpu, _) | (_, Some(_)) => "CPU path".to_owned(),
        _ if precision == Precision::F16 && matrix_units.used => "matrix units".to_owned(),
        _ => "shaders".to_owned(),
    };
    let features: Vec<&str> = info.features.iter().map(|feature| feature.name()).collect();
    let mut cells = vec![
        info.index.to_string(),
        info.name.clone(),
        info.backend.to_string(),
        info.kind.to_string(),
        info.driver.clone(),
    ];
    cells.extend(Precision::EVERY.map(runs_as));
    cells.push(match info.processor {
        Some(processor) => processor.instruction_set.to_owned(),
        None if features.is_empty() => "–".to_owned(),
        None => features.join(", "),
    });
    cells
}
