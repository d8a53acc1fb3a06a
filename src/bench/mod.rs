//! Measuring: check the answers, warm up, measure interleaved, compare.
//!
//! For each batch size, the largest first: every mode classifies the whole data set in batches of
//! that size with the kernels that will be timed, its labels and outputs are held against the oracle,
//! and only then samples are taken, one of each mode in turn, so that a slow spell of the machine hits
//! all of them.

mod analysis;
mod answers;
mod breakdown;
mod budget;
mod ceiling;
mod check;
mod classes;
mod entry;
mod machine;
mod row;
mod sample;
mod slowdown;
mod why;
mod yardstick;

use std::ops::ControlFlow;
use std::time::Duration;

pub use crate::stats::Samples;
pub use analysis::{Doubt, Mcnemar, Part, Share, Warning, Why, explain};
pub use answers::{Answer, Changed, ChangedImage, MOST_CHANGED, MOST_CLASSES};
pub use budget::{Bound, Budget, BudgetLine};
pub use classes::ClassAccuracy;
pub use machine::Machine;
pub use row::{Breakdown, Ceiling, Effective, KernelTime, Memory, Requested, Row, Status};
pub use slowdown::Slowdown;
pub use yardstick::Yardstick;

use crate::Precision;
use crate::dataset::Dataset;
use crate::deploy::{Deployed, Source};
use crate::engine::{self, Engine, check_width};
use crate::error::{Error, Result};
use crate::memory::footprint;
use crate::mode::Mode;
use crate::tune::{Tuner, Tuning};
use answers::Answers;
use budget::Fit;
use ceiling::Ceilings;
use check::Oracle;
use entry::{Entry, load, refuse};
use yardstick::Yardsticks;

/// What is measured, and how long.
#[derive(Clone, Debug)]
pub struct BenchOptions {
    /// What the model is run as, in the order of the rows.
    pub modes: Vec<Mode>,
    /// Whether these were named one by one: then one that cannot run is an error, else a row that says
    /// so.
    pub named: bool,
    /// Batch sizes; one larger than the data is the data.
    pub batches: Vec<usize>,
    /// Samples of each mode; as many as `min_time` needs where none is given.
    pub runs: Option<usize>,
    /// Passes before the first sample.
    pub warmup: usize,
    /// The time that each mode's samples take together, unless one is so slow that the others would
    /// wait for it: after twice this for each of them sampling ends all the same. Up to
    /// [`TIME_TO_COMPARE`], no more than 1,000 samples are kept, spread over all of the time.
    pub min_time: Duration,
    /// The fewest samples of each mode, whatever `min_time`; at most 10 are waited for where one takes longer than 0.2
    /// seconds, and 5 where one takes longer than a second.
    pub fewest: usize,
    /// How much is tuned before anything is measured.
    pub tuning: Tuning,
    /// Whether each batch is also taken apart as separate passes.
    pub breakdown: bool,
    /// Makes every sample longer, in tests only.
    pub slowdown: Slowdown,
    /// The most bytes of planned memory, if each precision is also to be measured at the largest batch that
    /// fits.
    pub memory_limit: Option<u64>,
    /// The most images in a batch.
    pub batch_limit: Option<usize>,
}

/// A `min_time` for results that are to be compared with those of other runs: a spell of the machine lasts tenths
/// of a second, and should not be all that a run has seen.
pub const TIME_TO_COMPARE: Duration = Duration::from_secs(2);

impl BenchOptions {
    /// The batch sizes of `batches`, none beyond `batch_limit`.
    #[must_use]
    pub fn listed(&self) -> Vec<usize> {
        budget::listed(self)
    }
}

impl Default for BenchOptions {
    fn default() -> Self {
        Self {
            modes: Precision::ALL.map(Mode::from).to_vec(),
            named: false,
            batches: vec![1, 32, 1000],
            runs: None,
            warmup: 3,
            min_time: Duration::from_millis(300),
            fewest: sample::FEWEST,
            tuning: Tuning::Quick,
            breakdown: false,
            slowdown: Slowdown::default(),
            memory_limit: None,
            batch_limit: None,
        }
    }
}

/// What was measured of one batch size.
#[derive(Clone, Copy, Debug)]
pub struct Finished<'a> {
    /// A row for each precision.
    pub rows: &'a [Row],
    /// The images whose label changed.
    pub changed: &'a Changed,
    /// The fixed work beside the rows.
    pub yardsticks: &'a [Yardstick],
    /// The batch sizes that are still to be measured.
    pub left: &'a [usize],
}

/// Who watches a measurement.
pub trait Observer {
    /// Something goes on: `done` of `total` of it.
    fn progress(&mut self, what: &str, done: usize, total: usize);
    /// A batch size is measured; its rows lack nothing but what explains them.
    fn measured(&mut self, _batch: &Finished<'_>) {}
    /// A batch size is finished; the rest need not be measured where nobody wants it any more.
    fn finished(&mut self, batch: &Finished<'_>) -> ControlFlow<()>;
    /// There is something to be doubted of the numbers of a mode that is about to be measured; its rows say so too.
    fn warned(&mut self, _mode: &Mode, _warning: &Warning) {}
    /// Whether to take no more samples than a row needs at least, and to go on to `finished`.
    fn hurries(&self) -> bool {
        false
    }
}

/// Everything that was measured, and what stopped it, if something did.
#[derive(Debug)]
pub struct Outcome {
    /// The rows of every batch size that was finished.
    pub rows: Vec<Row>,
    /// The images whose label changed, of every batch size that was finished.
    pub changed: Vec<Changed>,
    /// The fixed work beside them.
    pub yardsticks: Vec<Yardstick>,
    /// What a memory limit comes to, where there is one.
    pub budget: Option<Budget>,
    /// The error that ended the measurement early.
    pub failure: Option<Error>,
}

/// Measures `model` on `data`.
///
/// # Errors
/// What is wrong from the start: widths that do not fit, a named mode that the adapter cannot run. What goes wrong later is in the outcome, beside the rows that were finished.
pub async fn run(
    engine: &Engine,
    model: &Source,
    data: &Dataset,
    options: &BenchOptions,
    observer: &mut dyn Observer,
) -> Result<Outcome> {
    check_data(model, data)?;
    let mut entries = load(engine, model, data, options).await?;
    for entry in entries.iter().filter(|entry| entry.asked) {
        let mut warned = |warning| observer.warned(&entry.mode, warning);
        entry.warnings.iter().for_each(&mut warned);
    }
    let mut oracle = Oracle::new(data);
    let mut ceilings = Ceilings::default();
    let mut outcome = Outcome {
        rows: Vec::new(),
        changed: Vec::new(),
        yardsticks: Vec::new(),
        budget: None,
        failure: None,
    };
    let fits = entries.iter().filter_map(|entry| entry.fit);
    let all = budget::batches(options, fits, data.len());
    let asked = entries.iter().filter(|entry| entry.asked).count();
    let mut tuner = Tuner::for_networks(options.tuning, asked * all.len());
    let mut batches = all.iter();
    while let Some(&batch) = batches.next() {
        let size = batch.min(data.len());
        let measured = async {
            want(&mut entries, options, (batch, size));
            refuse(&mut entries, size);
            tune(&mut tuner, &mut entries, data, size, observer).await?;
            let sizes = (batch, size);
            measure_batch(
                engine,
                &mut entries,
                model,
                data,
                sizes,
                options,
                &mut oracle,
                observer,
            )
            .await
        };
        let (mut rows, changed, yardsticks) = match measured.await {
            Ok(measured) => measured,
            Err(error) => {
                outcome.failure = Some(error);
                break;
            }
        };
        observer.measured(&Finished {
            rows: &rows,
            changed: &changed,
            yardsticks: &yardsticks,
            left: batches.as_slice(),
        });
        // What goes wrong from here on takes nothing from the rows.
        let explained = async {
            ceilings.bound(engine, &entries, &mut rows).await?;
            let pixels = data.images.range(0, size);
            breakdown::take_apart(&mut entries, &mut rows, pixels, options.breakdown).await
        };
        outcome.failure = explained.await.err();
        explain(&mut rows);
        if !options.breakdown {
            rows.iter_mut().for_each(|row| row.breakdown.clear());
        }
        let finished = Finished {
            rows: &rows,
            changed: &changed,
            yardsticks: &yardsticks,
            left: batches.as_slice(),
        };
        let flow = observer.finished(&finished);
        outcome.yardsticks.extend(yardsticks);
        outcome.rows.extend(rows);
        outcome.changed.push(changed);
        if flow.is_break() || outcome.failure.is_some() {
            break;
        }
    }
    if let Some(limit) = options.memory_limit {
        let fits = entries.iter().filter(|entry| entry.asked);
        let fits = fits.filter_map(|entry| Some((entry.mode.to_string(), entry.fit?)));
        let fits: Vec<(String, Fit)> = fits.collect();
        outcome.budget = Some(Budget::new(limit, options, &fits, &outcome.rows));
    }
    Ok(outcome)
}

/// Notes which modes are to be measured at this batch size: the one asked for, and the one that the data
/// allow.
fn want(entries: &mut [Entry], options: &BenchOptions, batch: (usize, usize)) {
    let listed = budget::listed(options).contains(&batch.0);
    for entry in entries {
        let fits = entry.fit.and_then(|fit| fit.batch) == Some(batch.1);
        entry.wanted = entry.asked && (listed || fits);
    }
}

/// Chooses the kernels of every mode that is timed.
async fn tune(
    tuner: &mut Tuner,
    entries: &mut [Entry],
    data: &Dataset,
    size: usize,
    observer: &mut dyn Observer,
) -> Result<()> {
    let count = entries.len();
    for (index, entry) in entries.iter_mut().enumerate() {
        let wanted = entry.wanted;
        if let (Ok(network), true) = (entry.runs(), wanted) {
            observer.progress(&format!("batch {size}: tuning"), index, count);
            tuner.tune(network, data.images.range(0, size)).await?;
        }
    }
    Ok(())
}

/// The data must have the model's width and no label that the model cannot give.
fn check_data(model: &Source, data: &Dataset) -> Result<()> {
    check_width(model, data.name.as_ref(), data.images.width)?;
    let largest = data.labels.iter().copied().max().unwrap_or(0);
    let outputs = model.architecture().outputs();
    if usize::from(largest) >= outputs {
        return Err(Error::file(
            &data.name,
            format!(
                "has the label {largest}, but {} gives {outputs} values",
                model.path().display()
            ),
        ));
    }
    Ok(())
}

/// What the checks of one mode found.
struct Checked {
    labels: Vec<usize>,
    overflow: Option<String>,
    /// `[images, out]` of the whole data set; those of the batch that is timed come first.
    outputs: Vec<f32>,
}

/// The rows of one batch size, the images whose label changed, and the fixed work beside them. `batch` is the size asked for and the size
/// that the data allow.
#[expect(clippy::too_many_arguments, reason = "what is measured, and with what")]
async fn measure_batch(
    engine: &Engine,
    entries: &mut [Entry],
    model: &Source,
    data: &Dataset,
    batch: (usize, usize),
    options: &BenchOptions,
    oracle: &mut Oracle<'_>,
    observer: &mut dyn Observer,
) -> Result<(Vec<Row>, Changed, Vec<Yardstick>)> {
    let (requested, size) = batch;
    let outputs = model.architecture().outputs();
    let mut checked = Vec::new();
    for entry in entries.iter_mut() {
        checked.push(classify(entry, data, size, oracle, observer).await?);
    }

    let mut timed = Vec::new();
    for (entry, checked) in entries.iter_mut().zip(&checked) {
        let (mode, wanted) = (entry.mode.clone(), entry.wanted);
        if let (Ok(network), Some(checked), true) = (entry.runs(), checked, wanted)
            && checked.overflow.is_none()
        {
            timed.push((mode, network, &checked.outputs[..size * outputs]));
        }
    }
    let pixels = data.images.range(0, size);
    let operations = model.architecture().operations();
    let networks = timed.iter().map(|(_, network, _)| &**network);
    let mut yardsticks = Yardsticks::beside(engine, networks, size, operations).await?;
    let mut samples =
        sample::interleaved(&mut timed, &mut yardsticks, pixels, options, observer).await?;

    let f32_labels = entries
        .iter()
        .zip(&checked)
        .find(|(entry, _)| entry.mode.precision == Precision::F32)
        .and_then(|(_, checked)| checked.as_ref().filter(|one| one.overflow.is_none()))
        .map(|checked| checked.labels.clone());
    let f32_confusion = f32_labels
        .as_deref()
        .and_then(|labels| answers::confusion(labels, &data.labels, outputs));
    let widths = model.architecture().widths();
    let f32_memory = footprint(&widths, Precision::F32, size);
    let mut rows = Vec::new();
    let wanted = entries.iter_mut().zip(&checked);
    for (entry, checked) in wanted.filter(|(entry, _)| entry.wanted) {
        let requested = Requested::new(&entry.mode, requested);
        let planned = footprint(&widths, &entry.mode, size);
        let mut row = Row::new(requested, size, planned);
        row.beside_memory_of(&f32_memory);
        row.warnings.clone_from(&entry.warnings);
        row.effective.rounding = entry.model.as_ref().and_then(Deployed::rounding);
        match entry.runs() {
            Err(reason) => row.unsupported(reason),
            Ok(network) => row.ran(network),
        }
        if let Some(checked) = checked {
            match &checked.overflow {
                Some(reason) => row.overflowed(reason),
                None => {
                    row.classified(&checked.labels, &data.labels, f32_labels.as_deref());
                    let confusion = answers::confusion(&checked.labels, &data.labels, outputs);
                    row.classes(confusion, f32_confusion.as_deref());
                }
            }
        }
        if let Some(taken) = samples.remove(&entry.mode) {
            row.measured(taken, size, operations);
        }
        rows.push(row);
    }
    let answers = entries.iter().zip(&checked);
    let answers: Vec<Answers<'_>> = answers.filter_map(answers_of).collect();
    let changed = answers::changed(&answers, data, size);
    Ok((rows, changed, yardsticks.measured(requested)))
}

/// What a precision answered; none where it did not run, or left its range.
fn answers_of<'a>((entry, checked): (&Entry, &'a Option<Checked>)) -> Option<Answers<'a>> {
    let checked = checked.as_ref().filter(|one| one.overflow.is_none())?;
    Some(Answers {
        name: entry.name(),
        precision: entry.mode.precision,
        outputs: &checked.outputs,
        labels: &checked.labels,
    })
}

/// Classifies the whole data set in batches of `batch` and holds it against the oracle; none where the
/// mode does not run.
async fn classify(
    entry: &mut Entry,
    data: &Dataset,
    batch: usize,
    oracle: &mut Oracle<'_>,
    observer: &mut dyn Observer,
) -> Result<Option<Checked>> {
    let what = format!("batch {batch}: checking {}", entry.mode);
    let Ok((network, model)) = entry.runs_as() else {
        return Ok(None);
    };
    observer.progress(&what, 0, data.len());
    let mut progress = |done| observer.progress(&what, done, data.len());
    network.release();
    let outputs = network
        .infer(&data.images.pixels, batch, &mut progress)
        .await?;
    let width = outputs.len() / data.len();
    let overflow = oracle.check(model, batch, &outputs)?;
    let labels = engine::labels(&outputs, width);
    // What the row says of kernel and memory is of this batch, not of a short last one.
    network.upload(data.images.range(0, batch)).await?;
    Ok(Some(Checked {
        labels,
        overflow,
        outputs,
    }))
}
