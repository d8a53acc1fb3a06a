//! Standard output for results, standard error for everything else.

use std::io::{self, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Writes results.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| anyhow::Error::new(error).context("cannot write to standard output"))
}

/// Writes a line to standard error. Where even that fails, there is nobody left to tell.
pub fn tell(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Whether an error only means that the reader of our output has seen enough.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::BrokenPipe)
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
