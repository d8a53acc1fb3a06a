//! `completions`: a script that lets a shell complete the commands and their options.

use clap::{Args, Command};
use clap_complete::{Shell, generate};

use super::terminal;

/// Prints a script with which a shell completes commands and options.
///
/// bash: fmnist-gpu completions bash > ~/.local/share/bash-completion/completions/fmnist-gpu;
/// zsh: … zsh > _fmnist-gpu in a folder of $fpath; fish: … fish > ~/.config/fish/completions/fmnist-gpu.fish
#[derive(Debug, Args)]
pub struct Arguments {
    /// The shell
    shell: Shell,
}

pub fn run(arguments: &Arguments, mut command: Command) -> anyhow::Result<()> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    generate(arguments.shell, &mut command, name, &mut script);
    terminal::print(&String::from_utf8(script)?)
}
