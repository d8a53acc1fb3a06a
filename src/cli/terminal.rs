//! Standard output for results, standard error for everything else, and the options for both.

use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use clap::{ArgAction, Args, ColorChoice};
use fmnist_gpu::host;
use fmnist_gpu::report::{Layout, Screen};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use terminal_size::Width;

use super::help;

/// These options come after those of a command.
const LAST: usize = 1000;

/// The options of every command.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = help::OUTPUT)]
pub struct CommonOptions {
    /// Colours in the output: auto uses them on a terminal unless NO_COLOR is set
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_short_help = true,
        display_order = LAST
    )]
    color: ColorChoice,

    /// Print only errors on standard error: no progress, no notes, no warnings
    #[arg(
        long,
        short,
        global = true,
        hide_short_help = true,
        display_order = LAST
    )]
    quiet: bool,

    /// Print help: -h shows the main options, --help all of them
    #[arg(long, short, global = true, action = ArgAction::Help, display_order = LAST)]
    help: Option<bool>,
}

/// Whether only errors are printed on standard error. Set once, before any command runs.
static QUIET: OnceLock<bool> = OnceLock::new();

/// The narrowest table: a narrower one cannot be read.
const NARROWEST: u16 = 20;

/// The reader of standard output has closed it, which is no error and needs no message. The same failure of an
/// `--output` file loses a result, so this is a type of its own.
#[derive(Debug, thiserror::Error)]
#[error("standard output is closed")]
struct Closed;

impl CommonOptions {
    /// Takes effect on everything that is printed from here on, logs included.
    pub fn adopt(self) {
        choose_color(self.color);
        // Drivers and wgpu log problems that the user did not cause; RUST_LOG shows them.
        let mut logger = env_logger::Builder::new();
        if self.quiet {
            logger.parse_filters("off,fmnist_gpu=error");
        } else {
            let usual = env_logger::Env::default().default_filter_or("off,fmnist_gpu=warn");
            logger.parse_env(usual);
        }
        logger.init();
        // The only place that sets it, called once.
        let _ = QUIET.set(self.quiet);
    }
}

/// Looks for `--color` before the arguments are parsed, since their help and errors have colours too.
pub fn color_of_arguments(arguments: impl Iterator<Item = String>) {
    let arguments: Vec<String> = arguments.collect();
    let pairs = arguments.windows(2).filter(|pair| pair[0] == "--color");
    let values = arguments
        .iter()
        .filter_map(|one| one.strip_prefix("--color="));
    let named = pairs.map(|pair| pair[1].as_str()).chain(values);
    if let Some(Ok(color)) = named.last().map(str::parse) {
        choose_color(color);
    }
}

fn choose_color(color: ColorChoice) {
    let choice = match color {
        // The library would believe a CI's variables even there.
        ColorChoice::Auto if std::env::var_os("TERM").is_some_and(|term| term == "dumb") => {
            anstream::ColorChoice::Never
        }
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
    };
    choice.write_global();
}

fn is_quiet() -> bool {
    QUIET.get().copied().unwrap_or(false)
}

/// How tables are drawn on standard output: as wide as its terminal, or as wide as in a file.
pub fn layout() -> Layout {
    let stdout = io::stdout();
    let color = AutoStream::choice(&stdout) != anstream::ColorChoice::Never;
    let terminal = stdout.is_terminal();
    let width = terminal
        .then(|| terminal_size::terminal_size_of(&stdout))
        .flatten();
    let width = width.map_or(Screen::PLAIN.width, |(Width(width), _)| {
        width.max(NARROWEST)
    });
    Layout::Terminal(Screen { width, color })
}

/// Writes results.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Closed.into(),
        _ => anyhow::Error::new(error).context("cannot write to standard output"),
    })
}

/// Writes a line to standard error unless `--quiet` is given. A failure is ignored: nothing is left to report it on.
pub fn note(line: &str) {
    if !is_quiet() {
        let _ = writeln!(io::stderr().lock(), "{line}");
    }
}

/// Writes how to start to standard error.
pub fn show_start(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Writes an error to standard error.
pub fn fail(message: &str) {
    let style: Style = AnsiColor::Red.on_default().bold();
    let mut err = AutoStream::auto(io::stderr().lock());
    let _ = writeln!(err, "{style}error:{style:#} {message}");
}

/// Whether an error only means that the reader of standard output has closed it.
pub fn is_closed(error: &anyhow::Error) -> bool {
    error.is::<Closed>()
}

/// A spinner on standard error that says what the command waits for. It is shown on a terminal only.
pub fn spinner(message: &'static str) -> ProgressBar {
    let spinner = ProgressBar::with_draw_target(None, target());
    spinner.set_message(message);
    if spinner.is_hidden() {
        return spinner;
    }
    // The library's own ticker panics where its thread does not start; without this one the spinner stands still.
    spinner.tick();
    let turned = spinner.downgrade();
    let turn = move || {
        while let Some(spinner) = turned.upgrade().filter(|spinner| !spinner.is_finished()) {
            spinner.tick();
            drop(spinner);
            thread::sleep(Duration::from_millis(100));
        }
    };
    if let Err(error) = host::spawn("spinner", turn) {
        log::debug!("the spinner does not turn: {error}");
    }
    spinner
}

/// A progress bar on standard error, shown on a terminal only.
pub fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(1), target());
    // The template is a constant and known to be right; the default would serve as well.
    if let Ok(style) = ProgressStyle::with_template("{msg:48} {wide_bar} {percent:>3}%") {
        bar.set_style(style);
    }
    bar
}

fn target() -> ProgressDrawTarget {
    if is_quiet() {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
    }
}
