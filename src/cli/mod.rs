//! The command line: the only part that prints, exits and blocks on a future. One file for each command.

mod adapters;
mod baselines;
mod bench;
mod calibration;
mod checked;
mod completions;
mod decision;
mod help;
mod interrupt;
mod man;
mod memory;
mod modes;
mod options;
mod other_model;
mod peak;
mod predict;
mod quantize;
mod record;
mod search;
mod shader;
mod shell;
mod terminal;
mod train;
mod verify;
mod watch;

use std::process::ExitCode;

use clap::builder::StyledStr;
use clap::error::ErrorKind;
use clap::{ArgAction, CommandFactory, Parser, Subcommand};
use fmnist_gpu::{Error, host};
use interrupt::{INTERRUPTED, Interrupted};
use terminal::CommonOptions;

/// The calls that the help of the program shows.
const EXAMPLES: &help::Examples = &[
    (
        "fmnist-gpu adapters",
        "list the devices that can run a network",
    ),
    (
        "fmnist-gpu bench",
        "compare f32, f16 and int8 on the best device",
    ),
    (
        "fmnist-gpu bench --model m.safetensors --data DIR",
        "compare them for your own model and images",
    ),
    (
        "fmnist-gpu predict --precision int8 --format csv",
        "classify the built-in test images in int8",
    ),
];

/// Measures the time, memory and accuracy of a neural network in several numeric precisions
#[derive(Debug, Parser)]
#[command(
    name = "fmnist-gpu",
    version,
    max_term_width = help::WIDTH,
    disable_help_subcommand = true,
    disable_help_flag = true,
    disable_version_flag = true,
    arg_required_else_help = false,
    override_usage = "fmnist-gpu [OPTIONS] <COMMAND>",
    after_help = short_after(),
    after_long_help = long_after()
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,

    #[command(flatten)]
    common: CommonOptions,

    /// Print the version
    #[arg(long, short = 'V', action = ArgAction::Version, help_heading = help::OUTPUT, display_order = 1001)]
    version: Option<bool>,
}

/// The exit code if a device is lost or does not answer.
const LOST: u8 = 6;

/// The exit code of a command line that cannot be meant.
const USAGE: u8 = 2;

/// What holds for every command.
const ENVIRONMENT: &str = "
  FMNIST_GPU_CACHE_DIR             folder for tuned kernels and saved results [default: the user's
                                   cache and data folders]
  WGPU_BACKEND, WGPU_ADAPTER_NAME  choose the adapter; --adapter overrides them
  NO_COLOR, CLICOLOR_FORCE         turn colours off or on; --color overrides them
  RUST_LOG                         level of the log of wgpu and the drivers, for example info";

/// What each exit code means.
const EXIT_CODES: &str = "
  0    success
  1    an output cannot be written, or an internal error
  2    the command line is wrong
  3    the adapter or the precision is not available
  4    a check failed, no precision meets every limit, or values overflow
  5    a result is worse than the earlier one, by more than --fail-on-regression allows
  6    the device was lost, ran out of memory or did not answer
  7    a model or data file is missing or invalid
  130  Ctrl-C interrupted the command; the results so far are printed, marked as incomplete";

fn short_after() -> StyledStr {
    let more = "'fmnist-gpu COMMAND -h' shows the main options of a command, '--help' all of them.";
    format!("{}\n\n{more}", help::short(EXAMPLES).ansi()).into()
}

fn long_after() -> StyledStr {
    format!(
        "{}{EXIT_CODES}\n\n{}{ENVIRONMENT}\n\n{}",
        help::heading("Exit codes"),
        help::heading("Environment"),
        help::long(EXAMPLES).ansi(),
    )
    .into()
}

#[derive(Debug, Subcommand)]
enum Command {
    Bench(Box<bench::Arguments>),
    Predict(predict::Arguments),
    Adapters(adapters::Arguments),
    Memory(memory::Arguments),
    Quantize(quantize::Arguments),
    Search(search::Arguments),
    Train(train::Arguments),
    Verify(verify::Arguments),
    Peak(peak::Arguments),
    Shader(shader::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
}

/// Parses, runs, and gives the exit code.
pub fn main() -> ExitCode {
    // Less would end the program before its arguments are read.
    if let Err(error) = host::need("the program itself", 0) {
        terminal::fail(&error.to_string());
        return ExitCode::from(error.exit_code());
    }
    terminal::color_of_arguments(
        std::env::args_os().map(|word| word.to_string_lossy().into_owned()),
    );
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if error.kind() == ErrorKind::MissingSubcommand => {
            terminal::show_start(help::START);
            return ExitCode::from(USAGE);
        }
        Err(error) => error.exit(),
    };
    arguments.common.adopt();
    interrupt::listen();
    let result = match arguments.command {
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Predict(arguments) => predict::run(&arguments),
        Command::Adapters(arguments) => adapters::run(&arguments),
        Command::Memory(arguments) => memory::run(&arguments),
        Command::Quantize(arguments) => quantize::run(&arguments),
        Command::Search(arguments) => search::run(&arguments),
        Command::Train(arguments) => train::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Peak(arguments) => peak::run(&arguments),
        Command::Shader(arguments) => shader::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments, Arguments::command()),
        Command::Man(arguments) => man::run(&arguments, Arguments::command()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if terminal::is_closed(&error) => ExitCode::SUCCESS,
        // The message was printed when the signal came.
        Err(error) if error.is::<Interrupted>() => ExitCode::from(INTERRUPTED),
        Err(error) => {
            // The library's messages are whole; those of other errors are followed by their causes.
            let (message, code) = match error.downcast_ref::<Error>() {
                Some(error) => (error.to_string(), error.exit_code()),
                None => (format!("{error:#}"), 1),
            };
            terminal::fail(&message);
            if code == LOST {
                // The driver may wait for the device as the process ends.
                interrupt::end_now(code);
            }
            ExitCode::from(code)
        }
    }
}
