//! `peak`: the most that an adapter does of one thing, measured.

use std::sync::Arc;

use clap::Args;
use fmnist_gpu::gpu::Device;
use fmnist_gpu::gpu::peak::{self, Ceiling, Effort, Peaks};
use fmnist_gpu::report::{Format, PeakDocument};
use fmnist_gpu::{Engine, Error, Result};

use super::options::{self, AdapterOptions};
use super::terminal;

/// Measures the ceilings of an adapter: arithmetic in registers, and a copy of memory.
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
    let engine = pollster::block_on(arguments.adapter.open_for_peak())?;
    let device = engine.device().ok_or_else(|| no_device(&engine))?;
    let effort = Effort {
        total: arguments.min_time.into(),
        ..Effort::full()
    };
    let peaks = pollster::block_on(measure(device, effort))?;
    let document = PeakDocument::new(engine.info(), engine.reason(), &peaks);
    terminal::print(&document.render(arguments.format)?)
}

/// Measures all that the adapter has, one after another, under a progress bar.
async fn measure(device: &Arc<Device>, effort: Effort) -> Result<Peaks> {
    let bar = terminal::progress_bar();
    bar.set_length(Ceiling::ALL.len() as u64);
    let mut peaks = Peaks::default();
    for ceiling in Ceiling::ALL {
        bar.set_message(format!("measuring {ceiling}"));
        peaks.merge(peak::measure(device, &[ceiling], effort).await?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(peaks)
}

/// The CPU path runs a matrix library's code, not shaders.
fn no_device(engine: &Engine) -> Error {
    let package = if cfg!(target_os = "linux") {
        "; a software Vulkan driver is in the package mesa-vulkan-drivers"
    } else {
        ""
    };
    Error::DeviceUnavailable {
        adapter: engine.info().to_string(),
        reason: format!(
            "ceilings are those of adapters that run shaders, and the CPU path's are not measured. \
             See 'fmnist-gpu adapters'{package}"
        ),
    }
}
