//! `completions`: a script that lets a shell complete the commands and their options.

use clap::{Args, Command};
use clap_complete::{Shell, generate};

use super::{help, terminal};

/// The calls that its help shows.
const EXAMPLES: &help::Examples = &[
    (
        "fmnist-gpu completions bash > ~/.local/share/bash-completion/completions/fmnist-gpu",
        "for bash",
    ),
    (
        "fmnist-gpu completions fish > ~/.config/fish/completions/fmnist-gpu.fish",
        "for fish",
    ),
    (
        "fmnist-gpu completions zsh > _fmnist-gpu",
        "for zsh, in a folder of $fpath",
    ),
];

/// Print a script that makes a shell complete commands and options
#[derive(Debug, Args)]
#[command(after_help = help::short(EXAMPLES), after_long_help = help::long(EXAMPLES))]
pub struct Arguments {
    /// Shell to print the script for
    shell: Shell,
}

pub fn run(arguments: &Arguments, mut command: Command) -> anyhow::Result<()> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    generate(arguments.shell, &mut command, name, &mut script);
    terminal::print(&String::from_utf8(script)?)
}
