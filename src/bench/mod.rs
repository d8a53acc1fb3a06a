//! Measuring: check the answers, warm up, measure interleaved, compare.
//!
//! For each batch size, the largest first: every precision classifies the whole data set in
//! batches of that size with the kernels that will be timed, its labels and outputs are held
//! against the oracle, and only then samples are taken, one of each precision in turn, so that a
//! slow spell of the machine hits all of them.

mod analysis;
mod answers;
mod breakdown;
mod budget;
mod ceiling;
mod check;
mod machine;
mod row;
mod sample;
mod yardstick;

use std::ops::ControlFlow;
use std::time::Duration;

pub use crate::stats::Samples;
pub use analysis::{Doubt, Mcnemar, Part, Share, Warning, Why};
pub use answers::{Answer, Changed, ChangedImage, MOST_CHANGED, MOST_CLASSES};
pub use budget::{Bound, Budget, BudgetLine};
pub use machine::Machine;
pub use row::{Breakdown, Ceiling, Effective, KernelTime, Memory, Requested, Row, Status};
pub use yardstick::Yardstick;

use crate::dataset::Dataset;
use crate::engine::{Engine, Network, check_width};
use crate::error::{Error, Result};
use crate::memory::footprint;
use crate::model::Model;
use crate::plan::Kernels;
use crate::tune::{Tuner, Tuning};
use crate::{Precision, Scheme, engine};
use answers::Answers;
use ceiling::Ceilings;
use check::Oracle;

/// What is measured, and how long.
#[derive(Clone, Debug)]
pub struct BenchOptions {
    /// The precisions, in the order of the rows.
    pub precisions: Vec<Precision>,
    /// Whether the precisions were named one by one: then one that cannot run is an error, else a
    /// row that says so.
    pub named: bool,
    /// How int8 is quantized.
    pub scheme: Scheme,
    /// Batch sizes; one larger than the data is the data.
    pub batches: Vec<usize>,
    /// Samples of each precision; as many as `min_time` needs where none is given.
    pub runs: Option<usize>,
    /// Passes before the first sample.
    pub warmup: usize,
    /// The time that each precision's samples take together, unless one is so slow that the others would
    /// wait for it: after twice this for each of them sampling ends all the same. Up to the default, no
    /// more than 1,000 samples are taken.
    pub min_time: Duration,
    /// How much is tuned before anything is measured.
    pub tuning: Tuning,
    /// Whether each batch is also taken apart.
    pub breakdown: bool,
}

impl Default for BenchOptions {
    fn default() -> Self {
        Self {
            precisions: Precision::ALL.to_vec(),
            named: false,
            scheme: Scheme::default(),
            batches: vec![1, 32, 1000],
            runs: None,
            warmup: 3,
            min_time: Duration::from_millis(300),
            tuning: Tuning::Quick,
            breakdown: false,
        }
    }
}

/// Who watches a measurement.
pub trait Observer {
    /// Something goes on: `done` of `total` of it.
    fn progress(&mut self, what: &str, done: usize, total: usize);
    /// A batch size is finished; the rest need not be measured where nobody wants it any more.
    fn finished(&mut self, rows: &[Row], changed: &Changed) -> ControlFlow<()>;
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
    /// The error that ended the measurement early.
    pub failure: Option<Error>,
}

/// A precision under test.
struct Entry {
    precision: Precision,
    /// False for f32 that is only there to be compared with.
    asked: bool,
    /// Why it does not run at all, else its network.
    network: Result<Network, String>,
    /// Why it does not run in the present batch size.
    refused: Option<String>,
}

impl Entry {
    /// Its network, where it runs in the present batch size, else why it does not.
    fn runs(&mut self) -> Result<&mut Network, &str> {
        match (&mut self.network, &self.refused) {
            (Ok(network), None) => Ok(network),
            (Err(reason), _) => Err(reason),
            (Ok(_), Some(reason)) => Err(reason),
        }
    }
}

/// Measures `model` on `data`.
///
/// # Errors
/// What is wrong from the start: widths that do not fit, a named precision that the adapter cannot
/// run. What goes wrong later is in the outcome, beside the rows that were finished.
pub async fn run(
    engine: &Engine,
    model: &Model,
    data: &Dataset,
    options: &BenchOptions,
    observer: &mut dyn Observer,
) -> Result<Outcome> {
    check_data(model, data)?;
    let mut entries = load(engine, model, data, options).await?;
    let mut oracle = Oracle::new(model, data);
    let mut tuner = Tuner::new(options.tuning);
    let mut ceilings = Ceilings::default();
    let mut outcome = Outcome {
        rows: Vec::new(),
        changed: Vec::new(),
        failure: None,
    };
    for batch in ordered(&options.batches) {
        let size = batch.min(data.len());
        let rows = async {
            refuse(&mut entries, size);
            tune(&mut tuner, &mut entries, data, size, observer).await?;
            let sizes = (batch, size);
            measure_batch(
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
        let (mut rows, changed) = match rows.await {
            Ok(finished) => finished,
            Err(error) => {
                outcome.failure = Some(error);
                break;
            }
        };
        // What goes wrong from here on takes nothing from the rows.
        let explained = async {
            ceilings.bound(engine, &entries, &mut rows).await?;
            if options.breakdown {
                let pixels = data.images.range(0, size);
                breakdown::take_apart(&mut entries, &mut rows, pixels).await?;
            }
            Ok(())
        };
        outcome.failure = explained.await.err();
        let flow = observer.finished(&rows, &changed);
        outcome.rows.extend(rows);
        outcome.changed.push(changed);
        if flow.is_break() || outcome.failure.is_some() {
            break;
        }
    }
    Ok(outcome)
}

/// Notes which precisions cannot run batches of this size with the kernels that the user allows.
fn refuse(entries: &mut [Entry], size: usize) {
    for entry in entries {
        let gpu = entry.network.as_mut().ok().and_then(Network::gpu);
        let checked = gpu.map_or(Ok(()), |gpu| gpu.check_batch(size));
        entry.refused = checked.err().map(|error| error.to_string());
    }
}

/// Chooses the kernels of every precision that is timed.
async fn tune(
    tuner: &mut Tuner,
    entries: &mut [Entry],
    data: &Dataset,
    size: usize,
    observer: &mut dyn Observer,
) -> Result<()> {
    let count = entries.len();
    for (index, entry) in entries.iter_mut().enumerate() {
        let asked = entry.asked;
        if let (Ok(network), true) = (entry.runs(), asked) {
            observer.progress(&format!("batch {size}: tuning"), index, count);
            tuner.tune(network, data.images.range(0, size)).await?;
        }
    }
    Ok(())
}

/// The batch sizes, the largest first, each once: the order in which they are measured.
#[must_use]
pub fn ordered(batches: &[usize]) -> Vec<usize> {
    let mut batches = batches.to_vec();
    batches.sort_unstable_by(|a, b| b.cmp(a));
    batches.dedup();
    batches
}

/// The data must have the model's width and no label that the model cannot give.
fn check_data(model: &Model, data: &Dataset) -> Result<()> {
    check_width(model, data.name.as_ref(), data.images.width)?;
    let largest = data.labels.iter().copied().max().unwrap_or(0);
    if usize::from(largest) >= model.outputs() {
        return Err(Error::file(
            &data.name,
            format!(
                "has the label {largest}, but {} gives {} values",
                model.path.display(),
                model.outputs()
            ),
        ));
    }
    Ok(())
}

/// Loads every precision asked for, and f32 beside them for the agreement.
async fn load(
    engine: &Engine,
    model: &Model,
    data: &Dataset,
    options: &BenchOptions,
) -> Result<Vec<Entry>> {
    let asked = options
        .precisions
        .iter()
        .map(|&precision| (precision, true));
    let mut wanted: Vec<(Precision, bool)> = asked.collect();
    if !options.precisions.contains(&Precision::F32) {
        wanted.push((Precision::F32, false));
    }
    let mut entries = Vec::new();
    for (precision, asked) in wanted {
        let loaded = engine.load(model, precision).await;
        let loaded = loaded.and_then(|mut network| {
            if let Some(gpu) = network.gpu() {
                if !asked {
                    gpu.restrict(Kernels::Any);
                }
                if options.named {
                    let mut sizes = options.batches.iter().map(|&batch| batch.min(data.len()));
                    sizes.try_for_each(|size| gpu.check_batch(size))?;
                }
            }
            Ok(network)
        });
        let network = match loaded {
            Ok(network) => Ok(network),
            // f32 that is only there to be compared with may run anywhere.
            Err(Error::TooLarge { .. }) if !asked => {
                Ok(Network::on_cpu(model, precision, engine.processor(), None)?)
            }
            Err(Error::PrecisionUnavailable { reason, .. }) if !options.named => Err(reason),
            // One precision of all that this adapter or this model cannot do is a row that says so.
            Err(error @ (Error::TooLarge { .. } | Error::File { .. })) if !options.named => {
                Err(error.to_string())
            }
            Err(error) => return Err(error),
        };
        entries.push(Entry {
            precision,
            asked,
            network,
            refused: None,
        });
    }
    Ok(entries)
}

/// What the checks of one precision found.
struct Checked {
    labels: Vec<usize>,
    overflow: Option<String>,
    /// `[images, out]` of the whole data set; those of the batch that is timed come first.
    outputs: Vec<f32>,
}

/// The rows of one batch size, and the images whose label changed. `batch` is the size asked for and the size that the data allow.
async fn measure_batch(
    entries: &mut [Entry],
    model: &Model,
    data: &Dataset,
    batch: (usize, usize),
    options: &BenchOptions,
    oracle: &mut Oracle<'_>,
    observer: &mut dyn Observer,
) -> Result<(Vec<Row>, Changed)> {
    let (requested, size) = batch;
    let mut checked = Vec::new();
    for entry in entries.iter_mut() {
        let precision = entry.precision;
        checked.push(match entry.runs() {
            Ok(network) => Some(classify(network, precision, data, size, oracle, observer).await?),
            Err(_) => None,
        });
    }

    let mut timed = Vec::new();
    for (entry, checked) in entries.iter_mut().zip(&checked) {
        let (precision, asked) = (entry.precision, entry.asked);
        if let (Ok(network), Some(checked), true) = (entry.runs(), checked, asked)
            && checked.overflow.is_none()
        {
            timed.push((
                precision,
                network,
                &checked.outputs[..size * model.outputs()],
            ));
        }
    }
    let pixels = data.images.range(0, size);
    let mut samples = sample::interleaved(&mut timed, pixels, options, observer).await?;

    let f32_labels = entries
        .iter()
        .zip(&checked)
        .find(|(entry, _)| entry.precision == Precision::F32)
        .and_then(|(_, checked)| checked.as_ref())
        .map(|checked| checked.labels.clone());
    let mut rows = Vec::new();
    let asked = entries.iter_mut().zip(&checked);
    for (entry, checked) in asked.filter(|(entry, _)| entry.asked) {
        let requested = Requested {
            precision: entry.precision,
            scheme: (entry.precision == Precision::Int8).then_some(options.scheme),
            batch: requested,
        };
        let planned = footprint(&model.architecture().widths(), entry.precision, size);
        let mut row = Row::new(requested, size, planned);
        match entry.runs() {
            Err(reason) => row.unsupported(reason),
            Ok(network) => row.ran(network),
        }
        if let Some(checked) = checked {
            match &checked.overflow {
                Some(reason) => row.overflowed(reason),
                None => {
                    row.classified(&checked.labels, &data.labels, f32_labels.as_deref());
                    row.confusion =
                        answers::confusion(&checked.labels, &data.labels, model.outputs());
                }
            }
        }
        if let Some(taken) = samples.remove(&entry.precision) {
            row.measured(taken, size, model.architecture().operations());
        }
        rows.push(row);
    }
    let answers = entries.iter().zip(&checked);
    let answers: Vec<Answers<'_>> = answers.filter_map(answers_of).collect();
    Ok((rows, answers::changed(&answers, data, size)))
}

/// What a precision answered; none where it did not run, or left its range.
fn answers_of<'a>((entry, checked): (&Entry, &'a Option<Checked>)) -> Option<Answers<'a>> {
    let checked = checked.as_ref().filter(|one| one.overflow.is_none())?;
    Some(Answers {
        name: entry.precision.to_string(),
        precision: entry.precision,
        outputs: &checked.outputs,
        labels: &checked.labels,
    })
}

/// Classifies the whole data set in batches of `batch` and holds it against the oracle.
async fn classify(
    network: &mut Network,
    precision: Precision,
    data: &Dataset,
    batch: usize,
    oracle: &mut Oracle<'_>,
    observer: &mut dyn Observer,
) -> Result<Checked> {
    let what = format!("batch {batch}: checking {precision}");
    observer.progress(&what, 0, data.len());
    let mut progress = |done| observer.progress(&what, done, data.len());
    network.release();
    let outputs = network
        .infer(&data.images.pixels, batch, &mut progress)
        .await?;
    let width = outputs.len() / data.len();
    let overflow = oracle.check(precision, batch, &outputs)?;
    let labels = engine::labels(&outputs, width);
    // What the row says of kernel and memory is of this batch, not of a short last one.
    network.upload(data.images.range(0, batch)).await?;
    Ok(Checked {
        labels,
        overflow,
        outputs,
    })
}
