//! How help is written: its headings, the examples of each command, and what a call without arguments says.

use std::fmt::Write;

use clap::Command;
use clap::builder::StyledStr;

/// The headings that options stand under, in the order in which `--help` has them.
pub const MODEL: &str = "Model and data";
/// What a network is computed in.
pub const PRECISION: &str = "Precision";
/// What runs it.
pub const DEVICE: &str = "Device";
/// What is measured, and for how long.
pub const MEASUREMENT: &str = "Measurement";
/// What turns a measurement into a decision.
pub const DECISION: &str = "Limits and comparison";
/// What is printed and written.
pub const OUTPUT: &str = "Output";
/// What few people need.
pub const ADVANCED: &str = "Advanced";

/// What a call without arguments says.
pub const START: &str = "\
fmnist-gpu measures the time, memory and accuracy of a neural network in several numeric precisions.

To start:
  fmnist-gpu adapters                        # list the devices that can run a network
  fmnist-gpu bench                           # compare f32, f16 and int8 on the best device
  fmnist-gpu bench --model m.safetensors     # compare them for your own model

'fmnist-gpu --help' lists all commands. 'fmnist-gpu COMMAND --help' lists all options of a command.
";

/// The calls of a command that its help shows, each with what it does. `-h` has the first two.
pub type Examples = [(&'static str, &'static str)];

/// What `-h` ends with.
pub fn short(examples: &Examples) -> StyledStr {
    section(&examples[..examples.len().min(2)])
}

/// What `--help` ends with.
pub fn long(examples: &Examples) -> StyledStr {
    section(examples)
}

/// Help is at most this wide.
pub const WIDTH: usize = 100;

/// The examples as a shell takes them. What a call does follows as a comment, or stands above it if a line would be
/// too long.
fn section(examples: &Examples) -> StyledStr {
    let lengths = examples.iter().map(|(call, _)| call.len());
    let width = lengths.max().unwrap_or(0);
    let beside =
        (examples.iter()).all(|(_, does)| "  ".len() + width + "  # ".len() + does.len() <= WIDTH);
    let mut text = heading("Examples");
    for (call, does) in examples {
        // Writing to a string cannot fail.
        let _ = if beside {
            write!(text, "\n  {call:width$}  # {does}")
        } else {
            write!(text, "\n  # {does}\n  {call}")
        };
    }
    text.into()
}

/// A heading in the style that clap gives its own.
pub fn heading(name: &str) -> String {
    let styles = Command::new("").get_styles().clone();
    let header = styles.get_header();
    format!("{header}{name}:{header:#}")
}

#[cfg(test)]
mod tests;
