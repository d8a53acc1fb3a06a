//! What is under test: a mode of the model, and the network that runs it.

use super::budget::{self, Fit};
use super::options::BenchOptions;
use crate::Precision;
use crate::dataset::Dataset;
use crate::engine::{Engine, Place, Session};
use crate::error::{CheckError, Error, Result};
use crate::mode::Mode;
use crate::plan::{ChosenBy, KernelVariant, Kernels};
use crate::quantize::{
    QuantizedNetwork, Quantizer, Recipe, Sample, Source, calibration_problems, losses,
};
use crate::results::{Warning, WarningKind};

/// A mode under test.
pub(super) struct BenchEntry {
    pub(super) mode: Mode,
    /// Whether the user requested it; false for f32 that only serves the comparison.
    pub(super) requested: bool,
    /// What fits the memory limit, where there is one.
    pub(super) fit: Option<Fit>,
    /// Whether it is measured at the present batch size.
    pub(super) wanted: bool,
    /// The model in this mode; none where it cannot be converted.
    pub(super) model: Option<QuantizedNetwork>,
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

/// Loads every requested mode and, where the model has float weights, f32 to compare with.
pub(super) async fn load(
    engine: &Engine,
    source: &Source,
    data: &Dataset,
    options: &BenchOptions,
) -> Result<Vec<BenchEntry>> {
    let requested = options.modes.iter().map(|mode| (mode.clone(), true));
    let mut wanted: Vec<(Mode, bool)> = requested.collect();
    let f32 = Mode::from(Precision::F32);
    if source.model().is_some() && !options.modes.contains(&f32) {
        wanted.push((f32, false));
    }
    // The images that compensate one mode's rounding errors serve the next mode too.
    let recipe = Recipe::default();
    let images = |mode: &Mode| Recipe::calibrates(mode) || recipe.compensates(mode);
    let images = wanted.iter().any(|(mode, _)| images(mode));
    let sample = match &options.calibration {
        Some(sample) => Some(sample.clone()),
        None => images.then(Sample::standard).transpose()?,
    };
    let quantizer = |model| Quantizer::new(recipe, model, sample.as_ref());
    let mut quantizer = source.model().map(quantizer);
    let widths = source.architecture().widths();
    let mut entries = Vec::new();
    for (mode, requested) in wanted {
        let quantized = match &mut quantizer {
            Some(quantizer) => quantizer.quantize(&mode),
            None => source.quantize(&mode),
        };
        let (model, network) = match quantized {
            Ok(model) => {
                let network = network(engine, &model, data, options, requested).await;
                (Some(model), network)
            }
            Err(error) => (None, Err(error)),
        };
        let network = match network {
            Ok(network) => Ok(network),
            Err(Error::PrecisionUnavailable { reason, .. }) if !options.named => {
                Err(Absence::Unsupported(reason))
            }
            // Unless the user named the mode, its row says that this adapter or this model cannot run it.
            Err(error @ (Error::TooLarge { .. } | Error::File { .. })) if !options.named => {
                Err(Absence::Unsupported(error.to_string()))
            }
            Err(error @ Error::OutOfMemory { .. }) => Err(Absence::Failed(error.to_string())),
            Err(error) => return Err(error),
        };
        entries.push(BenchEntry {
            fit: budget::fit(&widths, &mode, data.len(), options).filter(|_| requested),
            mode,
            wanted: requested,
            requested,
            warnings: model
                .as_ref()
                .map_or_else(Vec::new, |model| warnings(source, model, sample.as_ref())),
            model,
            network,
            batch: 0,
            absent: None,
            replaced: None,
        });
    }
    Ok(entries)
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

/// The place of an executor in the result's list of adapters: the engine's adapter comes first, then the CPU path if it
/// is another.
pub(super) fn adapter_of(place: Place, engine: &Engine) -> usize {
    match place {
        Place::Cpu if engine.device().is_some() => 1,
        Place::Cpu | Place::Gpu => 0,
    }
}
