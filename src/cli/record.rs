//! What a run of `bench` prints at its end, also if that comes early, and the files that it writes as rows come.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fmnist_gpu::Error;
use fmnist_gpu::atomic_file::AtomicFile;
use fmnist_gpu::bench::{self, Finished};
use fmnist_gpu::report::{self, BenchFormat, Detail, Document, Layout, OutputFormat};
use fmnist_gpu::results::{Budget, Changed, ControlWorkload, Row};
use indicatif::ProgressBar;

use super::interrupt::{self, Early};
use super::terminal;

/// The files of a run, opened before anything is measured.
pub struct Outputs<F>(Vec<(F, AtomicFile)>);

impl<F> Outputs<F> {
    /// Opens each file in the format of its extension, so that one that cannot be written is an error at once.
    pub fn open(
        paths: &[PathBuf],
        format: impl Fn(&Path) -> Result<F, Error>,
    ) -> Result<Self, Error> {
        let open = |path: &PathBuf| Ok((format(path)?, AtomicFile::create(path)?));
        paths.iter().map(open).collect::<Result<_, _>>().map(Self)
    }

    /// Writes each file in its format.
    pub fn write(self, text: impl Fn(F) -> Result<String, Error>) -> Result<(), Error> {
        for (format, file) in self.0 {
            file.commit(text(format)?.as_bytes())?;
        }
        Ok(())
    }
}

const TABLE: BenchFormat = BenchFormat::Common(OutputFormat::Table);

/// A run in progress. It is shared, since an interrupt ends it from another thread.
#[derive(Clone)]
pub struct Record(Arc<Mutex<RecordState>>);

struct RecordState {
    document: Document,
    outputs: Vec<(BenchFormat, AtomicFile)>,
    format: BenchFormat,
    layout: Layout,
    detail: Detail,
    /// Adds the conclusions from the rows to the document.
    conclude: Box<dyn Fn(&mut Document) + Send>,
    /// The rows of the last batch size, until they are complete.
    pending: Option<Pending>,
    bar: ProgressBar,
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
        (format, detail): (BenchFormat, Detail),
        outputs: Outputs<BenchFormat>,
        bar: ProgressBar,
        conclude: impl Fn(&mut Document) + Send + 'static,
    ) -> Self {
        let state = RecordState {
            document,
            outputs: outputs.0,
            format,
            layout: terminal::layout(),
            detail,
            conclude: Box::new(conclude),
            pending: None,
            bar,
            ended: false,
        };
        let record = Self(Arc::new(Mutex::new(state)));
        let interrupted = record.clone();
        interrupt::before_end(move |early| interrupted.end_early(early));
        record
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

    /// Adds the rows of a batch size, and updates every file.
    pub fn finished(&self, batch: &Finished<'_>) {
        let mut state = self.state();
        // An interrupt may have ended the run meanwhile.
        if !state.ended {
            state.finished(batch);
        }
    }

    /// The end: prints and writes the rest. `why` is the reason of an early end, and `budget` the result under a memory
    /// limit.
    pub fn end(&self, why: Option<String>, budget: Option<Budget>) -> anyhow::Result<()> {
        let mut state = self.state();
        if state.ended {
            return Ok(());
        }
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
    fn finished(&mut self, batch: &Finished<'_>) {
        self.pending = None;
        let document = &mut self.document;
        document.add(batch.rows, batch.changed, batch.control_workloads);
        document.missing_batches = batch.left.to_vec();
        document.incomplete =
            Some("the measurement was still running when this file was written".to_owned());
        if self.outputs.is_empty() {
            return;
        }
        (self.conclude)(&mut self.document);
        // The files have the rows whatever ends the process. A failure is reported at the end, which tries again.
        for (format, file) in &self.outputs {
            if let Ok(text) = report::render(&self.document, *format, self.detail) {
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
        if why.is_none() {
            self.document.missing_batches.clear();
        }
        self.document.incomplete = why;
        (self.conclude)(&mut self.document);
        let text = match self.format {
            // As wide as the terminal.
            TABLE => Ok(report::text(&self.document, self.layout, self.detail)),
            format => report::render(&self.document, format, self.detail),
        };
        let empty = self.document.results.is_empty();
        let printed = match text {
            Ok(_) if empty && self.format == TABLE => Ok(()),
            Ok(text) => terminal::print(&text),
            Err(error) => Err(error.into()),
        };
        // Without any row, an older file is worth more than this one.
        if self.document.incomplete.is_some() && self.document.results.is_empty() {
            self.outputs.clear();
        }
        let mut written = Ok(());
        for (format, file) in self.outputs.drain(..) {
            let text = report::render(&self.document, format, self.detail);
            // A file that cannot be written must not prevent the others.
            written = written.and(text.and_then(|text| file.commit(text.as_bytes())));
        }
        written?;
        printed
    }
}
