//! Measuring: check the outputs, warm up, measure interleaved, compare.
//!
//! For each batch size, the largest first: every mode classifies the whole data set in batches of that size with the
//! kernels that will be timed, and its labels and outputs are compared with the reference. Only then are samples
//! taken, one of each mode in turn, so that a slow spell of the machine affects all of them.
//!
//! What it gives is in [`crate::results`].

mod answers;
mod breakdown;
mod budget;
mod ceiling;
mod check;
mod classes;
mod control_workload;
mod engines;
mod entry;
mod explain;
mod observer;
mod options;
mod row;
mod sample;
mod slowdown;
mod why;

pub use answers::MOST_CLASSES;
pub use explain::explain;
pub use observer::{BenchResult, Finished, Observer};
pub use options::{BenchOptions, TIME_TO_COMPARE};
pub use slowdown::Slowdown;

use crate::dataset::Dataset;
use crate::engine::{self, Engine, check_width};
use crate::error::{Error, FileError, Result};
use crate::memory::footprint;
use crate::quantize::Source;
use crate::results::{Budget, Changed, ControlWorkload, Requested, Row};
use crate::tune::Tuner;
use crate::{Mode, Precision};
use answers::Answers;
use budget::Fit;
use ceiling::Ceilings;
use check::ReferenceCheck;
use control_workload::ControlWorkloads;
use engines::Engines;
use entry::{Absence, BenchEntry, load, refuse};
use sample::SampledMode;

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
    let mut tuner = Tuner::for_networks(options.tuning, requested * all.len());
    let mut batches = all.iter();
    while let Some(&batch) = batches.next() {
        let size = batch.min(data.len());
        let measured = async {
            want(&mut entries, options, (batch, size));
            refuse(&mut entries, size);
            tune(&mut tuner, &mut entries, data, size, observer).await?;
            let sizes = (batch, size);
            measure_batch(
                engines,
                &mut entries,
                model,
                data,
                sizes,
                options,
                &mut reference_check,
                observer,
            )
            .await
        };
        let (mut rows, changed, control_workloads) = match measured.await {
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
            ceilings.bound(engines, &entries, &mut rows).await?;
            let pixels = data.images.range(0, size);
            breakdown::measure(&mut entries, &mut rows, pixels, options.breakdown).await
        };
        result.failure = explained.await.err();
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

/// The result of one mode's checks.
struct Checked {
    labels: Vec<usize>,
    overflow: Option<String>,
    /// `[images, out]` of the whole data set; those of the batch that is timed come first.
    outputs: Vec<f32>,
}

/// The rows of one batch size, the images whose label changed, and the control workloads beside them. `batch` is the
/// requested size and the size that the data set allows.
#[expect(clippy::too_many_arguments, reason = "what is measured, and with what")]
async fn measure_batch(
    engines: Engines<'_>,
    entries: &mut [BenchEntry],
    model: &Source,
    data: &Dataset,
    batch: (usize, usize),
    options: &BenchOptions,
    reference_check: &mut ReferenceCheck<'_>,
    observer: &mut dyn Observer,
) -> Result<(Vec<Row>, Changed, Vec<ControlWorkload>)> {
    let (requested, size) = batch;
    let outputs = model.architecture().outputs();
    let mut checked = Vec::new();
    for entry in entries.iter_mut() {
        checked.push(classify(entry, data, size, reference_check, observer).await?);
    }

    let mut timed = Vec::new();
    let mut placed = Vec::new();
    for (at, (entry, checked)) in entries.iter_mut().zip(&checked).enumerate() {
        let (engine, wanted) = (entry.engine, entry.wanted);
        if let (Ok(session), Some(checked), true) = (entry.runs(), checked, wanted)
            && checked.overflow.is_none()
        {
            placed.push(engine);
            timed.push(SampledMode {
                entry: at,
                session,
                outputs: &checked.outputs[..size * outputs],
                shares_caches: engines.are_several() && engines.cpu_path() == Some(engine),
            });
        }
    }
    let pixels = data.images.range(0, size);
    let operations = model.architecture().operations();
    let networks = placed
        .into_iter()
        .zip(timed.iter().map(|one| &*one.session));
    let mut control_workloads =
        ControlWorkloads::beside(engines, networks, size, operations).await?;
    let (mut samples, failures) =
        sample::interleaved(timed, &mut control_workloads, pixels, options, observer).await?;
    for (at, (entry, checked)) in entries.iter_mut().zip(&mut checked).enumerate() {
        if let Some((_, error)) = failures.iter().find(|(failed, _)| *failed == at) {
            entry.fail(error);
            *checked = None;
        }
    }

    // That of the same engine if it has one.
    let f32_of = |engine: usize| {
        let all = entries.iter().zip(&checked);
        let f32 = all.filter(|(entry, _)| entry.mode.precision == Precision::F32);
        let good = f32.filter_map(|(entry, checked)| {
            let checked = checked.as_ref().filter(|one| one.overflow.is_none())?;
            Some((entry.engine != engine, checked))
        });
        good.min_by_key(|(elsewhere, _)| *elsewhere)
            .map(|(_, checked)| checked)
    };
    let truth = data.labels.as_deref();
    let confusion = |labels: &[usize]| answers::confusion(labels, truth?, outputs);
    let widths = model.architecture().widths();
    let f32_memory = footprint(&widths, Precision::F32, size);
    let f32: Vec<Option<Vec<usize>>> = entries
        .iter()
        .map(|entry| Some(f32_of(entry.engine)?.labels.clone()))
        .collect();
    let mut rows = Vec::new();
    for (at, (entry, checked)) in entries.iter_mut().zip(&checked).enumerate() {
        if !entry.has_row() {
            continue;
        }
        let requested = Requested {
            adapter: entry.engine,
            ..Requested::new(&entry.mode, requested)
        };
        let f32_labels = f32[at].as_deref();
        let textbook = footprint(&widths, &entry.mode, size);
        let mut row = Row::new(requested, size, textbook);
        row.compare_memory(&f32_memory);
        row.warnings.clone_from(&entry.warnings);
        row.warnings.extend(entry.replaced.clone());
        row.effective.rounding = entry.model.as_ref().and_then(|model| model.rounding());
        let left = entry.left_by_adapter.clone();
        match entry.runs() {
            Err(Absence::Unsupported(reason)) => row.unsupported(reason),
            Err(Absence::Failed(reason)) => row.failed(reason),
            Ok(network) => {
                row.ran(network, engines);
                row.effective.reason = row.effective.reason.take().or(left);
            }
        }
        if let Some(checked) = checked {
            match &checked.overflow {
                Some(reason) => row.overflowed(reason),
                None => {
                    row.classified(&checked.labels, truth, f32_labels);
                    let beside = f32_labels.and_then(confusion);
                    row.classes(confusion(&checked.labels), beside.as_deref());
                }
            }
        }
        if let Some(taken) = samples.remove(&at) {
            row.measured(taken, size, operations);
        }
        rows.push(row);
    }
    // A precision answers once, on the first engine that has it.
    let answers = entries.iter().zip(&checked).filter_map(answers_of);
    let mut once: Vec<Answers<'_>> = Vec::new();
    for answer in answers {
        if once.iter().all(|other| other.name != answer.name) {
            once.push(answer);
        }
    }
    let changed = answers::changed(&once, data, size);
    Ok((rows, changed, control_workloads.measured(requested)))
}

/// The answers of a precision; none where it did not run, or left its range.
fn answers_of<'a>((entry, checked): (&BenchEntry, &'a Option<Checked>)) -> Option<Answers<'a>> {
    let checked = checked.as_ref().filter(|one| one.overflow.is_none())?;
    Some(Answers {
        name: entry.name(),
        precision: entry.mode.precision,
        outputs: &checked.outputs,
        labels: &checked.labels,
    })
}

/// Classifies the whole data set in batches of `batch` and compares it with the reference; none where the mode does not
/// run, or fails, also with another kernel.
async fn classify(
    entry: &mut BenchEntry,
    data: &Dataset,
    batch: usize,
    reference_check: &mut ReferenceCheck<'_>,
    observer: &mut dyn Observer,
) -> Result<Option<Checked>> {
    let mut result = check(entry, data, batch, reference_check, observer).await;
    if let Err(error) = &result
        && let Some(failed) = entry.replace_kernel(error)
    {
        let first = result;
        result = check(entry, data, batch, reference_check, observer).await;
        // If the other kernel fails as well, the row says what the first one did.
        if result.as_ref().is_err_and(Error::is_of_one_network) {
            entry.restore_kernel(failed);
            result = first;
        }
    }
    entry.attempt(result).map(Option::flatten)
}

/// As [`classify`], by the kernel that is chosen now.
async fn check(
    entry: &mut BenchEntry,
    data: &Dataset,
    batch: usize,
    reference_check: &mut ReferenceCheck<'_>,
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
    let overflow = reference_check.check(model, batch, &outputs)?;
    let labels = engine::labels(&outputs, width);
    // The row reports kernel and memory of this batch, not of a short last one.
    network.upload(data.images.range(0, batch)).await?;
    Ok(Some(Checked {
        labels,
        overflow,
        outputs,
    }))
}
