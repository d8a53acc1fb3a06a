//! What a run of `bench` leaves: rows on the screen and in the files as they come, and the end of both,
//! also where it is an early one.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fmnist_gpu::Error;
use fmnist_gpu::atomic_file::AtomicFile;
use fmnist_gpu::bench::{self, Finished};
use fmnist_gpu::report::{self, Document, Format, Layout};
use fmnist_gpu::results::{Budget, Changed, ControlWorkload, Row};
use indicatif::ProgressBar;

use super::interrupt::{self, Early};
use super::terminal;

/// Why a run without an error or an interrupt has not measured everything.
const UNREAD: &str = "nobody read the results any more";

/// The files of a run, opened before anything is measured.
pub struct Outputs(Vec<(Format, AtomicFile)>);

impl Outputs {
    /// Tries the way to every file.
    pub fn open(paths: &[PathBuf]) -> Result<Self, Error> {
        let open = |path: &PathBuf| Ok((Format::of_path(path)?, AtomicFile::create(path)?));
        paths.iter().map(open).collect::<Result<_, _>>().map(Self)
    }

    /// Writes each file in its format.
    pub fn write(self, text: impl Fn(Format) -> Result<String, Error>) -> Result<(), Error> {
        for (format, file) in self.0 {
            file.commit(text(format)?.as_bytes())?;
        }
        Ok(())
    }
}

/// A run that is being measured. An interrupt ends it from a thread of its own, so that it is shared.
#[derive(Clone)]
pub struct Record(Arc<Mutex<State>>);

struct State {
    document: Document,
    outputs: Vec<(Format, AtomicFile)>,
    format: Format,
    layout: Layout,
    /// Puts what follows from the rows into the document.
    conclude: Box<dyn Fn(&mut Document) + Send>,
    /// The rows of the last batch size, until they are finished.
    pending: Option<Pending>,
    /// What is printed suspends it.
    bar: ProgressBar,
    /// Whether the table's head was printed.
    opened: bool,
    printed: anyhow::Result<()>,
    ended: bool,
}

/// What was measured of one batch size.
struct Pending {
    rows: Vec<Row>,
    changed: Changed,
    control_workloads: Vec<ControlWorkload>,
    left: Vec<usize>,
}

impl Record {
    /// A run without rows yet; from here on an interrupt keeps what it has.
    pub fn new(
        document: Document,
        format: Format,
        outputs: Outputs,
        bar: ProgressBar,
        conclude: impl Fn(&mut Document) + Send + 'static,
    ) -> Self {
        let state = State {
            document,
            outputs: outputs.0,
            format,
            layout: terminal::layout(),
            conclude: Box::new(conclude),
            pending: None,
            bar,
            opened: false,
            printed: Ok(()),
            ended: false,
        };
        let record = Self(Arc::new(Mutex::new(state)));
        let interrupted = record.clone();
        interrupt::before_end(move |early| interrupted.end_early(early));
        record
    }

    /// Prints what stands over the first table.
    pub fn open(&self) {
        self.state().open();
    }

    /// Takes rows that are still to be explained, should the end come before that.
    pub fn measured(&self, batch: &Finished<'_>) {
        self.state().pending = Some(Pending {
            rows: batch.rows.to_vec(),
            changed: batch.changed.clone(),
            control_workloads: batch.control_workloads.to_vec(),
            left: batch.left.to_vec(),
        });
    }

    /// Takes the rows of a batch size: they are printed, and every file has them.
    pub fn finished(&self, batch: &Finished<'_>) {
        self.state().finished(batch);
    }

    /// Whether nobody would see further rows.
    pub fn is_unread(&self) -> bool {
        let state = self.state();
        state.printed.is_err() && state.outputs.is_empty()
    }

    /// The end: files and standard output get the rest. `why` it is an early one, in words; `budget`, what a
    /// memory limit came to.
    pub fn end(&self, why: Option<String>, budget: Option<Budget>) -> anyhow::Result<()> {
        let mut state = self.state();
        state.document.memory_limit = budget;
        state.end(why)
    }

    /// What was measured.
    pub fn document(&self) -> Document {
        self.state().document.clone()
    }

    fn end_early(&self, early: &Early) {
        interrupt::wait(early.patience, || {
            self.0.try_lock().is_ok_and(|state| state.ended)
        });
        let mut state = self.state();
        if !state.ended {
            match state.end_early(&early.why) {
                Err(error) if !terminal::is_closed(&error) => terminal::fail(&format!("{error:#}")),
                _ => {}
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere takes nothing from the rows that are there.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn print(&mut self, text: &str) {
        if self.printed.is_ok() {
            self.printed = self.bar.suspend(|| terminal::print(text));
        }
    }

    fn open(&mut self) {
        if !self.opened && self.format == Format::Table {
            self.print(&report::opening(&self.document, self.layout));
        }
        self.opened = true;
    }

    fn finished(&mut self, batch: &Finished<'_>) {
        self.pending = None;
        let document = &mut self.document;
        document.add(batch.rows, batch.changed, batch.control_workloads);
        document.missing_batches = batch.left.to_vec();
        document.incomplete = Some("still being measured when this was written".to_owned());
        if self.format == Format::Table {
            let table = report::rows_table(batch.rows, self.layout);
            self.print(&format!("\n{table}"));
        }
        if self.outputs.is_empty() {
            return;
        }
        (self.conclude)(&mut self.document);
        // So that something is there whatever ends the process. What cannot be written now is tried again
        // at the end, which tells it.
        for (format, file) in &self.outputs {
            if let Ok(text) = report::render(&self.document, *format) {
                let _ = file.update(text.as_bytes());
            }
        }
    }

    /// Without any row, nothing is printed or written.
    fn end_early(&mut self, why: &str) -> anyhow::Result<()> {
        self.bar.finish_and_clear();
        if let Some(mut pending) = self.pending.take() {
            bench::explain(&mut pending.rows);
            self.finished(&Finished {
                rows: &pending.rows,
                changed: &pending.changed,
                control_workloads: &pending.control_workloads,
                left: &pending.left,
            });
        }
        if self.document.results.is_empty() {
            self.ended = true;
            return Ok(());
        }
        self.end(Some(why.to_owned()))
    }

    fn end(&mut self, why: Option<String>) -> anyhow::Result<()> {
        self.ended = true;
        self.bar.finish_and_clear();
        // What was left out was left out for want of a reader.
        let left = !self.document.missing_batches.is_empty();
        self.document.incomplete = why.or_else(|| left.then(|| UNREAD.to_owned()));
        (self.conclude)(&mut self.document);
        if self.format != Format::Table {
            self.printed = report::render(&self.document, self.format)
                .map_err(Into::into)
                .and_then(|text| terminal::print(&text));
        } else if !self.document.results.is_empty() {
            let closing = report::closing(&self.document, self.layout);
            self.print(&format!("\n{closing}"));
        }
        // Without any row, an older file is worth more.
        if self.document.incomplete.is_some() && self.document.results.is_empty() {
            self.outputs.clear();
        }
        let mut written = Ok(());
        for (format, file) in self.outputs.drain(..) {
            let text = report::render(&self.document, format);
            // One file that cannot be written takes nothing from the others.
            written = written.and(text.and_then(|text| file.commit(text.as_bytes())));
        }
        written?;
        std::mem::replace(&mut self.printed, Ok(()))
    }
}
