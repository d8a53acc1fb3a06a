//! The command line: the only room that prints, exits and blocks on a future. One file a subcommand.

mod adapters;
mod bench;
mod interrupt;
mod memory;
mod options;
mod peak;
mod predict;
mod record;
mod terminal;
mod train;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use fmnist_gpu::Error;
use interrupt::{INTERRUPTED, Interrupted};
use terminal::Manners;

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

    #[command(flatten)]
    manners: Manners,
}

#[derive(Debug, Subcommand)]
enum Command {
    Adapters(adapters::Arguments),
    Bench(bench::Arguments),
    Predict(predict::Arguments),
    Train(train::Arguments),
    Memory(memory::Arguments),
    Peak(peak::Arguments),
}

/// Parses, runs, and gives the exit code.
pub fn main() -> ExitCode {
    terminal::color_of_arguments(
        std::env::args_os().map(|word| word.to_string_lossy().into_owned()),
    );
    let arguments = Arguments::parse();
    arguments.manners.adopt();
    interrupt::listen();
    let result = match arguments.command {
        Command::Adapters(arguments) => adapters::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Predict(arguments) => predict::run(&arguments),
        Command::Train(arguments) => train::run(&arguments),
        Command::Memory(arguments) => memory::run(&arguments),
        Command::Peak(arguments) => peak::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if terminal::is_closed(&error) => ExitCode::SUCCESS,
        Err(error) if error.is::<Interrupted>() => {
            terminal::tell(&error.to_string());
            ExitCode::from(INTERRUPTED)
        }
        Err(error) => {
            // The library's messages are whole; other errors tell their cause behind them.
            let (message, code) = match error.downcast_ref::<Error>() {
                Some(error) => (error.to_string(), error.exit_code()),
                None => (format!("{error:#}"), 1),
            };
            terminal::fail(&message);
            ExitCode::from(code)
        }
    }
}
