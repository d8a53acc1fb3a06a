//! `adapters`: every adapter, and what each precision would run as on it.

use std::fmt::Write;

use clap::Args;
use fmnist_gpu::adapter::{AdapterInfo, Backend, Kind, MatrixUnits};
use fmnist_gpu::engine::{self, MatrixUse};
use fmnist_gpu::report::{self, Format, Layout, Table};
use fmnist_gpu::tune::{self, MatrixUnitsMode};
use fmnist_gpu::{Error, Precision};
use serde::Serialize;

use super::options::{self, MatrixOptions};
use super::terminal;

/// Lists every adapter, and what each precision would run as on it.
#[derive(Debug, Args)]
pub struct Arguments {
    /// table, json or markdown
    #[arg(long, default_value = "table", value_name = "FORMAT")]
    format: Format,

    #[command(flatten)]
    matrix: MatrixOptions,
}

/// An adapter in JSON: what it is, and why a precision does not run on it.
#[derive(Serialize)]
struct Entry<'a> {
    index: usize,
    #[serde(flatten)]
    info: &'a AdapterInfo,
    precisions: [RunsAs; 5],
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
    let adapters = pollster::block_on(look(&backends, arguments.matrix.mode()));
    let text = match arguments.format {
        Format::Table => table(&adapters, terminal::layout()),
        Format::Markdown => table(&adapters, Layout::Markdown),
        Format::Json => report::to_json(&adapters.iter().map(entry).collect::<Vec<_>>())?,
        Format::Csv | Format::Html => {
            return Err(Error::Usage(
                "adapters has no csv and no html: use table, json or markdown".into(),
            )
            .into());
        }
    };
    terminal::print(&text)
}

/// Every adapter, and what its matrix units are good for, which may have to be tried.
async fn look(backends: &[Backend], mode: MatrixUnitsMode) -> Vec<(AdapterInfo, MatrixUse)> {
    let mut adapters = Vec::new();
    for selected in engine::every_adapter(backends).await {
        let has = selected.info().lacks_matrix_units().is_none();
        let spinner = has.then(|| terminal::spinner("trying matrix units"));
        let matrix_units = tune::try_matrix_units(&selected, mode).await;
        if let Some(spinner) = spinner {
            spinner.finish_and_clear();
        }
        adapters.push((selected.info().clone(), matrix_units));
    }
    adapters
}

fn entry((info, matrix_units): &(AdapterInfo, MatrixUse)) -> Entry<'_> {
    let runs_as = |precision| {
        let reason = info.lacks(precision);
        let on_cpu = info.kind == Kind::Cpu || reason.is_some();
        RunsAs {
            precision,
            device: if on_cpu { "cpu" } else { "gpu" },
            reason,
        }
    };
    Entry {
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
        text.push_str("A precision shown as 'CPU path' needs a feature that the adapter lacks (f16: shader-f16).\n");
    }
    for processor in infos().filter_map(|info| info.processor) {
        text.push_str(&format!(
            "The CPU path runs as {processor}; --kernel and --threads choose others.\n"
        ));
    }
    if cfg!(target_os = "linux") && infos().all(|info| info.kind == Kind::Cpu) {
        text.push_str(
            "No GPU adapter. A software Vulkan driver is in the package mesa-vulkan-drivers.\n",
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
