//! Classifies images for minutes on end in one process, as a server would: every precision and scheme, batches of
//! changing sizes, networks that live and networks that are loaded again and again. Prints what the process holds in
//! memory after each minute, in Markdown, and fails where that grows or where an output is ever another.
//!
//! ```sh
//! cargo run --release --example soak -- cpu 20      # an adapter, as --adapter means it, and minutes
//! ```
#![expect(clippy::print_stdout, reason = "a program")]

mod work;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fmnist_gpu::{Engine, EngineOptions};
use pollster::block_on;
use work::{Soak, most, quarters, resident_bytes};

/// What the last quarter may hold beside 2% more than the second.
const ALLOWANCE: u64 = 1 << 20;

/// Images of the test split that every network classifies in batches of each size.
const IMAGES: usize = 333;

fn main() -> Result<ExitCode> {
    #[expect(unsafe_code, reason = "the environment is this process's own")]
    // SAFETY: there is no other thread yet.
    unsafe {
        fmnist_gpu::gpu::quiet_drivers();
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [adapter, minutes] = arguments.as_slice() else {
        bail!("soak ADAPTER MINUTES, for example: soak cpu 20");
    };
    let minutes: u32 = minutes.parse().context("the minutes are a number")?;
    let options = EngineOptions {
        adapter: Some(adapter.parse()?),
        ..EngineOptions::default()
    };
    let mut soak = block_on(Soak::new(block_on(Engine::open(&options))?, IMAGES))?;
    let info = soak.engine().info();
    println!("Adapter: {info}, {}; driver {}", info.backend, info.driver);
    println!("Modes: {}\n", soak.modes());
    println!("| minute | cycles | images | resident MiB |\n|---:|---:|---:|---:|");
    let begin = Instant::now();
    let mut held = Vec::new();
    for minute in 1..=minutes {
        while begin.elapsed() < Duration::from_secs(60) * minute {
            block_on(soak.cycle())?;
        }
        let bytes = resident_bytes().context("this system does not say what a process holds")?;
        held.push(bytes);
        println!(
            "| {minute} | {} | {} | {:.2} |",
            soak.cycles,
            soak.classified,
            mebibytes(bytes)
        );
    }
    println!(
        "\n{:.1} s; outputs of all {} cycles the same: `{}`",
        begin.elapsed().as_secs_f64(),
        soak.cycles,
        soak.hash()
    );
    Ok(verdict(&held))
}

/// Says whether memory was flat.
fn verdict(held: &[u64]) -> ExitCode {
    let Some((early, late)) = quarters(held) else {
        println!("Memory: no verdict of less than eight minutes");
        return ExitCode::SUCCESS;
    };
    let most = most(early, ALLOWANCE);
    let flat = late <= most;
    println!(
        "Memory: {}. The median of the last quarter of the minutes is {:.2} MiB, that of the second {:.2} MiB; \
         flat is up to 2% and 1 MiB more, {:.2} MiB.",
        if flat { "flat" } else { "GROWS" },
        mebibytes(late),
        mebibytes(early),
        mebibytes(most)
    );
    if flat {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
