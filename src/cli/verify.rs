//! `verify`: whether an adapter computes what it should, and what it does where it has a choice.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::{Args, ValueHint};
use fmnist_gpu::gpu::{Broken, Device};
use fmnist_gpu::report::{Compared, Format, VerifySubject};
use fmnist_gpu::tune::MatrixUnitsMode;
use fmnist_gpu::verify::numerics::Earlier;
use fmnist_gpu::verify::{self, Lane, NumericsReport, Scope};
use fmnist_gpu::{Engine, Error, Result};

use super::bench::command_line;
use super::checked::{Beginning, Checked};
use super::options::{self, AdapterOptions, MatrixOptions};
use super::record::Outputs;
use super::terminal;

/// Breaks something on purpose, to see that it is found: tile-edge, barrier, transposed, bit or once.
const BREAK_VARIABLE: &str = "FMNIST_GPU_BREAK";

/// Checks on this adapter every kernel that it can run, whole networks, and weights against the oracle, and
/// looks at what its driver does where it has a choice. Exit code 4 where something is wrong, 3 where nothing of
/// what was asked for can run.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    adapter: AdapterOptions,

    #[command(flatten)]
    matrix: MatrixOptions,

    /// Only the checks of whose names this is a part, as 'kernels/matmul-8x8 f32' in a result names them
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,

    /// Begin no check later than so long from the first on; what is left is skipped and counted, and what is checked is
    /// spread over all there is. Without it everything is checked
    #[arg(long, value_name = "DURATION", value_parser = options::duration)]
    max_time: Option<humantime::Duration>,

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
    let started = Instant::now();
    let outputs = Outputs::open(&arguments.output)?;
    let before = arguments.compare.as_deref().map(Earlier::read);
    let before = before.transpose()?;
    let broken = broken()?;
    let engine = pollster::block_on(arguments.adapter.open_for_verify(false, broken))?;
    if broken.is_some() && engine.device().is_none() {
        return Err(Error::Usage(format!(
            "{BREAK_VARIABLE} breaks kernels of adapters, and this is the CPU path"
        ))
        .into());
    }
    let spinner = terminal::spinner("looking at the driver's arithmetic");
    let numerics = pollster::block_on(NumericsReport::of(&engine));
    spinner.finish_and_clear();
    let numerics = numerics?;
    let compared = match (&arguments.compare, before) {
        (Some(file), Some(before)) => Some(Compared::new(file, &before, &numerics)),
        _ => None,
    };

    let lanes = lanes(arguments, &engine, broken)?;
    let bar = terminal::progress_bar();
    let checked = Checked::new(Beginning {
        subject: VerifySubject {
            command: command_line(),
            adapter: engine.info().clone(),
            adapter_reason: engine.reason().to_owned(),
            broken: broken.map(Broken::name),
            only: arguments.only.clone(),
        },
        numerics,
        compared,
        outputs,
        format: arguments.format,
        bar: bar.clone(),
        started,
    });
    let scope = Scope {
        only: arguments.only.clone(),
        time: arguments.max_time.map(Into::into),
        progress: &mut |what: &str, done: usize, total: usize| {
            bar.set_message(what.to_owned());
            bar.set_length(total as u64);
            bar.set_position(done as u64);
        },
        found: &mut |place, row, int8_sums| checked.add(place, row, int8_sums),
    };
    let ended = verify::check(&lanes, scope);
    let told = checked.end(ended.as_ref().err().map(ToString::to_string));
    // What is wrong with the adapter counts more than who heard of it.
    if let Err(error) = ended.and_then(|()| checked.verdict()) {
        match told {
            Err(other) if !terminal::is_closed(&other) => terminal::fail(&format!("{other:#}")),
            _ => {}
        }
        return Err(error.into());
    }
    told
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

/// What the adapter is checked on: the device that is open, and more of the same adapter; or the CPU path.
fn lanes(arguments: &Arguments, engine: &Engine, broken: Option<Broken>) -> Result<Vec<Lane>> {
    let lane = |engine: &Engine| -> Result<Lane> {
        Ok(Lane {
            device: engine.device().cloned(),
            matrix_units: with_matrix_units(arguments, engine, broken)?,
        })
    };
    let mut lanes = vec![lane(engine)?];
    let has_units = lanes[0].matrix_units.is_ok();
    if engine.device().is_none() {
        return Ok(lanes);
    }
    for _ in 1..AdapterOptions::lanes_to_verify(engine.info().backend) {
        let more = pollster::block_on(arguments.adapter.open_for_verify(false, broken));
        let more = more.and_then(|more| Ok((more.info() == engine.info(), lane(&more)?)));
        let reason = match more {
            // What is checked was planned for the first, so that the others must be like it.
            Ok((true, lane)) if lane.matrix_units.is_ok() == has_units => {
                lanes.push(lane);
                continue;
            }
            Ok((_, Lane { matrix_units, .. })) => matrix_units.err().unwrap_or_default(),
            Err(error) => error.to_string(),
        };
        log::warn!("checks run on {} devices at a time: {reason}", lanes.len());
        break;
    }
    Ok(lanes)
}

/// The same adapter with its matrix units, which are asked for on a device of their own since the feature is
/// experimental; or why there are none. That the device is lost, or has no memory, is an error like any other.
fn with_matrix_units(
    arguments: &Arguments,
    engine: &Engine,
    broken: Option<Broken>,
) -> Result<Result<Arc<Device>, String>> {
    if arguments.matrix.mode() == MatrixUnitsMode::Off {
        return Ok(Err("--matrix-units off".to_owned()));
    }
    if let Some(reason) = engine.info().lacks_matrix_units() {
        return Ok(Err(reason.to_owned()));
    }
    match pollster::block_on(arguments.adapter.open_for_verify(true, broken)) {
        Ok(engine) => {
            let device = engine.device().cloned();
            Ok(device.ok_or_else(|| "the CPU path has none".to_owned()))
        }
        Err(error @ (Error::DeviceUnavailable { .. } | Error::MatrixUnitsUnavailable { .. })) => {
            Ok(Err(error.to_string()))
        }
        Err(error) => Err(error),
    }
}
