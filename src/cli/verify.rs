//! `verify`: whether an adapter computes what it should, and what it does where it has a choice.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueHint};
use fmnist_gpu::gpu::{Broken, Device};
use fmnist_gpu::report::{Compared, Format, VerifyDocument, VerifySubject};
use fmnist_gpu::tune::MatrixUnitsMode;
use fmnist_gpu::verify::{self, Passport, Scope};
use fmnist_gpu::{Engine, Error, Result};

use super::bench::command_line;
use super::options::{AdapterOptions, MatrixOptions};
use super::record::Outputs;
use super::terminal;

/// Breaks something on purpose, to see that it is found: tile-edge, barrier, transposed or bit.
const BREAK_VARIABLE: &str = "FMNIST_GPU_BREAK";

/// Checks on this adapter every kernel that it can run, whole networks, and weights against the oracle, and
/// looks at what its driver does where it has a choice. Exit code 4 where something is wrong.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    adapter: AdapterOptions,

    #[command(flatten)]
    matrix: MatrixOptions,

    /// Only the checks of whose names this is a part, as 'kernels/matmul-8x8 f32' in a result names them
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,

    /// An earlier result of 'verify --format json', to say what this driver does otherwise
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    compare: Option<PathBuf>,

    /// table, json, csv or markdown
    #[arg(long, default_value = "table", value_name = "FORMAT")]
    format: Format,

    /// Also write a file; its extension tells the format (.json, .csv, .md, .txt). May be repeated.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Vec<PathBuf>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let html = |format: Result<Format>| format.is_ok_and(|format| format == Format::Html);
    let files = arguments.output.iter();
    if html(Ok(arguments.format)) || files.clone().any(|file| html(Format::of_path(file))) {
        let usage = "verify has no html: use table, json, csv or markdown";
        return Err(Error::Usage(usage.into()).into());
    }
    let outputs = Outputs::open(&arguments.output)?;
    let before = arguments.compare.as_deref().map(read).transpose()?;
    let broken = broken()?;
    let engine = pollster::block_on(arguments.adapter.open_for_verify(false, broken))?;
    if broken.is_some() && engine.device().is_none() {
        return Err(Error::Usage(format!(
            "{BREAK_VARIABLE} breaks kernels of adapters, and this is the CPU path"
        ))
        .into());
    }
    let spinner = terminal::spinner("looking at the driver's arithmetic");
    let passport = pollster::block_on(Passport::of(&engine));
    spinner.finish_and_clear();
    let passport = passport?;
    let compared = match (&arguments.compare, before) {
        (Some(file), Some(text)) => Some(Compared::new(file, &text, &passport)?),
        _ => None,
    };

    let bar = terminal::progress_bar();
    let mut progress = |what: &str, done: usize, total: usize| {
        bar.set_message(what.to_owned());
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    };
    let scope = Scope {
        only: arguments.only.clone(),
        progress: &mut progress,
    };
    let units = with_matrix_units(arguments, &engine, broken);
    let outcome = pollster::block_on(verify::check(&engine, units, scope));
    bar.finish_and_clear();
    let outcome = outcome?;
    let subject = VerifySubject {
        command: command_line(),
        adapter: engine.info().clone(),
        adapter_reason: engine.reason().to_owned(),
        broken: broken.map(Broken::name),
        only: arguments.only.clone(),
    };
    let document = VerifyDocument::new(subject, &outcome, passport, compared);
    outputs.write(|format| document.file(format))?;
    terminal::print(&document.render(arguments.format, terminal::layout())?)?;
    Ok(outcome.verdict()?)
}

fn read(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).map_err(|error| Error::file(file, error.to_string()))
}

/// What is to be broken on purpose.
fn broken() -> Result<Option<Broken>> {
    match std::env::var(BREAK_VARIABLE) {
        Err(_) => Ok(None),
        Ok(text) => match text.parse() {
            Ok(broken) => Ok(Some(broken)),
            Err(error) => Err(Error::Usage(format!("{BREAK_VARIABLE}: {error}"))),
        },
    }
}

/// The same adapter with its matrix units, which are asked for on a device of their own since the feature is
/// experimental; or why not.
fn with_matrix_units(
    arguments: &Arguments,
    engine: &Engine,
    broken: Option<Broken>,
) -> Result<Arc<Device>, String> {
    if arguments.matrix.mode() == MatrixUnitsMode::Off {
        return Err("--matrix-units off".to_owned());
    }
    if let Some(reason) = engine.info().lacks_matrix_units() {
        return Err(reason.to_owned());
    }
    let opened = pollster::block_on(arguments.adapter.open_for_verify(true, broken));
    let engine = opened.map_err(|error| error.to_string())?;
    let device = engine.device().cloned();
    device.ok_or_else(|| "the CPU path has none".to_owned())
}
