//! What a run of `verify` prints and writes, also if it ends early.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use fmnist_gpu::report::{Compared, OutputFormat, VerifyDocument, VerifyEnd, VerifySubject};
use fmnist_gpu::verify::{CheckRow, NumericsReport, VerifyResult};
use indicatif::ProgressBar;

use super::interrupt::{self, Early};
use super::record::Outputs;
use super::terminal;

/// A run in progress. It is shared, since an interrupt ends it from another thread.
#[derive(Clone)]
pub struct RunningChecks(Arc<Mutex<ChecksState>>);

/// What is known before the first check, and where the result goes.
pub struct VerifyStart {
    pub subject: VerifySubject,
    pub numerics: NumericsReport,
    pub compared: Option<Compared>,
    pub outputs: Outputs<OutputFormat>,
    pub format: OutputFormat,
    pub bar: ProgressBar,
    pub started: Instant,
}

struct ChecksState {
    /// None once it was printed.
    beginning: Option<VerifyStart>,
    result: VerifyResult,
}

impl RunningChecks {
    /// A run without checks yet. From here on an interrupt keeps the checks so far.
    pub fn new(beginning: VerifyStart) -> Self {
        let checked = Self(Arc::new(Mutex::new(ChecksState {
            beginning: Some(beginning),
            result: VerifyResult::default(),
        })));
        let interrupted = checked.clone();
        interrupt::before_end(move |early| interrupted.end_early(early));
        checked
    }

    /// Adds a finished check, at its place among all.
    pub fn add(&self, place: usize, row: CheckRow, int8_sums: Option<String>) {
        self.state().result.add(place, row, int8_sums);
    }

    /// The end: prints and writes the checks. `why` is the reason of an early end.
    pub fn end(&self, why: Option<String>) -> anyhow::Result<()> {
        self.state().end(why)
    }

    /// Fails if a check failed.
    pub fn verdict(&self) -> fmnist_gpu::Result<()> {
        self.state().result.verdict()
    }

    fn end_early(&self, early: &Early) {
        match self.end(Some(early.why.clone())) {
            Err(error) if !terminal::is_closed(&error) => terminal::fail(&format!("{error:#}")),
            _ => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, ChecksState> {
        // The finished checks stay valid if another thread panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ChecksState {
    /// Without any check, an early end keeps older files.
    fn end(&mut self, why: Option<String>) -> anyhow::Result<()> {
        let Some(beginning) = self.beginning.take() else {
            return Ok(());
        };
        beginning.bar.finish_and_clear();
        if why.is_some() && self.result.rows.is_empty() {
            return Ok(());
        }
        let end = VerifyEnd {
            incomplete: why,
            took: beginning.started.elapsed(),
        };
        let document = VerifyDocument::new(
            beginning.subject,
            &self.result,
            beginning.numerics,
            beginning.compared,
            end,
        );
        let written = beginning.outputs.write(|format| document.file(format));
        let text = document.render(beginning.format, terminal::layout());
        let printed = text
            .map_err(Into::into)
            .and_then(|text| terminal::print(&text));
        written?;
        printed
    }
}
