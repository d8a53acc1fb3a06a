//! Times whole networks by kernel: the default model at four batch sizes, and a wider one.
//!
//! `cargo bench --bench networks` times the likely kernels, in less than a minute; `-- --all` times every kernel that can
//! run, `-- --adapter gl` picks the adapter, `-- static broadcast` keeps what is so named. Modes and kernels are
//! timed in turn, one run of each, so that a slow spell of the machine hits all of them. That they
//! compute the same is checked by `cargo test --test networks`, not here.
#![expect(clippy::print_stdout, reason = "a program")]

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use fmnist_gpu::adapter::Selector;
use fmnist_gpu::gpu::{Device, DeviceOptions, Session};
use fmnist_gpu::mode::Mode;
use fmnist_gpu::model::Network;
use fmnist_gpu::plan::{ChosenBy, KernelVariant};
use fmnist_gpu::quantize::{Ranges, lower};
use fmnist_gpu::report::{Layout, Screen, Table, duration};
use fmnist_gpu::stats::Samples;
use fmnist_gpu::{Engine, EngineOptions, Result};

use common::wide;

/// Times whole networks by kernel.
#[derive(Parser)]
struct Arguments {
    /// Only rows whose mode and kernel, as they are printed, hold this; of several, each of them
    filter: Vec<String>,
    /// Only this batch size
    #[arg(long)]
    batch: Option<usize>,
    /// A backend, an index or a name, as for 'fmnist-gpu bench'
    #[arg(long)]
    adapter: Option<Selector>,
    /// Every kernel that can run, not only the likely ones
    #[arg(long)]
    all: bool,
    /// Runs of each kernel
    #[arg(long, default_value_t = 7)]
    samples: usize,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    #[expect(unsafe_code, reason = "the environment is this process's own")]
    // SAFETY: the first thing in `main`, while there is no other thread.
    unsafe {
        fmnist_gpu::gpu::quiet_drivers();
    }
    let arguments = Arguments::parse();
    let options = EngineOptions {
        adapter: arguments.adapter.clone(),
        device: DeviceOptions {
            matrix_units: true,
            ..DeviceOptions::default()
        },
        ..EngineOptions::default()
    };
    let engine = pollster::block_on(Engine::open(&options))?;
    if engine.device().is_none() {
        println!("no GPU adapter: the kernels have nothing to run on");
        return Ok(());
    }
    println!("{}", engine.info());
    let narrow = Network::default_model()?;
    let wide = wide(&narrow);
    for (model, batches) in [(&narrow, &[10_000, 1000, 32, 1][..]), (&wide, &[1024, 1])] {
        for &batch in batches {
            if arguments.batch.is_none_or(|only| only == batch) {
                compare(&engine, model, batch, &arguments)?;
            }
        }
    }
    Ok(())
}

/// A network of the model in a mode. Times do not depend on the ranges of static quantized values.
fn load(device: &Arc<Device>, model: &Network, mode: &Mode) -> Result<Session> {
    let ranges = Ranges(vec![(0.0, 4.0); model.layers.len()]);
    let quantized = lower(model, mode, Some(&ranges))?;
    pollster::block_on(Session::new(device, &quantized))
}

/// Times the kernels on one network and batch size in every mode, and prints a table.
fn compare(engine: &Engine, model: &Network, batch: usize, arguments: &Arguments) -> Result<()> {
    let Some(device) = engine.device() else {
        return Ok(());
    };
    let pixels: Vec<u8> = (0..batch * model.inputs())
        .map(|i| (i * 37 % 256) as u8)
        .collect();
    // A network each, so that all stand ready while they take turns.
    let mut networks = Vec::new();
    for mode in Mode::every() {
        if engine.info().lacks(mode.precision).is_some() {
            continue;
        }
        let first = load(device, model, &mode)?;
        let variants = if arguments.all {
            first.runnable(batch)
        } else {
            let mut likely = first.candidates(batch);
            let separate = KernelVariant::unfused(batch);
            if first.runnable(batch).contains(&separate) {
                likely.push(separate);
            }
            likely.dedup();
            likely
        };
        for variant in variants {
            let name = format!("{mode} {}", variant.name);
            let unwanted = |filter: &String| !name.contains(filter.as_str());
            if arguments.filter.iter().any(unwanted) {
                continue;
            }
            let mut network = load(device, model, &mode)?;
            network.choose(batch, variant, ChosenBy::User);
            pollster::block_on(network.upload(&pixels, batch))?;
            pollster::block_on(network.run())?;
            networks.push((mode.clone(), variant, network, Vec::<Duration>::new()));
        }
    }
    for _ in 0..arguments.samples {
        for (.., network, times) in &mut networks {
            let start = Instant::now();
            pollster::block_on(network.run())?;
            times.push(start.elapsed());
        }
    }
    let widths = model.architecture().widths();
    let widths: Vec<String> = widths.iter().map(ToString::to_string).collect();
    println!("\n{}, batch {batch}", widths.join("-"));
    let operations = model.architecture().operations() as f64 * batch as f64;
    let mut rows = Vec::new();
    for (mode, variant, _, times) in &networks {
        let Some(samples) = Samples::new(times) else {
            continue;
        };
        let median = samples.median as f64;
        rows.push((
            samples.median,
            vec![
                mode.to_string(),
                variant.path().name().to_owned(),
                variant.name.to_owned(),
                duration(median),
                duration(samples.min as f64),
                format!("{:.1}", operations / median),
            ],
        ));
    }
    rows.sort_by_key(|(median, _)| *median);
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(_, row)| row).collect();
    let header = ["mode", "path", "kernel", "median", "fastest", "GFLOP/s"];
    print!(
        "{}",
        Table::of(&header, 3, rows).render(Layout::Terminal(Screen::PLAIN))
    );
    Ok(())
}
