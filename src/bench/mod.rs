//! Measuring: check the outputs, warm up, measure interleaved, compare.
//!
//! For each batch size, the largest first: every mode classifies the whole data set in batches of that size with the
//! kernels that will be timed, and its labels and outputs are compared with the reference. Only then are samples
//! taken, one of each mode in turn, so that a slow spell of the machine affects all of them.
//!
//! What it gives is in [`crate::results`].

mod answers;
mod batch;
mod breakdown;
mod budget;
mod ceiling;
mod check;
mod classes;
mod control_workload;
mod engines;
mod entry;
mod explain;
mod group;
mod layers;
mod observer;
mod options;
mod row;
mod sample;
mod sampling;
mod schedule;
mod slowdown;
mod why;

pub use answers::MOST_CLASSES;
pub use explain::explain;
pub use observer::{BenchResult, Finished, Observer};
pub use options::{BenchOptions, MAX_TIME, TIME_TO_COMPARE};
pub use slowdown::Slowdown;

use std::time::{Duration, Instant};

use crate::Mode;
use crate::dataset::Dataset;
use crate::engine::{Engine, check_width};
use crate::error::{Error, FileError, Result};
use crate::quantize::Source;
use crate::results::Budget;
use crate::tune::Tuner;
use batch::{Batch, Measured};
use budget::Fit;
use ceiling::Ceilings;
use check::ReferenceCheck;
use engines::Engines;
use entry::{BenchEntry, load, refuse};

/// Measures `model` on `data`, on every engine. The rows of an engine follow one another, in the order of `engines`,
/// which is also that of the result's adapters.
///
/// # Errors
/// What is wrong from the start: widths that do not fit, a named mode that no engine can run. Later errors are in
/// [`BenchResult::failure`], beside the rows that were finished.
pub async fn run(
    engines: &[Engine],
    model: &Source,
    data: &Dataset,
    options: &BenchOptions,
    observer: &mut dyn Observer,
) -> Result<BenchResult> {
    let start = Instant::now();
    let engines = Engines::new(engines)?;
    check_data(model, data)?;
    let mut entries = load(engines, model, data, options).await?;
    let mut warned: Vec<&Mode> = Vec::new();
    for entry in entries.iter().filter(|entry| entry.requested) {
        // A mode is the same on every engine.
        if !warned.contains(&&entry.mode) {
            let mut warn = |warning| observer.warned(&entry.mode, warning);
            entry.warnings.iter().for_each(&mut warn);
            warned.push(&entry.mode);
        }
    }
    let mut reference_check = ReferenceCheck::new(data);
    let mut ceilings = Ceilings::default();
    let mut result = BenchResult::default();
    let fits = entries.iter().filter_map(|entry| entry.fit);
    let all = budget::batches(options, fits, data.len());
    let requested = entries.iter().filter(|entry| entry.requested).count();
    let limit = options.time_limit(requested * all.len());
    let mut tuner = Tuner::for_networks(options.tuning, requested * all.len());
    let mut batches = all.iter();
    while let Some(&batch) = batches.next() {
        let size = batch.min(data.len());
        let measured = async {
            want(&mut entries, options, (batch, size));
            refuse(&mut entries, size);
            tune(&mut tuner, &mut entries, data, size, observer).await?;
            let batch = Batch {
                engines,
                model,
                data,
                options,
                requested: batch,
                size,
                left: batches.as_slice(),
                deadline: deadline(start, limit, batches.len()),
            };
            batch
                .measure(&mut entries, &mut reference_check, observer)
                .await
        };
        let Measured {
            mut rows,
            changed,
            control_workloads,
            failure,
        } = match measured.await {
            Ok(measured) => measured,
            Err(error) => {
                result.failure = Some(error);
                break;
            }
        };
        observer.measured(&Finished {
            rows: &rows,
            changed: &changed,
            control_workloads: &control_workloads,
            left: batches.as_slice(),
        });
        // Errors from here on leave the rows as they are.
        let explained = async {
            // A device that failed explains nothing.
            if let Some(failure) = failure {
                return Err(failure);
            }
            ceilings.bound(engines, &entries, &mut rows).await?;
            let pixels = data.images.range(0, size);
            breakdown::measure(&mut entries, &mut rows, pixels, options.breakdown).await
        };
        result.failure = explained.await.err();
        rows.iter_mut().for_each(layers::note_times);
        explain(&mut rows);
        if !options.breakdown {
            rows.iter_mut().for_each(|row| row.breakdown.clear());
        }
        let finished = Finished {
            rows: &rows,
            changed: &changed,
            control_workloads: &control_workloads,
            left: batches.as_slice(),
        };
        let flow = observer.finished(&finished);
        result.control_workloads.extend(control_workloads);
        result.rows.extend(rows);
        result.changed.push(changed);
        if flow.is_break() || result.failure.is_some() {
            break;
        }
    }
    if let Some(limit) = options.memory_limit {
        let fits = entries.iter().filter(|entry| entry.requested);
        let fits = fits.filter_map(|entry| Some((entry.name(), entry.engine, entry.fit?)));
        let fits: Vec<(String, usize, Fit)> = fits.collect();
        result.budget = Some(Budget::new(limit, options, &fits, &result.rows));
    }
    Ok(result)
}

/// When the present batch size should be finished, so that as much time is left for each of the batch sizes after it.
fn deadline(start: Instant, limit: Duration, after: usize) -> Instant {
    let now = Instant::now();
    let left = limit.saturating_sub(now - start);
    let own = left / u32::try_from(after + 1).unwrap_or(u32::MAX);
    // A time too long to count never comes.
    now.checked_add(own).unwrap_or(now + FAR)
}

/// Longer than any benchmark.
const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Notes which modes are measured at this batch size: the requested size, and the size that the data set allows.
fn want(entries: &mut [BenchEntry], options: &BenchOptions, batch: (usize, usize)) {
    let listed = options.listed().contains(&batch.0);
    for entry in entries {
        let fits = entry.fit.and_then(|fit| fit.batch) == Some(batch.1);
        entry.wanted = entry.requested && (listed || fits);
    }
}

/// Chooses the kernels of every mode that is timed.
async fn tune(
    tuner: &mut Tuner,
    entries: &mut [BenchEntry],
    data: &Dataset,
    size: usize,
    observer: &mut dyn Observer,
) -> Result<()> {
    let count = entries.len();
    for (index, entry) in entries.iter_mut().enumerate() {
        let wanted = entry.wanted;
        if let (Ok(network), true) = (entry.runs(), wanted) {
            observer.progress(&format!("batch {size}: tuning"), index, count);
            let tuned = tuner.tune(network, data.images.range(0, size)).await;
            entry.attempt(tuned)?;
        }
    }
    Ok(())
}

/// The data must have the model's width, and no label that the model cannot give.
fn check_data(model: &Source, data: &Dataset) -> Result<()> {
    check_width(model, data.name.as_ref(), data.images.width)?;
    let largest = data.labels.iter().flatten().copied().max().unwrap_or(0);
    let outputs = model.architecture().outputs();
    if usize::from(largest) >= outputs {
        return Err(Error::file(
            &data.name,
            FileError::unsuitable(
                format!(
                    "has the label {largest}, but the model {} has only {outputs} outputs",
                    model.path().display()
                ),
                "use another --data or --model",
            ),
        ));
    }
    Ok(())
}
