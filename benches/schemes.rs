//! Times the CPU path in every precision and scheme: the default model at three batch sizes, and a wider
//! one.
//!
//! `cargo bench --bench schemes` takes less than a minute; `-- --threads 1` and `-- --kernel avx2` choose
//! what it runs on. All take turns, several runs each, so that a slow spell of the machine hits all of
//! them. That they compute what they should is checked by `cargo test --test networks`, not here.
#![expect(clippy::print_stdout, reason = "a program")]

mod common;

use std::time::{Duration, Instant};

use clap::Parser;
use fmnist_gpu::cpu::{Isa, Processor, ProcessorOptions, Session};
use fmnist_gpu::model::Network;
use fmnist_gpu::quantize::{Ranges, lower};
use fmnist_gpu::report::{Layout, Screen, Table, duration};
use fmnist_gpu::stats::Samples;
use fmnist_gpu::{Mode, Precision, Result};

use common::wide;

/// Times the CPU path in every precision and scheme.
#[derive(Parser)]
struct Arguments {
    /// The instruction set, as for 'fmnist-gpu bench'
    #[arg(long)]
    kernel: Option<Isa>,
    /// How many threads, as for 'fmnist-gpu bench'
    #[arg(long)]
    threads: Option<usize>,
    /// Turns of each
    #[arg(long, default_value_t = 21)]
    samples: usize,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let processor = Processor::new(ProcessorOptions {
        isa: arguments.kernel,
        threads: arguments.threads,
    })?;
    let info = processor.info();
    println!("{}, {} threads", info.instruction_set, info.threads);
    let narrow = Network::default_model()?;
    let wide = wide(&narrow);
    for (model, batches) in [(&narrow, &[10_000, 32, 1][..]), (&wide, &[1024, 1])] {
        for &batch in batches {
            compare(model, batch, &processor, arguments.samples)?;
        }
    }
    Ok(())
}

/// Puts `model` into a mode. Nor does the time depend on where the quantized values of a static scale end.
fn network(model: &Network, mode: &Mode, processor: &Processor) -> Result<Session> {
    let ranges = Ranges(vec![(0.0, 4.0); model.layers.len()]);
    Session::new(&lower(model, mode, Some(&ranges))?, processor)
}

/// Times all modes on one network and batch size, and prints a table.
fn compare(model: &Network, batch: usize, processor: &Processor, samples: usize) -> Result<()> {
    let pixels: Vec<u8> = (0..batch * model.inputs())
        .map(|i| (i * 37 % 256) as u8)
        .collect();
    let mut networks = Vec::new();
    for mode in Mode::every() {
        let mut network = network(model, &mode, processor)?;
        network.upload(&pixels, batch);
        network.run();
        networks.push((mode, network, Vec::<Duration>::new()));
    }
    // A small batch gets several in a row, or it would measure how fast its caches come back.
    let in_a_row = if batch <= 32 { 20 } else { 1 };
    for _ in 0..samples {
        for (_, network, times) in &mut networks {
            network.run();
            for _ in 0..in_a_row {
                let start = Instant::now();
                network.run();
                times.push(start.elapsed());
            }
        }
    }
    let widths = model.architecture().widths();
    let widths: Vec<String> = widths.iter().map(ToString::to_string).collect();
    println!("\n{}, batch {batch}", widths.join("-"));
    let all: Vec<(&Mode, Samples)> = networks
        .iter()
        .filter_map(|(mode, _, times)| Some((mode, Samples::new(times)?)))
        .collect();
    let of = |mode: Mode| {
        let found = all.iter().find(|(other, _)| **other == mode);
        found.map_or(f64::NAN, |(_, samples)| samples.median as f64)
    };
    let (f32, tensor) = (of(Precision::F32.into()), of(Mode::reference_int8()));
    let row = |(mode, samples): &(&Mode, Samples)| {
        let median = samples.median as f64;
        vec![
            mode.to_string(),
            duration(median),
            duration(samples.min as f64),
            format!("{:.2}×", f32 / median),
            format!("{:.2}×", tensor / median),
        ]
    };
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    let header = ["mode", "median", "fastest", "over f32", "over int8"];
    print!(
        "{}",
        Table::of(&header, 1, rows).render(Layout::Terminal(Screen::PLAIN))
    );
    Ok(())
}
