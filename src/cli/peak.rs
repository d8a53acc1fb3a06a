//! `peak`: the most that an adapter does of one thing, measured.

use std::sync::Arc;

use clap::Args;
use fmnist_gpu::Result;
use fmnist_gpu::adapter::ProcessorInfo;
use fmnist_gpu::cpu::{self, Processor};
use fmnist_gpu::gpu::Device;
use fmnist_gpu::gpu::peak::{self, Ceiling, Effort, Peak, Peaks};
use fmnist_gpu::report::{Format, PeakDocument};

use super::options::{self, AdapterOptions};
use super::terminal;

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
    let document = match engine.device() {
        Some(device) => {
            let measured = measure(&arguments.adapter, device, effort);
            let (peaks, failed) = pollster::block_on(measured)?;
            PeakDocument::new(info, reason, &peaks, &failed)
        }
        None => {
            let peaks = measure_processor(engine.processor(), effort)?;
            PeakDocument::of_processor(info, reason, &peaks)
        }
    };
    terminal::print(&document.render(arguments.format, terminal::layout())?)
}

/// Ceilings that could not be measured, and why.
type Failed = Vec<(Ceiling, String)>;

/// Measures all that the adapter has, one after another, under a progress bar.
async fn measure(
    adapter: &AdapterOptions,
    device: &Arc<Device>,
    effort: Effort,
) -> Result<(Peaks, Failed)> {
    let bar = terminal::progress_bar();
    bar.set_length(Ceiling::ALL.len() as u64);
    let (mut peaks, mut failed) = (Peaks::default(), Failed::new());
    for ceiling in Ceiling::ALL {
        bar.set_message(format!("measuring {ceiling}"));
        if ceiling == Ceiling::Matrix && ceiling.lacks(device.info()).is_none() {
            match measure_matrices(adapter, effort).await {
                Ok(measured) => peaks.merge(measured),
                Err(error) => failed.push((ceiling, error.to_string())),
            }
        } else {
            peaks.merge(peak::measure(device, &[ceiling], effort).await?);
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok((peaks, failed))
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
fn measure_processor(
    processor: &Processor,
    effort: Effort,
) -> Result<Vec<(cpu::peak::Ceiling, Peak<ProcessorInfo>)>> {
    let bar = terminal::progress_bar();
    bar.set_length(cpu::peak::Ceiling::ALL.len() as u64);
    let mut peaks = Vec::new();
    for ceiling in cpu::peak::Ceiling::ALL {
        bar.set_message(format!("measuring {ceiling}"));
        peaks.push((ceiling, cpu::peak::measure(processor, ceiling, effort)?));
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(peaks)
}
