//! Times whole networks by kernel: the default model at four batch sizes, and a wider one.
//!
//! `cargo bench --bench networks` times the likely kernels, in less than a minute; `-- --all` times every kernel that can
//! run, `-- --adapter gl` picks the adapter, `-- broadcast` keeps the kernels of that name. Kernels are
//! timed in turn, one run of each, so that a slow spell of the machine hits all of them. That they
//! compute the same is checked by `cargo test --test networks`, not here.
#![expect(clippy::print_stdout, reason = "a program")]

use std::time::{Duration, Instant};

use clap::Parser;
use fmnist_gpu::adapter::Selector;
use fmnist_gpu::bench::Samples;
use fmnist_gpu::gpu::{DeviceOptions, Network};
use fmnist_gpu::model::{Activation, Layer, Model};
use fmnist_gpu::plan::{ChosenBy, Strategy};
use fmnist_gpu::report::{Layout, Screen, duration, grid};
use fmnist_gpu::{Engine, EngineOptions, Precision, Result};
use rand::{RngExt, SeedableRng};

/// Times whole networks by kernel.
#[derive(Parser)]
struct Arguments {
    /// Only kernels whose name holds this
    filter: Option<String>,
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
    let narrow = Model::default_model()?;
    let wide = wide(&narrow);
    for (model, batches) in [(&narrow, &[10_000, 1000, 32, 1][..]), (&wide, &[1024, 1])] {
        for &batch in batches {
            for precision in Precision::ALL {
                if engine.info().lacks(precision).is_none() {
                    compare(&engine, model, precision, batch, &arguments)?;
                }
            }
        }
    }
    Ok(())
}

/// A network of 784-1024-1024-10 with random weights: its answers mean nothing, its time does not
/// depend on them.
fn wide(model: &Model) -> Model {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let mut layer = |inputs: usize, outputs: usize, activation| {
        let size = (2.0 / inputs as f32).sqrt();
        let mut values = |count: usize| -> Vec<f32> {
            (0..count).map(|_| rng.random_range(-size..size)).collect()
        };
        Layer {
            inputs,
            outputs,
            weights: values(inputs * outputs),
            bias: values(outputs),
            activation,
        }
    };
    Model {
        layers: vec![
            layer(784, 1024, Activation::Relu),
            layer(1024, 1024, Activation::Relu),
            layer(1024, 10, Activation::Softmax),
        ],
        ..model.clone()
    }
}

/// Times the kernels on one network, precision and batch size, and prints a table.
fn compare(
    engine: &Engine,
    model: &Model,
    precision: Precision,
    batch: usize,
    arguments: &Arguments,
) -> Result<()> {
    let Some(device) = engine.device() else {
        return Ok(());
    };
    let pixels: Vec<u8> = (0..batch * model.inputs())
        .map(|i| (i * 37 % 256) as u8)
        .collect();
    let first = pollster::block_on(Network::new(device, model, precision))?;
    let mut strategies = if arguments.all {
        first.runnable(batch)
    } else {
        let mut likely = first.candidates(batch);
        likely.push(Strategy::separate(batch));
        likely.dedup();
        likely
    };
    let wanted = |strategy: &Strategy| {
        let filter = arguments.filter.as_ref();
        filter.is_none_or(|filter| strategy.name.contains(filter))
    };
    strategies.retain(wanted);
    // A network each, so that all stand ready while they take turns.
    let mut networks = Vec::new();
    for strategy in strategies {
        let mut network = pollster::block_on(Network::new(device, model, precision))?;
        network.choose(batch, strategy, ChosenBy::User);
        pollster::block_on(network.upload(&pixels, batch))?;
        pollster::block_on(network.run())?;
        networks.push((strategy, network, Vec::<Duration>::new()));
    }
    for _ in 0..arguments.samples {
        for (_, network, times) in &mut networks {
            let start = Instant::now();
            pollster::block_on(network.run())?;
            times.push(start.elapsed());
        }
    }
    let widths: Vec<String> = model
        .architecture()
        .widths()
        .iter()
        .map(ToString::to_string)
        .collect();
    println!("\n{} {precision}, batch {batch}", widths.join("-"));
    let operations = model.architecture().operations() as f64 * batch as f64;
    let mut rows = Vec::new();
    for (strategy, _, times) in &networks {
        let Some(samples) = Samples::new(times) else {
            continue;
        };
        let median = samples.median as f64;
        rows.push((
            samples.median,
            vec![
                strategy.path().name().to_owned(),
                strategy.name.to_owned(),
                duration(median),
                duration(samples.min as f64),
                format!("{:.1}", operations / median),
            ],
        ));
    }
    rows.sort_by_key(|(median, _)| *median);
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(_, row)| row).collect();
    let header = ["path", "kernel", "median", "fastest", "GFLOP/s"];
    print!(
        "{}",
        grid(Layout::Terminal(Screen::PLAIN), &header, &rows, 2)
    );
    Ok(())
}
