//! `peak`: the highest throughput of an adapter, measured.

use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clap::Args;
use fmnist_gpu::adapter::AdapterInfo;
use fmnist_gpu::cpu::{self, Processor};
use fmnist_gpu::gpu::Device;
use fmnist_gpu::gpu::peak::{self, Peaks};
use fmnist_gpu::peak::{Ceiling, Peak, PeakEffort, ProcessorCeiling};
use fmnist_gpu::report::{CeilingLine, OutputFormat, PeakDocument, PeakFigures};
use fmnist_gpu::{Error, Result};
use indicatif::ProgressBar;

use super::options::{self, AdapterOptions, KernelOptions};
use super::{help, interrupt, terminal};

/// The calls that its help shows.
const EXAMPLES: &help::Examples = &[
    ("fmnist-gpu peak", "measure the best adapter"),
    (
        "fmnist-gpu peak --adapter cpu --threads 1",
        "measure one thread of the processor",
    ),
];

/// Measure the peak throughput of an adapter: arithmetic in registers, and memory copies
#[derive(Debug, Args)]
#[command(after_help = help::short(EXAMPLES), after_long_help = help::long(EXAMPLES))]
pub struct Arguments {
    #[command(flatten)]
    adapter: AdapterOptions,

    /// Time to spend on each figure, with the compilation of its shaders
    #[arg(
        long,
        default_value_t = PeakEffort::full().total.into(),
        value_name = "DURATION",
        value_parser = options::duration,
        help_heading = help::MEASUREMENT
    )]
    min_time: humantime::Duration,

    /// Format of standard output: table, json, csv or markdown
    #[arg(long, default_value = "table", value_name = "FORMAT", help_heading = help::OUTPUT)]
    format: OutputFormat,

    #[command(flatten)]
    kernels: KernelOptions,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let opened = (arguments.adapter).open_for_peak(&arguments.kernels, false);
    let engine = pollster::block_on(opened)?;
    let effort = PeakEffort {
        total: arguments.min_time.into(),
        ..PeakEffort::full()
    };
    let (info, reason) = (engine.info(), engine.reason());
    let ceilings = match engine.device() {
        Some(_) => Ceiling::ALL.map(|ceiling| line_of(ceiling, info)).to_vec(),
        None => ProcessorCeiling::ALL.map(line_of_processor).to_vec(),
    };
    let document = PeakDocument::new(info, reason, ceilings);
    let run = PeakRun::new(document, arguments.format);
    let ended = match engine.device() {
        Some(device) => pollster::block_on(measure(arguments, device, effort, &run)),
        None => measure_processor(engine.processor(), effort, &run),
    };
    let printed = run.end(ended.as_ref().err().map(ToString::to_string));
    // An error of the adapter comes before an error of the output.
    if let Err(error) = ended {
        match printed {
            Err(other) if !terminal::is_closed(&other) => terminal::fail(&format!("{other:#}")),
            _ => {}
        }
        return Err(error.into());
    }
    printed
}

/// The line of an adapter's ceiling in the document, before it is measured.
fn line_of(ceiling: Ceiling, adapter: &AdapterInfo) -> CeilingLine {
    let (what, unit) = match ceiling {
        Ceiling::F32 => ("multiply-add, registers only", "FLOP"),
        Ceiling::F16 => ("multiply-add in f16, registers only", "FLOP"),
        Ceiling::Matrix => ("f16 matrices, registers only", "FLOP"),
        Ceiling::Int8Dot => ("dot4I8Packed, registers only", "OP"),
        Ceiling::Copy => ("memory, bytes read and written", "B"),
    };
    let line = CeilingLine::unmeasured(ceiling.name(), ceiling.unit(), what, unit);
    match ceiling.lacks(adapter) {
        Some(reason) => line.unsupported(reason),
        None => line,
    }
}

/// The line of a processor's ceiling in the document, before it is measured.
fn line_of_processor(ceiling: ProcessorCeiling) -> CeilingLine {
    let (what, unit) = match ceiling {
        ProcessorCeiling::F32 => ("multiply-add, registers only", "FLOP"),
        ProcessorCeiling::Int8 => ("int8 products, registers only", "OP"),
    };
    CeilingLine::unmeasured(ceiling.name(), "operations", what, unit)
}

/// A measurement in progress. An early end, which comes from another thread, prints what was measured so far.
#[derive(Clone)]
struct PeakRun(Arc<Mutex<PeakState>>);

struct PeakState {
    /// None once it was printed.
    document: Option<PeakDocument>,
    format: OutputFormat,
    bar: ProgressBar,
}

impl PeakRun {
    fn new(document: PeakDocument, format: OutputFormat) -> Self {
        let run = Self(Arc::new(Mutex::new(PeakState {
            document: Some(document),
            format,
            bar: terminal::progress_bar(),
        })));
        let ended = run.clone();
        interrupt::before_end(move |early| {
            if let Err(error) = ended.end(Some(early.why.clone()))
                && !terminal::is_closed(&error)
            {
                terminal::fail(&format!("{error:#}"));
            }
        });
        run
    }

    fn state(&self) -> MutexGuard<'_, PeakState> {
        // What was measured stays valid if another thread panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begins(&self, ceiling: impl Display, done: usize, total: usize) {
        let state = self.state();
        state.bar.set_length(total as u64);
        state.bar.set_position(done as u64);
        state.bar.set_message(format!("measuring {ceiling}"));
    }

    fn change(&self, change: impl FnOnce(&mut PeakDocument)) {
        if let Some(document) = &mut self.state().document {
            change(document);
        }
    }

    fn measured<S: Display>(&self, ceiling: &str, peak: &Peak<S>) {
        let figures = PeakFigures {
            best: peak.best(),
            median: peak.median(),
            spread: peak.spread(),
            shape: peak.shape.to_string(),
            samples: peak.samples.clone(),
        };
        self.change(|document| document.measured(ceiling, figures));
        // The document has the figure before the log says so.
        log::info!("{ceiling}: {:e} a second", peak.best());
    }

    fn failed(&self, ceiling: &str, why: &str) {
        self.change(|document| document.failed(ceiling, why));
    }

    /// The end: prints what was measured. `why` is the reason of an early end; without any figure nothing is printed
    /// then.
    fn end(&self, why: Option<String>) -> anyhow::Result<()> {
        let mut state = self.state();
        let Some(mut document) = state.document.take() else {
            return Ok(());
        };
        state.bar.finish_and_clear();
        if let Some(why) = why {
            if !document.has_figures() {
                return Ok(());
            }
            document.end_early(&why);
        }
        terminal::print(&document.render(state.format, terminal::layout())?)
    }
}

/// Measures each figure of the adapter, one after another.
///
/// # Errors
/// The first error, after all figures that do not depend on what failed.
async fn measure(
    arguments: &Arguments,
    device: &Arc<Device>,
    effort: PeakEffort,
    run: &PeakRun,
) -> Result<()> {
    let mut result = Ok(());
    for (done, ceiling) in Ceiling::ALL.into_iter().enumerate() {
        run.begins(ceiling, done, Ceiling::ALL.len());
        if ceiling.lacks(device.info()).is_some() {
            continue;
        }
        let on_matrix_units = ceiling == Ceiling::Matrix;
        let measured = if on_matrix_units {
            measure_matrices(arguments, effort).await
        } else {
            peak::measure(device, &[ceiling], effort).await
        };
        match measured {
            Ok(peaks) => match peaks.get(ceiling) {
                Some(peak) => run.measured(ceiling.name(), peak),
                None => run.failed(ceiling.name(), "the device was opened without matrix units"),
            },
            Err(error) => {
                run.failed(ceiling.name(), &error.to_string());
                // Any device that does not answer ends the process. Other errors of the device with matrix units do
                // not concern the other device.
                let silent = matches!(error, Error::NoAnswer { .. });
                if on_matrix_units && !silent {
                    continue;
                }
                let gone = silent || matches!(error, Error::DeviceLost { .. });
                result = result.and(Err(error));
                if gone {
                    break;
                }
            }
        }
    }
    result
}

/// The peak of matrix units, on a second device: the feature is experimental, and its errors must not affect the
/// other figures.
async fn measure_matrices(arguments: &Arguments, effort: PeakEffort) -> Result<Peaks> {
    let opened = (arguments.adapter).open_for_peak(&arguments.kernels, true);
    let engine = opened.await?;
    match engine.device() {
        Some(device) => peak::measure(device, &[Ceiling::Matrix], effort).await,
        None => Ok(Peaks::default()),
    }
}

/// Measures each figure of the processor that the CPU path runs on.
fn measure_processor(processor: &Processor, effort: PeakEffort, run: &PeakRun) -> Result<()> {
    let mut result = Ok(());
    for (done, ceiling) in ProcessorCeiling::ALL.into_iter().enumerate() {
        run.begins(ceiling, done, ProcessorCeiling::ALL.len());
        match cpu::peak::measure(processor, ceiling, effort) {
            Ok(peak) => run.measured(ceiling.name(), &peak),
            Err(error) => {
                run.failed(ceiling.name(), &error.to_string());
                result = result.and(Err(error));
            }
        }
    }
    result
}
