//! Standard output for results, standard error for everything else.

use std::io::{self, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The reader of our standard output has seen enough: no fault, and nothing to tell. A type of its
/// own, since the same thing behind an `--output` is a result that was lost.
#[derive(Debug, thiserror::Error)]
#[error("standard output is closed")]
struct Closed;

/// Writes results.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Closed.into(),
        _ => anyhow::Error::new(error).context("cannot write to standard output"),
    })
}

/// Writes a line to standard error. Where even that fails, there is nobody left to tell.
pub fn tell(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Whether an error only means that the reader of our standard output has seen enough.
pub fn is_closed(error: &anyhow::Error) -> bool {
    error.is::<Closed>()
}

/// What is being waited for, without a measure of it; on standard error, on a terminal only.
pub fn spinner(message: &'static str) -> ProgressBar {
    let spinner = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    spinner.set_message(message);
    spinner.enable_steady_tick(Duration::from_millis(100));
    spinner
}

/// A progress bar on standard error, shown on a terminal only.
pub fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr());
    // The template is a constant and known to be right; the default would serve as well.
    if let Ok(style) = ProgressStyle::with_template("{msg:32} {wide_bar} {percent:>3}%") {
        bar.set_style(style);
    }
    bar
}
