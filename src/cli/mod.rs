//! The command line: the only room that prints, exits and blocks on a future. One file a subcommand.

mod adapters;
mod bench;
mod calibration;
mod decision;
mod memory;
mod modes;
mod options;
mod peak;
mod predict;
mod quantize;
mod search;
mod terminal;
mod train;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use fmnist_gpu::Error;

/// Measures a dense network in float32, float16 and int8 compute shaders, on any adapter.
#[derive(Debug, Parser)]
#[command(
    name = "fmnist-gpu",
    version,
    max_term_width = 100,
    disable_help_subcommand = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Adapters(adapters::Arguments),
    Bench(Box<bench::Arguments>),
    Predict(predict::Arguments),
    Quantize(quantize::Arguments),
    Search(search::Arguments),
    Train(train::Arguments),
    Memory(memory::Arguments),
    Peak(peak::Arguments),
}

/// The exit code of a program that was interrupted: 128 and the number of the signal.
const INTERRUPTED: u8 = 130;

/// Ends the process. What was printed so far is out: every result is flushed as it is printed.
///
/// The C library's exit handlers are left out where that can be: those of a driver may crash while
/// its threads are still at work.
fn end_now(code: u8) {
    #[cfg(unix)]
    #[expect(unsafe_code, reason = "the standard library's exit runs the handlers")]
    // SAFETY: `_exit` takes any number and does not return.
    unsafe {
        libc::_exit(i32::from(code))
    }
    #[cfg(not(unix))]
    std::process::exit(i32::from(code))
}

/// Parses, runs, and gives the exit code.
pub fn main() -> ExitCode {
    // Drivers and wgpu log what is no fault of the user's; RUST_LOG shows it.
    let environment = env_logger::Env::default().default_filter_or("off,fmnist_gpu=warn");
    env_logger::Builder::from_env(environment).init();
    let arguments = Arguments::parse();
    if let Err(error) = ctrlc::set_handler(|| end_now(INTERRUPTED)) {
        log::warn!("an interrupt will not be answered with exit code {INTERRUPTED}: {error}");
    }
    let result = match arguments.command {
        Command::Adapters(arguments) => adapters::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Predict(arguments) => predict::run(&arguments),
        Command::Quantize(arguments) => quantize::run(&arguments),
        Command::Search(arguments) => search::run(&arguments),
        Command::Train(arguments) => train::run(&arguments),
        Command::Memory(arguments) => memory::run(&arguments),
        Command::Peak(arguments) => peak::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if terminal::is_closed(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // The library's messages are whole; other errors tell their cause behind them.
            let (message, code) = match error.downcast_ref::<Error>() {
                Some(error) => (error.to_string(), error.exit_code()),
                None => (format!("{error:#}"), 1),
            };
            terminal::tell(&format!("error: {message}"));
            ExitCode::from(code)
        }
    }
}
