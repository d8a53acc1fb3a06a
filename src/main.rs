//! The command `fmnist-gpu`: parse, run, exit code.

use std::process::ExitCode;

mod cli;

fn main() -> ExitCode {
    cli::quiet_drivers();
    cli::main()
}
