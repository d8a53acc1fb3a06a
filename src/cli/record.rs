//! What a run of `bench` prints and writes: rows as they come, and the end of the result, also if it comes early.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fmnist_gpu::Error;
use fmnist_gpu::atomic_file::AtomicFile;
use fmnist_gpu::bench::{self, Finished};
use fmnist_gpu::report::{self, Document, Layout, OutputFormat};
use fmnist_gpu::results::{Budget, Changed, ControlWorkload, Row};
use indicatif::ProgressBar;

use super::interrupt::{self, Early};
use super::terminal;

/// Why a run without an error or an interrupt is incomplete.
const UNREAD: &str = "standard output was closed";

/// The files of a run, opened before anything is measured.
pub struct Outputs(Vec<(OutputFormat, AtomicFile)>);

impl Outputs {
    /// Opens each file, so that one that cannot be written is an error at once.
    pub fn open(paths: &[PathBuf]) -> Result<Self, Error> {
        let open = |path: &PathBuf| Ok((OutputFormat::of_path(path)?, AtomicFile::create(path)?));
        paths.iter().map(open).collect::<Result<_, _>>().map(Self)
    }

    /// Writes each file in its format.
    pub fn write(self, text: impl Fn(OutputFormat) -> Result<String, Error>) -> Result<(), Error> {
        for (format, file) in self.0 {
            file.commit(text(format)?.as_bytes())?;
        }
        Ok(())
    }
}

/// A run in progress. It is shared, since an interrupt ends it from another thread.
#[derive(Clone)]
pub struct Record(Arc<Mutex<RecordState>>);

struct RecordState {
    document: Document,
    outputs: Vec<(OutputFormat, AtomicFile)>,
    format: OutputFormat,
    layout: Layout,
    /// Adds the conclusions from the rows to the document.
    conclude: Box<dyn Fn(&mut Document) + Send>,
    /// The rows of the last batch size, until they are complete.
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
    /// A run without rows yet. From here on an interrupt keeps the rows so far.
    pub fn new(
        document: Document,
        format: OutputFormat,
        outputs: Outputs,
        bar: ProgressBar,
        conclude: impl Fn(&mut Document) + Send + 'static,
    ) -> Self {
        let state = RecordState {
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

    /// Prints the lines above the first table.
    pub fn open(&self) {
        self.state().open();
    }

    /// Keeps rows that are not explained yet, in case the run ends before they are.
    pub fn measured(&self, batch: &Finished<'_>) {
        self.state().pending = Some(Pending {
            rows: batch.rows.to_vec(),
            changed: batch.changed.clone(),
            control_workloads: batch.control_workloads.to_vec(),
            left: batch.left.to_vec(),
        });
    }

    /// Adds the rows of a batch size: prints them and updates every file.
    pub fn finished(&self, batch: &Finished<'_>) {
        self.state().finished(batch);
    }

    /// Whether further rows would not be seen by anyone.
    pub fn is_unread(&self) -> bool {
        let state = self.state();
        state.printed.is_err() && state.outputs.is_empty()
    }

    /// The end: prints and writes the rest. `why` is the reason of an early end, and `budget` the result under a memory
    /// limit.
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

    fn state(&self) -> MutexGuard<'_, RecordState> {
        // The rows stay valid if another thread panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RecordState {
    fn print(&mut self, text: &str) {
        if self.printed.is_ok() {
            self.printed = self.bar.suspend(|| terminal::print(text));
        }
    }

    fn open(&mut self) {
        if !self.opened && self.format == OutputFormat::Table {
            self.print(&report::opening(&self.document, self.layout));
        }
        self.opened = true;
    }

    fn finished(&mut self, batch: &Finished<'_>) {
        self.pending = None;
        let document = &mut self.document;
        document.add(batch.rows, batch.changed, batch.control_workloads);
        document.missing_batches = batch.left.to_vec();
        document.incomplete =
            Some("the measurement was still running when this file was written".to_owned());
        if self.format == OutputFormat::Table {
            let table = report::rows_table(&self.document, batch.rows, self.layout);
            self.print(&format!("\n{table}"));
        }
        if self.outputs.is_empty() {
            return;
        }
        (self.conclude)(&mut self.document);
        // The files have the rows whatever ends the process. A failure is reported at the end, which tries again.
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
        // Batch sizes are missing only if nobody read standard output.
        let left = !self.document.missing_batches.is_empty();
        self.document.incomplete = why.or_else(|| left.then(|| UNREAD.to_owned()));
        (self.conclude)(&mut self.document);
        if self.format != OutputFormat::Table {
            self.printed = report::render(&self.document, self.format)
                .map_err(Into::into)
                .and_then(|text| terminal::print(&text));
        } else if !self.document.results.is_empty() {
            let closing = report::closing(&self.document, self.layout);
            self.print(&format!("\n{closing}"));
        }
        // Without any row, an older file is worth more than this one.
        if self.document.incomplete.is_some() && self.document.results.is_empty() {
            self.outputs.clear();
        }
        let mut written = Ok(());
        for (format, file) in self.outputs.drain(..) {
            let text = report::render(&self.document, format);
            // A file that cannot be written must not prevent the others.
            written = written.and(text.and_then(|text| file.commit(text.as_bytes())));
        }
        written?;
        std::mem::replace(&mut self.printed, Ok(()))
    }
}
