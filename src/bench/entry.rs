//! What is under test: a mode of the model, and the network that runs it.

use super::budget::{self, Fit};
use super::options::BenchOptions;
use crate::Precision;
use crate::dataset::Dataset;
use crate::engine::{Engine, Place, Session};
use crate::error::{Error, Result};
use crate::mode::Mode;
use crate::plan::Kernels;
use crate::quantize::{QuantizedNetwork, Quantizer, Recipe, Sample, Source, losses};
use crate::results::Warning;

/// A mode under test.
pub(super) struct Entry {
    pub(super) mode: Mode,
    /// Whether the user requested it; false for f32 that only serves the comparison.
    pub(super) requested: bool,
    /// What fits the memory limit, where there is one.
    pub(super) fit: Option<Fit>,
    /// Whether it is measured at the present batch size.
    pub(super) wanted: bool,
    /// The model in this mode; none where it cannot be converted.
    pub(super) model: Option<QuantizedNetwork>,
    /// Warnings about the range of its weights.
    pub(super) warnings: Vec<Warning>,
    /// Its network, or why it does not run at all.
    pub(super) network: Result<Session, String>,
    /// Why it does not run in the present batch size.
    refused: Option<String>,
}

impl Entry {
    /// Its name in a row.
    pub(super) fn name(&self) -> String {
        self.mode.to_string()
    }

    /// Its network, or why it does not run in the present batch size.
    pub(super) fn runs(&mut self) -> Result<&mut Session, &str> {
        self.runs_as().map(|(network, _)| network)
    }

    /// As [`Entry::runs`], with the model as it runs there.
    pub(super) fn runs_as(&mut self) -> Result<(&mut Session, &QuantizedNetwork), &str> {
        match (&mut self.network, &self.refused, &self.model) {
            (Ok(network), None, Some(model)) => Ok((network, model)),
            (Err(reason), ..) => Err(reason),
            (_, Some(reason), _) => Err(reason),
            (Ok(_), None, None) => Err("it was not loaded"),
        }
    }
}

/// Notes which modes cannot run batches of this size with the kernels that the user allows.
pub(super) fn refuse(entries: &mut [Entry], size: usize) {
    for entry in entries {
        let gpu = entry.network.as_mut().ok().and_then(Session::gpu);
        let checked = gpu.map_or(Ok(()), |gpu| gpu.check_batch(size));
        entry.refused = checked.err().map(|error| error.to_string());
    }
}

/// Loads every requested mode and, where the model has float weights, f32 to compare with.
pub(super) async fn load(
    engine: &Engine,
    source: &Source,
    data: &Dataset,
    options: &BenchOptions,
) -> Result<Vec<Entry>> {
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
    let sample = images.then(Sample::standard).transpose()?;
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
            Err(Error::PrecisionUnavailable { reason, .. }) if !options.named => Err(reason),
            // Unless the user named the mode, its row says that this adapter or this model cannot run it.
            Err(error @ (Error::TooLarge { .. } | Error::File { .. })) if !options.named => {
                Err(error.to_string())
            }
            Err(error) => return Err(error),
        };
        entries.push(Entry {
            fit: budget::fit(&widths, &mode, data.len(), options).filter(|_| requested),
            mode,
            wanted: requested,
            requested,
            warnings: model.as_ref().map_or_else(Vec::new, |model| {
                losses(source, model)
                    .into_iter()
                    .map(Warning::from)
                    .collect()
            }),
            model,
            network,
            refused: None,
        });
    }
    Ok(entries)
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
