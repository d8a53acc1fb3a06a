//! What a run of `verify` leaves: what was checked, on the screen and in the files, also where the end is an early
//! one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use fmnist_gpu::report::{Compared, Format, VerifyDocument, VerifyEnd, VerifySubject};
use fmnist_gpu::verify::{NumericsReport, Outcome, Row};
use indicatif::ProgressBar;

use super::interrupt::{self, Early};
use super::record::Outputs;
use super::terminal;

/// A run that is under way. An interrupt ends it from a thread of its own, so that it is shared.
#[derive(Clone)]
pub struct Checked(Arc<Mutex<State>>);

/// What is known before anything is checked, and where all of it goes.
pub struct Beginning {
    pub subject: VerifySubject,
    pub numerics: NumericsReport,
    pub compared: Option<Compared>,
    pub outputs: Outputs,
    pub format: Format,
    pub bar: ProgressBar,
    pub started: Instant,
}

struct State {
    /// None once it was told.
    beginning: Option<Beginning>,
    outcome: Outcome,
}

impl Checked {
    /// A run without checks yet; from here on an interrupt keeps what it has.
    pub fn new(beginning: Beginning) -> Self {
        let checked = Self(Arc::new(Mutex::new(State {
            beginning: Some(beginning),
            outcome: Outcome::default(),
        })));
        let interrupted = checked.clone();
        interrupt::before_end(move |early| interrupted.end_early(early));
        checked
    }

    /// Takes a check that was made, which has this place among all.
    pub fn add(&self, place: usize, row: Row, int8_sums: Option<String>) {
        self.state().outcome.add(place, row, int8_sums);
    }

    /// The end: files and standard output get what was checked. `why` it is an early one, in words.
    pub fn end(&self, why: Option<String>) -> anyhow::Result<()> {
        self.state().end(why)
    }

    /// What the checks come to.
    pub fn verdict(&self) -> fmnist_gpu::Result<()> {
        self.state().outcome.verdict()
    }

    fn end_early(&self, early: &Early) {
        match self.end(Some(early.why.clone())) {
            Err(error) if !terminal::is_closed(&error) => terminal::fail(&format!("{error:#}")),
            _ => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere takes nothing from the checks that were made.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Without any check, an early end leaves older files as they were.
    fn end(&mut self, why: Option<String>) -> anyhow::Result<()> {
        let Some(beginning) = self.beginning.take() else {
            return Ok(());
        };
        beginning.bar.finish_and_clear();
        if why.is_some() && self.outcome.rows.is_empty() {
            return Ok(());
        }
        let end = VerifyEnd {
            incomplete: why,
            took: beginning.started.elapsed(),
        };
        let document = VerifyDocument::new(
            beginning.subject,
            &self.outcome,
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
