//! `peak`: the most that an adapter does of one thing, measured.

use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clap::Args;
use fmnist_gpu::adapter::AdapterInfo;
use fmnist_gpu::cpu::{self, Processor};
use fmnist_gpu::gpu::Device;
use fmnist_gpu::gpu::peak::{self, Ceiling, Effort, Peak, Peaks};
use fmnist_gpu::report::{CeilingLine, Format, PeakDocument, PeakFigures};
use fmnist_gpu::{Error, Result};
use indicatif::ProgressBar;

use super::options::{self, AdapterOptions};
use super::{interrupt, terminal};

/// Measures the ceilings of an adapter, or of the processor: arithmetic in registers, and a copy of memory.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    adapter: AdapterOptions,

    /// table, json, csv or markdown
    #[arg(long, default_value = "table", value_name = "FORMAT")]
    format: Format,

    /// The time that each ceiling is looked for, compilation included
    #[arg(long, default_value_t = Effort::full().total.into(), value_name = "DURATION", value_parser = options::duration)]
    min_time: humantime::Duration,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let engine = pollster::block_on(arguments.adapter.open_for_peak(false))?;
    let effort = Effort {
        total: arguments.min_time.into(),
        ..Effort::full()
    };
    let (info, reason) = (engine.info(), engine.reason());
    let ceilings = match engine.device() {
        Some(_) => Ceiling::ALL.map(|ceiling| line_of(ceiling, info)).to_vec(),
        None => cpu::peak::Ceiling::ALL.map(line_of_processor).to_vec(),
    };
    let document = PeakDocument::new(info, reason, ceilings);
    let run = Run::new(document, arguments.format);
    let ended = match engine.device() {
        Some(device) => pollster::block_on(measure(&arguments.adapter, device, effort, &run)),
        None => measure_processor(engine.processor(), effort, &run),
    };
    let told = run.end(ended.as_ref().err().map(ToString::to_string));
    // What is wrong with the adapter counts more than who heard of it.
    if let Err(error) = ended {
        match told {
            Err(other) if !terminal::is_closed(&other) => terminal::fail(&format!("{other:#}")),
            _ => {}
        }
        return Err(error.into());
    }
    told
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
fn line_of_processor(ceiling: cpu::peak::Ceiling) -> CeilingLine {
    let (what, unit) = match ceiling {
        cpu::peak::Ceiling::F32 => ("multiply-add, registers only", "FLOP"),
        cpu::peak::Ceiling::Int8 => ("int8 products, registers only", "OP"),
    };
    CeilingLine::unmeasured(ceiling.name(), "operations", what, unit)
}

/// A run that is under way: an early end, which is another thread's, still tells what was measured.
#[derive(Clone)]
struct Run(Arc<Mutex<State>>);

struct State {
    /// None once it was told.
    document: Option<PeakDocument>,
    format: Format,
    bar: ProgressBar,
}

impl Run {
    fn new(document: PeakDocument, format: Format) -> Self {
        let run = Self(Arc::new(Mutex::new(State {
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

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere takes nothing from what was measured.
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
        // What the log says was measured is kept, whatever comes next.
        log::info!("{ceiling}: {:e} a second", peak.best());
    }

    fn failed(&self, ceiling: &str, why: &str) {
        self.change(|document| document.failed(ceiling, why));
    }

    /// The end: standard output gets what was measured. `why` it is an early one, in words; then nothing is told
    /// where there is no figure.
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

/// Measures all that the adapter has, one after another.
///
/// # Errors
/// The first that went wrong, after everything that does not hang on it.
async fn measure(
    adapter: &AdapterOptions,
    device: &Arc<Device>,
    effort: Effort,
    run: &Run,
) -> Result<()> {
    let mut result = Ok(());
    for (done, ceiling) in Ceiling::ALL.into_iter().enumerate() {
        run.begins(ceiling, done, Ceiling::ALL.len());
        if ceiling.lacks(device.info()).is_some() {
            continue;
        }
        let on_matrix_units = ceiling == Ceiling::Matrix;
        let measured = if on_matrix_units {
            measure_matrices(adapter, effort).await
        } else {
            peak::measure(device, &[ceiling], effort).await
        };
        match measured {
            Ok(peaks) => match peaks.get(ceiling) {
                Some(peak) => run.measured(ceiling.name(), peak),
                None => run.failed(ceiling.name(), "the device was opened without it"),
            },
            Err(error) => {
                run.failed(ceiling.name(), &error.to_string());
                // A silent device ends the process, whichever it is. The device of matrix units is otherwise none of
                // the others'.
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

/// The ceiling of matrix units: on a device of its own, since the feature is experimental, and what goes
/// wrong with it takes nothing from the others.
async fn measure_matrices(adapter: &AdapterOptions, effort: Effort) -> Result<Peaks> {
    let engine = adapter.open_for_peak(true).await?;
    match engine.device() {
        Some(device) => peak::measure(device, &[Ceiling::Matrix], effort).await,
        None => Ok(Peaks::default()),
    }
}

/// The same for what the CPU path runs on.
fn measure_processor(processor: &Processor, effort: Effort, run: &Run) -> Result<()> {
    let mut result = Ok(());
    for (done, ceiling) in cpu::peak::Ceiling::ALL.into_iter().enumerate() {
        run.begins(ceiling, done, cpu::peak::Ceiling::ALL.len());
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
