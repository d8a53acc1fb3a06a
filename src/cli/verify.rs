//! `verify`: whether an adapter computes correct results, and how its driver rounds where WGSL allows a choice.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::{Args, ValueHint};
use fmnist_gpu::gpu::Device;
use fmnist_gpu::gpu::fault::Faults;
use fmnist_gpu::report::{Compared, OutputFormat, VerifySubject};
use fmnist_gpu::tune::MatrixUnitsMode;
use fmnist_gpu::verify::numerics::Earlier;
use fmnist_gpu::verify::{self, Lane, NumericsReport, Scope};
use fmnist_gpu::{Engine, Error, Result};

use super::checked::{RunningChecks, VerifyStart};
use super::help;
use super::options::{self, AdapterOptions, KernelOptions, MatrixOptions};
use super::record::Outputs;
use super::shell::command_line;
use super::terminal;

/// The calls that its help shows.
const EXAMPLES: &help::Examples = &[
    (
        "fmnist-gpu verify --adapter vulkan --max-time 1m",
        "check a Vulkan adapter for a minute",
    ),
    (
        "fmnist-gpu verify --only kernels/workgroup",
        "run only the checks with this text in their names",
    ),
    (
        "fmnist-gpu verify --output before.json",
        "write the result to a file, before a driver update",
    ),
    (
        "fmnist-gpu verify --compare before.json",
        "after it: show how the driver's arithmetic changed",
    ),
];

/// Check that an adapter computes correct results
///
/// It checks each kernel, whole networks, and their weights. Every result is compared with a reference implementation on the CPU.
/// The numerics report shows how the driver rounds where WGSL allows a choice. The exit code is 4 if a check fails, and 3 if no check can run.
#[derive(Debug, Args)]
#[command(
    after_help = help::short(EXAMPLES),
    after_long_help = help::long(EXAMPLES),
    // It refuses them, since it checks every kernel.
    mut_arg("no_fallback", |arg| arg.hide(true)),
    mut_arg("threads", |arg| arg.hide(true)),
    mut_arg("path", |arg| arg.hide(true)),
    mut_arg("kernel", |arg| arg.hide(true))
)]
pub struct Arguments {
    #[command(flatten)]
    adapter: AdapterOptions,

    #[command(flatten)]
    matrix: MatrixOptions,

    /// Run only the checks with this text in their names, for example 'kernels/matmul-8x8 f32'
    #[arg(long, value_name = "TEXT", help_heading = help::MEASUREMENT)]
    only: Option<String>,

    /// Start no new check after this time [default: no limit]
    ///
    /// The checks that run are spread over all checks. The result says how many were skipped.
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = options::duration,
        help_heading = help::MEASUREMENT
    )]
    max_time: Option<humantime::Duration>,

    /// Compare the numerics report with that of an earlier result, a JSON file
    #[arg(
        long,
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        help_heading = help::MEASUREMENT
    )]
    compare: Option<PathBuf>,

    /// Format of standard output: table, json, csv or markdown
    #[arg(long, default_value = "table", value_name = "FORMAT", help_heading = help::OUTPUT)]
    format: OutputFormat,

    /// Also write the result to this file (.json, .csv, .md or .txt); may be repeated
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = help::OUTPUT)]
    output: Vec<PathBuf>,

    #[command(flatten)]
    kernels: KernelOptions,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let html =
        |format: Result<OutputFormat>| format.is_ok_and(|format| format == OutputFormat::Html);
    let files = arguments.output.iter();
    if html(Ok(arguments.format)) || files.clone().any(|file| html(OutputFormat::of_path(file))) {
        return Err(Error::no_output("verify", "html", "table, json, csv or markdown").into());
    }
    let started = Instant::now();
    let outputs = Outputs::open(&arguments.output, OutputFormat::of_path)?;
    let before = arguments.compare.as_deref().map(Earlier::read);
    let before = before.transpose()?;
    let faults = Faults::from_environment()?;
    let engine = open(arguments, false, &faults)?;
    faults.check(engine.info())?;
    let spinner = terminal::spinner("probing the driver's arithmetic");
    let numerics = pollster::block_on(NumericsReport::of(&engine));
    spinner.finish_and_clear();
    let numerics = numerics?;
    let compared = match (&arguments.compare, before) {
        (Some(file), Some(before)) => Some(Compared::new(file, &before, &numerics)),
        _ => None,
    };

    let lanes = lanes(arguments, &engine, &faults)?;
    let bar = terminal::progress_bar();
    let checked = RunningChecks::new(VerifyStart {
        subject: VerifySubject {
            command: command_line(),
            adapter: engine.info().clone(),
            adapter_reason: engine.reason().to_owned(),
            broken: faults.broken(),
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
    let printed = checked.end(ended.as_ref().err().map(ToString::to_string));
    // An error of the adapter comes before an error of the output.
    if let Err(error) = ended.and_then(|()| checked.verdict()) {
        match printed {
            Err(other) if !terminal::is_closed(&other) => terminal::fail(&format!("{other:#}")),
            _ => {}
        }
        return Err(error.into());
    }
    printed
}

/// Opens the adapter, with its matrix units or without.
fn open(arguments: &Arguments, matrix_units: bool, faults: &Faults) -> Result<Engine> {
    let opened = (arguments.adapter).open_for_verify(&arguments.kernels, matrix_units, faults);
    pollster::block_on(opened)
}

/// The devices that run the checks: the one that is open, and more of the same adapter; or the CPU path.
fn lanes(arguments: &Arguments, engine: &Engine, faults: &Faults) -> Result<Vec<Lane>> {
    let lane = |engine: &Engine| -> Result<Lane> {
        Ok(Lane {
            device: engine.device().cloned(),
            matrix_units: with_matrix_units(arguments, engine, faults)?,
        })
    };
    let mut lanes = vec![lane(engine)?];
    let has_units = lanes[0].matrix_units.is_ok();
    if engine.device().is_none() {
        return Ok(lanes);
    }
    for _ in 1..AdapterOptions::lanes_to_verify(engine.info().backend, faults) {
        let more = open(arguments, false, faults);
        let more = more.and_then(|more| Ok((more.info() == engine.info(), lane(&more)?)));
        let reason = match more {
            // The checks are planned for the first device, so the others must be equal to it.
            Ok((true, lane)) if lane.matrix_units.is_ok() == has_units => {
                lanes.push(lane);
                continue;
            }
            Ok((_, Lane { matrix_units, .. })) => matrix_units.err().unwrap_or_default(),
            Err(error) => error.to_string(),
        };
        log::warn!(
            "verify runs on {} devices at the same time, because it could not open another: {reason}",
            lanes.len()
        );
        break;
    }
    Ok(lanes)
}

/// The same adapter with its matrix units, or why it has none. They get a device of their own, since the feature is
/// experimental. A lost device, or one without memory, is an error.
fn with_matrix_units(
    arguments: &Arguments,
    engine: &Engine,
    faults: &Faults,
) -> Result<Result<Arc<Device>, String>> {
    if arguments.matrix.mode() == MatrixUnitsMode::Off {
        return Ok(Err("--matrix-units off".to_owned()));
    }
    if let Some(reason) = engine.info().lacks_matrix_units() {
        return Ok(Err(reason.to_owned()));
    }
    match open(arguments, true, faults) {
        Ok(engine) => {
            let device = engine.device().cloned();
            Ok(device.ok_or_else(|| "the CPU path has no matrix units".to_owned()))
        }
        Err(error @ (Error::DeviceUnavailable { .. } | Error::MatrixUnitsUnavailable { .. })) => {
            Ok(Err(error.to_string()))
        }
        Err(error) => Err(error),
    }
}
