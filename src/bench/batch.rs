//! One batch size: every mode is checked, then measured, and becomes a row.

use std::time::Instant;

use super::answers::{self, Answers};
use super::check::ReferenceCheck;
use super::control_workload::ControlWorkloads;
use super::engines::Engines;
use super::entry::{Absence, BenchEntry};
use super::group::Group;
use super::layers;
use super::observer::{Finished, Observer};
use super::options::BenchOptions;
use super::sample::{SampledMode, Taken};
use super::sampling::{Sampling, taken};
use super::schedule::Schedule;
use crate::dataset::Dataset;
use crate::engine;
use crate::error::{Error, Result};
use crate::memory::footprint;
use crate::quantize::Source;
use crate::results::{Changed, ControlWorkload, Requested, Row};
use crate::{Mode, Precision};

/// The result of one mode's checks.
pub(super) struct Checked {
    labels: Vec<usize>,
    overflow: Option<String>,
    /// Bytes of all buffers, by plan.
    planned_bytes: u64,
    /// What each layer loses beside f32; empty where f32 did not run.
    losses: Vec<Option<f64>>,
    /// `[images, out]` of the whole data set; those of the batch that is timed come first.
    outputs: Vec<f32>,
}

/// What a batch size is measured with.
pub(super) struct Batch<'a> {
    pub(super) engines: Engines<'a>,
    pub(super) model: &'a Source,
    pub(super) data: &'a Dataset,
    pub(super) options: &'a BenchOptions,
    /// The batch size that was requested.
    pub(super) requested: usize,
    /// The batch size that the data set allows.
    pub(super) size: usize,
    /// The batch sizes that remain to be measured after it.
    pub(super) left: &'a [usize],
    /// When it should be finished.
    pub(super) deadline: Instant,
}

/// What was measured of a batch size.
pub(super) struct Measured {
    pub(super) rows: Vec<Row>,
    /// The images whose label changed.
    pub(super) changed: Changed,
    pub(super) control_workloads: Vec<ControlWorkload>,
    /// What ended it before its time.
    pub(super) failure: Option<Error>,
}

impl Batch<'_> {
    /// Checks and measures every mode.
    ///
    /// # Errors
    /// Those that all modes would have, before there are samples of each.
    pub(super) async fn measure(
        &self,
        entries: &mut [BenchEntry],
        reference_check: &mut ReferenceCheck<'_>,
        observer: &mut dyn Observer,
    ) -> Result<Measured> {
        let mut failure = None;
        let mut checked = Vec::new();
        for entry in entries.iter_mut() {
            checked.push(self.classify(entry, reference_check, observer).await?);
        }
        self.note_losses(entries, &mut checked, reference_check);
        let changed = self.changed(entries, &checked);
        let rows = self.rows(entries, &checked);
        let mut groups = self.groups(entries, &checked).await?;
        let sampling = Sampling {
            what: format!("batch {}: measuring", self.size),
            pixels: self.data.images.range(0, self.size),
            options: self.options,
            schedule: Schedule::new(self.options, self.deadline),
        };
        let unsettled = |groups: &[Group<'_>], observer: &mut dyn Observer| {
            let mut taken = taken(groups);
            let rows: Vec<Row> = (rows.iter().cloned())
                .map(|(at, row)| self.with_samples(row, taken.remove(&at)))
                .collect();
            // Whatever ends the process from here on, these are measured.
            observer.measured(&Finished {
                rows: &rows,
                changed: &changed,
                control_workloads: &self.control_workloads(groups),
                left: self.left,
            });
            let open = observer.unsettled(&rows, self.left).into_iter();
            open.map(|at| rows[at].requested.adapter).collect()
        };
        let sampled = sampling.measure(&mut groups, observer, &unsettled).await;
        if let Err(error) = sampled {
            // With fewer samples the rows say too little.
            let few = |group: &Group<'_>| {
                let (samples, longest) = (group.samples(), group.longest());
                group.modes() > 0 && !sampling.schedule.may_stop(samples, longest)
            };
            if groups.iter().any(few) {
                return Err(error);
            }
            failure = Some(error);
        }

        let mut taken = taken(&groups);
        let control_workloads = self.control_workloads(&groups);
        let mut failures = Vec::new();
        let mut restarted = Vec::new();
        for group in groups {
            restarted.extend(group.is_restarted().then_some(group.index()));
            failures.extend(group.failed);
        }
        for (at, error) in failures {
            entries[at].fail(&error);
            checked[at] = None;
        }
        let rows = self.rows(entries, &checked).into_iter();
        let rows = rows.map(|(at, row)| self.with_samples(row, taken.remove(&at)));
        let rows = rows.collect();
        if failure.is_none() {
            self.back_to_first_device(entries, &restarted).await;
        }
        Ok(Measured {
            rows,
            changed: self.changed(entries, &checked),
            control_workloads,
            failure,
        })
    }

    /// Classifies the whole data set in batches of this size and compares it with the reference; none where the mode does not
    /// run, or fails, also with another kernel.
    async fn classify(
        &self,
        entry: &mut BenchEntry,
        reference_check: &mut ReferenceCheck<'_>,
        observer: &mut dyn Observer,
    ) -> Result<Option<Checked>> {
        let mut result = self.check(entry, reference_check, observer).await;
        if let Err(error) = &result
            && let Some(failed) = entry.replace_kernel(error)
        {
            let first = result;
            result = self.check(entry, reference_check, observer).await;
            // If the other kernel fails as well, the row says what the first one did.
            if result.as_ref().is_err_and(Error::is_of_one_network) {
                entry.restore_kernel(failed);
                result = first;
            }
        }
        entry.attempt(result).map(Option::flatten)
    }

    /// Notes what each layer of every mode loses beside the network in f32, where that runs.
    fn note_losses(
        &self,
        entries: &[BenchEntry],
        checked: &mut [Option<Checked>],
        reference_check: &mut ReferenceCheck<'_>,
    ) {
        let is_f32 = |entry: &&BenchEntry| entry.mode.precision == Precision::F32;
        let f32 = entries.iter().find(is_f32);
        let Some(f32) = f32.and_then(|entry| entry.model.clone()) else {
            return;
        };
        for (entry, checked) in entries.iter().zip(checked) {
            if let (Some(model), Some(checked)) = (&entry.model, checked)
                && checked.overflow.is_none()
            {
                checked.losses = reference_check.losses.of(model, &f32, self.size);
            }
        }
    }

    /// As [`Batch::classify`], by the kernel that is chosen now.
    async fn check(
        &self,
        entry: &mut BenchEntry,
        reference_check: &mut ReferenceCheck<'_>,
        observer: &mut dyn Observer,
    ) -> Result<Option<Checked>> {
        let (data, batch) = (self.data, self.size);
        let what = format!("batch {batch}: checking {}", entry.mode);
        let Ok((network, model)) = entry.runs_as() else {
            return Ok(None);
        };
        observer.progress(&what, 0, data.len());
        let mut progress = |done| observer.progress(&what, done, data.len());
        network.release();
        // Before the batch takes the memory that its pixels are asked of.
        let planned_bytes = network.planned_bytes(batch).await?;
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
            planned_bytes,
            losses: Vec::new(),
            outputs,
        }))
    }

    /// Loads the networks of these engines on the device that was opened first, for whatever follows.
    async fn back_to_first_device(&self, entries: &mut [BenchEntry], engines: &[usize]) {
        for entry in entries.iter_mut().filter(|entry| entry.wanted) {
            let at = entry.engine;
            if !engines.contains(&at) {
                continue;
            }
            let Ok((session, model)) = entry.runs_as() else {
                continue;
            };
            match self.engines.get(at).reload(session, model).await {
                Ok(loaded) => *session = loaded,
                // On the other device it runs as well.
                Err(error) => log::warn!("{} was not loaded anew: {error}", model.mode),
            }
        }
    }

    fn control_workloads(&self, groups: &[Group<'_>]) -> Vec<ControlWorkload> {
        let measured = |group: &Group<'_>| group.control_workloads.measured(self.requested);
        groups.iter().flat_map(measured).collect()
    }

    /// The images whose label changed. A precision answers once, on the first engine that has it.
    fn changed(&self, entries: &[BenchEntry], checked: &[Option<Checked>]) -> Changed {
        let answers = entries.iter().zip(checked).filter_map(answers_of);
        let mut once: Vec<Answers<'_>> = Vec::new();
        for answer in answers {
            if once.iter().all(|other| other.name != answer.name) {
                once.push(answer);
            }
        }
        answers::changed(&once, self.data, self.size)
    }

    /// The modes that are timed, by engine.
    async fn groups<'e>(
        &'e self,
        entries: &'e mut [BenchEntry],
        checked: &'e [Option<Checked>],
    ) -> Result<Vec<Group<'e>>> {
        let outputs = self.model.architecture().outputs();
        let mut by_engine: Vec<Vec<SampledMode<'e>>> = Vec::new();
        by_engine.resize_with(self.engines.iter().count(), Vec::new);
        for (at, (entry, checked)) in entries.iter_mut().zip(checked).enumerate() {
            let (engine, wanted) = (entry.engine, entry.wanted);
            if let (Ok((session, model)), Some(checked), true) = (entry.runs_as(), checked, wanted)
                && checked.overflow.is_none()
            {
                by_engine[engine].push(SampledMode {
                    entry: at,
                    session,
                    model,
                    outputs: &checked.outputs[..self.size * outputs],
                });
            }
        }
        let operations = self.model.architecture().operations();
        let operations = self.options.control_operations.unwrap_or(operations);
        let mut groups = Vec::new();
        for (modes, (at, engine)) in by_engine.into_iter().zip(self.engines.iter()) {
            let sessions = modes.iter().map(|one| &*one.session);
            let beside =
                ControlWorkloads::beside(self.engines, at, sessions, self.size, operations);
            let control_workloads = beside.await?;
            groups.push(Group::new((at, engine), modes, control_workloads));
        }
        Ok(groups)
    }

    /// The rows without samples, with the places of their entries.
    fn rows(&self, entries: &mut [BenchEntry], checked: &[Option<Checked>]) -> Vec<(usize, Row)> {
        // That of the same engine if it has one.
        let f32_of = |engine: usize| {
            let all = entries.iter().zip(checked);
            let f32 = all.filter(|(entry, _)| entry.mode.precision == Precision::F32);
            let good = f32.filter_map(|(entry, checked)| {
                let checked = checked.as_ref().filter(|one| one.overflow.is_none())?;
                Some((entry.engine != engine, checked))
            });
            good.min_by_key(|(elsewhere, _)| *elsewhere)
                .map(|(_, checked)| checked)
        };
        let f32: Vec<Option<&Checked>> = entries.iter().map(|entry| f32_of(entry.engine)).collect();
        let with_row = entries.iter_mut().zip(checked).zip(f32).enumerate();
        with_row
            .filter_map(|(at, ((entry, checked), f32))| {
                let has = entry.has_row();
                has.then(|| (at, self.row(entry, checked.as_ref(), f32)))
            })
            .collect()
    }

    /// A row without samples.
    fn row(&self, entry: &mut BenchEntry, checked: Option<&Checked>, f32: Option<&Checked>) -> Row {
        let architecture = self.model.architecture();
        let widths = architecture.widths();
        let truth = self.data.labels.as_deref();
        let confusion =
            |labels: &[usize]| answers::confusion(labels, truth?, architecture.outputs());
        let requested = Requested {
            adapter: entry.engine,
            ..Requested::new(&entry.mode, self.requested)
        };
        let textbook = |mode: &Mode| footprint(&widths, mode, self.size);
        let mut row = Row::new(requested, self.size, textbook(&entry.mode));
        row.compare_memory(&textbook(&Precision::F32.into()));
        row.warnings.clone_from(&entry.warnings);
        row.warnings.extend(entry.replaced.clone());
        row.effective.rounding = entry.model.as_ref().and_then(|model| model.rounding());
        let left = entry.left_by_adapter.clone();
        match entry.runs() {
            Err(Absence::Unsupported(reason)) => row.unsupported(reason),
            Err(Absence::Failed(reason)) => row.failed(reason),
            Ok(network) => {
                row.ran(network, self.engines);
                row.effective.reason = row.effective.reason.take().or(left);
            }
        }
        if let Some(checked) = checked {
            row.memory.planned_bytes = Some(checked.planned_bytes);
            match &checked.overflow {
                Some(reason) => row.overflowed(reason),
                None => {
                    row.layers = layers::figures(widths.len() - 1, &checked.losses);
                    let f32_labels = f32.map(|f32| &f32.labels[..]);
                    row.classified(&checked.labels, truth, f32_labels);
                    let beside = f32_labels.and_then(confusion);
                    row.classes(confusion(&checked.labels), beside.as_deref());
                }
            }
        }
        row
    }

    fn with_samples(&self, mut row: Row, taken: Option<Taken>) -> Row {
        if let Some(taken) = taken {
            row.measured(taken, self.size, self.model.architecture().operations());
        }
        row
    }
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
