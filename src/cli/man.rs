//! `man`: the pages of the manual, in the format of man.

use std::path::{Path, PathBuf};

use clap::{Args, Command, ValueHint};
use clap_mangen::Man;
use fmnist_gpu::Error;
use fmnist_gpu::atomic_file::AtomicFile;

use super::{help, terminal};

/// The calls that its help shows.
const EXAMPLES: &help::Examples = &[
    (
        "fmnist-gpu man bench | man -l -",
        "read the page of 'bench'",
    ),
    (
        "fmnist-gpu man --output /usr/local/share/man/man1",
        "install all pages",
    ),
];

/// Print a page of the manual in the format of man
#[derive(Debug, Args)]
#[command(after_help = help::short(EXAMPLES), after_long_help = help::long(EXAMPLES))]
pub struct Arguments {
    /// Command to print the page of [default: the page of fmnist-gpu, which lists all commands]
    #[arg(value_name = "COMMAND", conflicts_with = "output")]
    about: Option<String>,

    /// Write all pages into this folder instead (fmnist-gpu.1, fmnist-gpu-bench.1, …)
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = help::OUTPUT)]
    output: Option<PathBuf>,
}

pub fn run(arguments: &Arguments, mut command: Command) -> anyhow::Result<()> {
    // Each page then has the whole name of its command, and the options of every command.
    command.build();
    if let Some(folder) = &arguments.output {
        return write_all(folder, &command);
    }
    let page = match &arguments.about {
        None => page(&command)?,
        Some(name) => page(find(&command, name)?)?,
    };
    terminal::print(&page)
}

fn find<'a>(command: &'a Command, name: &str) -> Result<&'a Command, Error> {
    command.find_subcommand(name).ok_or_else(|| {
        let names: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
        Error::unknown_name("command", name, names)
    })
}

fn write_all(folder: &Path, command: &Command) -> anyhow::Result<()> {
    let mut written = String::new();
    for one in std::iter::once(command).chain(command.get_subcommands()) {
        let path = folder.join(format!("{}.1", file_name(one)));
        AtomicFile::create(&path)?.commit(page(one)?.as_bytes())?;
        written += &format!("{}\n", path.display());
    }
    terminal::print(&written)
}

/// `fmnist-gpu-bench`: the whole name of a command as one word.
fn file_name(command: &Command) -> String {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    name.replace(' ', "-")
}

fn page(command: &Command) -> anyhow::Result<String> {
    let mut text = Vec::new();
    // The library prints no help of an option that -h leaves to --help.
    let command = command
        .clone()
        .disable_help_subcommand(true)
        .mut_args(|argument| argument.hide_short_help(false));
    let title = file_name(&command);
    Man::new(command).title(title).render(&mut text)?;
    Ok(String::from_utf8(text)?)
}
