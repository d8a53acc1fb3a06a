//! What is under test: a mode of the model, and the network that runs it on an engine.

use std::sync::Arc;

use super::budget::{self, Fit};
use super::engines::Engines;
use super::options::BenchOptions;
use crate::Precision;
use crate::dataset::Dataset;
use crate::engine::{Engine, Session};
use crate::error::{CheckError, Error, Result};
use crate::mode::Mode;
use crate::plan::{ChosenBy, KernelVariant, Kernels};
use crate::quantize::{
    QuantizedNetwork, Quantizer, Recipe, Sample, Source, calibration_problems, losses,
};
use crate::results::{Row, Warning, WarningKind};

/// A mode under test.
pub(super) struct BenchEntry {
    pub(super) mode: Mode,
    /// Which engine it runs on.
    pub(super) engine: usize,
    /// Why an adapter that is measured too leaves this mode to the CPU path, which this is; none where it does not.
    pub(super) left_by_adapter: Option<String>,
    /// Whether the user requested it; false for f32 that only serves the comparison.
    pub(super) requested: bool,
    /// What fits the memory limit, where there is one.
    pub(super) fit: Option<Fit>,
    /// Whether it is measured at the present batch size.
    pub(super) wanted: bool,
    /// The model in this mode; none where it cannot be converted.
    pub(super) model: Option<Arc<QuantizedNetwork>>,
    /// Warnings about the range of its weights, and about its calibration.
    pub(super) warnings: Vec<Warning>,
    /// Its network, or why it does not run at all.
    pub(super) network: Result<Session, Absence>,
    /// The present batch size.
    batch: usize,
    /// Why it does not run in the present batch size.
    absent: Option<Absence>,
    /// What ran in the present batch size instead of a kernel that failed.
    pub(super) replaced: Option<Warning>,
}

/// Why a mode has no figures.
#[derive(Clone, Debug)]
pub(super) enum Absence {
    /// The adapter cannot run it.
    Unsupported(String),
    /// It failed.
    Failed(String),
}

impl BenchEntry {
    /// Its name in a row.
    pub(super) fn name(&self) -> String {
        self.mode.to_string()
    }

    /// Whether a row is its own.
    pub(super) fn is_of(&self, row: &Row) -> bool {
        self.engine == row.requested.adapter && self.mode == row.requested.mode()
    }

    /// Its network, or why it does not run in the present batch size.
    pub(super) fn runs(&mut self) -> Result<&mut Session, &Absence> {
        self.runs_as().map(|(network, _)| network)
    }

    /// As [`BenchEntry::runs`], with the model as it runs there.
    pub(super) fn runs_as(&mut self) -> Result<(&mut Session, &QuantizedNetwork), &Absence> {
        if let Some(absence) = &self.absent {
            return Err(absence);
        }
        match (&mut self.network, &self.model) {
            (Ok(network), Some(model)) => Ok((network, model)),
            (Err(absence), _) => Err(absence),
            (Ok(_), None) => unreachable!("a network is loaded from its model"),
        }
    }

    /// What `result` has; none where it is an error of this network alone, which then fails in the present batch size.
    ///
    /// # Errors
    /// Those that other networks would have too.
    pub(super) fn attempt<T>(&mut self, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_of_one_network() => {
                self.fail(&error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Ends its part in the present batch size, and gives back the memory that it took.
    pub(super) fn fail(&mut self, error: &Error) {
        let mut reason = error.to_string();
        if let Ok(network) = &mut self.network {
            if let Some(Ok((variant, _))) = network.gpu().map(|gpu| gpu.variant(self.batch)) {
                reason = format!("kernel {}: {reason}", variant.name);
            }
            network.release();
        }
        self.absent = Some(Absence::Failed(reason));
    }

    /// Chooses another kernel for the present batch size, one of another family if there is one, instead of the kernel
    /// that gave `error`. Gives that kernel and what chose it; none where there is no other, or the kernel cannot be the
    /// reason.
    pub(super) fn replace_kernel(&mut self, error: &Error) -> Option<(KernelVariant, ChosenBy)> {
        let wrong = matches!(
            error,
            Error::CheckFailed(CheckError::DiffersFromReference { .. })
        );
        let gpu = self.network.as_mut().ok().and_then(Session::gpu);
        let gpu = gpu.filter(|gpu| (wrong || error.is_rejection()) && !gpu.is_fixed())?;
        let (failed, by) = gpu.variant(self.batch).ok()?;
        let other = gpu.other_than(failed, self.batch)?;
        gpu.choose(self.batch, other, ChosenBy::Default);
        self.replaced = Some(Warning {
            kind: WarningKind::KernelFailed,
            text: format!(
                "{} ran instead of {}, which failed: {error}",
                other.name, failed.name
            ),
        });
        Some((failed, by))
    }

    /// Chooses the kernel again that was replaced.
    pub(super) fn restore_kernel(&mut self, (variant, by): (KernelVariant, ChosenBy)) {
        self.replaced = None;
        if let Some(gpu) = self.network.as_mut().ok().and_then(Session::gpu) {
            gpu.choose(self.batch, variant, by);
        }
    }

    /// Whether it has a row in the present batch size: if it is wanted, and if what only serves the comparison failed.
    pub(super) fn has_row(&mut self) -> bool {
        self.wanted || matches!(self.runs(), Err(Absence::Failed(_)))
    }
}

/// Notes which modes cannot run batches of this size with the kernels that the user allows.
pub(super) fn refuse(entries: &mut [BenchEntry], size: usize) {
    for entry in entries {
        let gpu = entry.network.as_mut().ok().and_then(Session::gpu);
        let checked = gpu.map_or(Ok(()), |gpu| gpu.check_batch(size));
        let refused = checked.err().map(|error| error.to_string());
        entry.batch = size;
        entry.absent = refused.map(Absence::Unsupported);
        entry.replaced = None;
    }
}

/// A mode of the model, before any engine has it.
struct PreparedMode {
    mode: Mode,
    requested: bool,
    /// The model in this mode, or why it cannot be converted.
    model: Result<Arc<QuantizedNetwork>, Absence>,
    warnings: Vec<Warning>,
}

/// Loads every requested mode on every engine and, where the model has float weights, f32 to compare with. The entries
/// of an engine follow one another.
///
/// Where the CPU path is measured too, a mode that another engine would leave to it has no entry on that engine.
///
/// # Errors
/// A mode that the user named and no engine can run, and what other modes would fail of too.
pub(super) async fn load(
    engines: Engines<'_>,
    source: &Source,
    data: &Dataset,
    options: &BenchOptions,
) -> Result<Vec<BenchEntry>> {
    let modes = prepare(source, options)?;
    let must_run = options.named && !engines.are_several();
    let mut entries: Vec<BenchEntry> = Vec::new();
    let mut errors = Vec::new();
    for (at, engine) in engines.iter() {
        // One f32 to compare with is enough.
        let modes = modes.iter().filter(|one| one.requested || at == 0);
        for one in modes {
            let network = match &one.model {
                Err(absence) => Err(absence.clone()),
                Ok(model) if engines.leaves_to_cpu_path(at, model).is_some() => continue,
                Ok(model) => match network(engine, model, data, options, one.requested).await {
                    Ok(network) => Ok(network),
                    Err(error) => {
                        let Some(absence) = absence(&error, must_run) else {
                            return Err(error);
                        };
                        errors.push((&one.mode, error));
                        Err(absence)
                    }
                },
            };
            entries.push(one.on(engines, at, network));
        }
    }
    for (mode, error) in errors {
        let runs = |entry: &BenchEntry| entry.mode == *mode && entry.network.is_ok();
        if !entries.iter().any(runs) && absence(&error, options.named).is_none() {
            return Err(error);
        }
    }
    for entry in entries.iter_mut().filter(|entry| entry.requested) {
        if let Ok(network) = &mut entry.network {
            entry.fit = budget::fit(network, data.len(), options).await?;
        }
    }
    Ok(entries)
}

/// Every requested mode and, where the model has float weights, f32.
fn prepare(source: &Source, options: &BenchOptions) -> Result<Vec<PreparedMode>> {
    let requested = options.modes.iter().map(|mode| (mode.clone(), true));
    let mut wanted: Vec<(Mode, bool)> = requested.collect();
    let f32 = Mode::from(Precision::F32);
    if source.model().is_some() && !options.modes.contains(&f32) {
        wanted.push((f32, false));
    }
    // The images that compensate one mode's rounding errors serve the next mode too.
    let recipe = options.recipe;
    let images = |mode: &Mode| Recipe::calibrates(mode) || recipe.compensates(mode);
    let images = wanted.iter().any(|(mode, _)| images(mode));
    let sample = match &options.calibration {
        Some(sample) => Some(sample.clone()),
        None => images.then(Sample::standard).transpose()?,
    };
    let quantizer = |model| Quantizer::new(recipe, model, sample.as_ref()).with_stored_ranges();
    let mut quantizer = source.model().map(quantizer);
    let mut modes = Vec::new();
    for (mode, requested) in wanted {
        let quantized = match &mut quantizer {
            Some(quantizer) => quantizer.quantize(&mode),
            None => source.quantize(&mode),
        };
        let model = match quantized {
            Ok(model) => Ok(Arc::new(model)),
            Err(error) => match absence(&error, options.named) {
                Some(absence) => Err(absence),
                None => return Err(error),
            },
        };
        let warnings = match &model {
            Ok(model) => warnings(source, model, sample.as_ref()),
            Err(_) => Vec::new(),
        };
        modes.push(PreparedMode {
            mode,
            requested,
            model,
            warnings,
        });
    }
    Ok(modes)
}

impl PreparedMode {
    /// The mode on an engine, with the network that runs there.
    fn on(
        &self,
        engines: Engines<'_>,
        engine: usize,
        network: Result<Session, Absence>,
    ) -> BenchEntry {
        let model = self.model.as_ref().ok();
        let left = model.filter(|_| engines.cpu_path() == Some(engine));
        BenchEntry {
            mode: self.mode.clone(),
            engine,
            left_by_adapter: left.and_then(|model| {
                let mut reasons = engines
                    .iter()
                    .map(|(at, _)| engines.leaves_to_cpu_path(at, model));
                reasons.find_map(|reason| reason)
            }),
            requested: self.requested,
            fit: None,
            wanted: self.requested,
            model: model.cloned(),
            warnings: self.warnings.clone(),
            network,
            batch: 0,
            absent: None,
            replaced: None,
        }
    }
}

/// Why a mode has no figures after this error of it alone. None where the error ends the benchmark: another mode would
/// have it too, or the mode must run, since the user named it.
fn absence(error: &Error, must_run: bool) -> Option<Absence> {
    match error {
        Error::PrecisionUnavailable { reason, .. } if !must_run => {
            Some(Absence::Unsupported(reason.clone()))
        }
        // The row says that this adapter or this model cannot run it.
        Error::TooLarge { .. } | Error::File { .. } if !must_run => {
            Some(Absence::Unsupported(error.to_string()))
        }
        Error::OutOfMemory { .. } => Some(Absence::Failed(error.to_string())),
        _ => None,
    }
}

/// What to doubt of a model in its mode: what its weights lose, and what the calibration images do not show.
fn warnings(source: &Source, model: &QuantizedNetwork, sample: Option<&Sample>) -> Vec<Warning> {
    let losses = losses(source, model).into_iter().map(Warning::from);
    let problems = match (source.model(), sample) {
        (Some(float), Some(sample)) => calibration_problems(float, model, sample),
        _ => Vec::new(),
    };
    losses
        .chain(problems.into_iter().map(Warning::from))
        .collect()
}

/// Loads a model where it runs.
async fn network(
    engine: &Engine,
    model: &QuantizedNetwork,
    data: &Dataset,
    options: &BenchOptions,
    requested: bool,
) -> Result<Session> {
    let mut network = match engine.load(model).await {
        // f32 that only serves the comparison may run anywhere.
        Err(Error::TooLarge { .. }) if !requested => {
            Session::on_cpu(model, engine.processor(), None)?
        }
        loaded => loaded?,
    };
    if let Some(gpu) = network.gpu() {
        if !requested {
            gpu.restrict(Kernels::Any);
        }
        if options.named {
            let listed = options.listed();
            let mut sizes = listed.iter().map(|&batch| batch.min(data.len()));
            sizes.try_for_each(|size| gpu.check_batch(size))?;
        }
    }
    Ok(network)
}
