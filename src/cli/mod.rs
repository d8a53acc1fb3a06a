//! The command line: the only room that prints, exits and blocks on a future. One file a subcommand.

mod adapters;
mod bench;
mod calibration;
mod checked;
mod completions;
mod decision;
mod interrupt;
mod man;
mod memory;
mod modes;
mod options;
mod peak;
mod predict;
mod quantize;
mod record;
mod search;
mod shader;
mod terminal;
mod train;
mod verify;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use fmnist_gpu::Error;
use interrupt::{INTERRUPTED, Interrupted};
use terminal::Manners;

/// Measures a dense network in float32, float16 and int8 compute shaders, on any adapter.
#[derive(Debug, Parser)]
#[command(
    name = "fmnist-gpu",
    version,
    max_term_width = 100,
    disable_help_subcommand = true,
    after_help = AFTER
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,

    #[command(flatten)]
    manners: Manners,
}

/// The exit code where a device is lost, or silent.
const LOST: u8 = 6;

/// What holds for every command.
const AFTER: &str = "\
Exit codes:
  0    well
  1    an output cannot be written, or an internal error
  2    usage
  3    adapter or precision not available
  4    a check failed, a limit is not met, or f16 overflows
  5    a regression gate failed
  6    device lost, out of memory, no answer
  7    a missing or bad model or data file
  130  interrupted: what was measured so far is kept, and marked

Environment:
  FMNIST_GPU_CACHE_DIR             a folder for tuned kernels and baselines, not the user's own
  WGPU_BACKEND, WGPU_ADAPTER_NAME  as --adapter, which beats them
  NO_COLOR, CLICOLOR_FORCE         no colours, and colours always; --color beats them
  RUST_LOG                         what wgpu and the drivers say, for example info";

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
    Verify(verify::Arguments),
    Shader(shader::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
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
        Command::Quantize(arguments) => quantize::run(&arguments),
        Command::Search(arguments) => search::run(&arguments),
        Command::Train(arguments) => train::run(&arguments),
        Command::Memory(arguments) => memory::run(&arguments),
        Command::Peak(arguments) => peak::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Shader(arguments) => shader::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments, Arguments::command()),
        Command::Man(arguments) => man::run(&arguments, Arguments::command()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if terminal::is_closed(&error) => ExitCode::SUCCESS,
        // It was told when it came.
        Err(error) if error.is::<Interrupted>() => ExitCode::from(INTERRUPTED),
        Err(error) => {
            // The library's messages are whole; other errors tell their cause behind them.
            let (message, code) = match error.downcast_ref::<Error>() {
                Some(error) => (error.to_string(), error.exit_code()),
                None => (format!("{error:#}"), 1),
            };
            terminal::fail(&message);
            if code == LOST {
                // Its driver may wait for it as the process ends.
                interrupt::end_now(code);
            }
            ExitCode::from(code)
        }
    }
}
