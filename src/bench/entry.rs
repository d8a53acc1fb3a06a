//! What is under test: a mode of the model, and the network that runs it.

use super::budget::{self, Fit};
use super::{BenchOptions, Warning};
use crate::Precision;
use crate::dataset::Dataset;
use crate::deploy::{Deployed, Deployer, Recipe, Sample, Source, losses};
use crate::engine::{Engine, Network};
use crate::error::{Error, Result};
use crate::mode::Mode;
use crate::plan::Kernels;

/// A mode under test.
pub(super) struct Entry {
    pub(super) mode: Mode,
    /// False for f32 that is only there to be compared with.
    pub(super) asked: bool,
    /// What fits the memory limit, where there is one.
    pub(super) fit: Option<Fit>,
    /// Whether it is to be measured at the present batch size.
    pub(super) wanted: bool,
    /// The model in this mode; none where it cannot be put into it.
    pub(super) model: Option<Deployed>,
    /// What its weights lose to the range of their numbers.
    pub(super) warnings: Vec<Warning>,
    /// Why it does not run at all, else its network.
    pub(super) network: Result<Network, String>,
    /// Why it does not run in the present batch size.
    refused: Option<String>,
}

impl Entry {
    /// How it is called in a row.
    pub(super) fn name(&self) -> String {
        self.mode.to_string()
    }

    /// Its network, where it runs in the present batch size, else why it does not.
    pub(super) fn runs(&mut self) -> Result<&mut Network, &str> {
        self.runs_as().map(|(network, _)| network)
    }

    /// As [`Entry::runs`], with the model as it runs there.
    pub(super) fn runs_as(&mut self) -> Result<(&mut Network, &Deployed), &str> {
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
        let gpu = entry.network.as_mut().ok().and_then(Network::gpu);
        let checked = gpu.map_or(Ok(()), |gpu| gpu.check_batch(size));
        entry.refused = checked.err().map(|error| error.to_string());
    }
}

/// Loads every mode asked for and, where the model has float weights, f32 beside them for the agreement.
pub(super) async fn load(
    engine: &Engine,
    source: &Source,
    data: &Dataset,
    options: &BenchOptions,
) -> Result<Vec<Entry>> {
    let asked = options.modes.iter().map(|mode| (mode.clone(), true));
    let mut wanted: Vec<(Mode, bool)> = asked.collect();
    let f32 = Mode::from(Precision::F32);
    if source.model().is_some() && !options.modes.contains(&f32) {
        wanted.push((f32, false));
    }
    // What compensates one mode's rounding errors serves the next.
    let recipe = Recipe::default();
    let images = |mode: &Mode| Recipe::calibrates(mode) || recipe.compensates(mode);
    let images = wanted.iter().any(|(mode, _)| images(mode));
    let sample = images.then(Sample::standard).transpose()?;
    let deployer = |model| Deployer::new(recipe, model, sample.as_ref());
    let mut deployer = source.model().map(deployer);
    let widths = source.architecture().widths();
    let mut entries = Vec::new();
    for (mode, asked) in wanted {
        let deployed = match &mut deployer {
            Some(deployer) => deployer.deploy(&mode),
            None => source.deploy(&mode),
        };
        let (model, network) = match deployed {
            Ok(model) => {
                let network = network(engine, &model, data, options, asked).await;
                (Some(model), network)
            }
            Err(error) => (None, Err(error)),
        };
        let network = match network {
            Ok(network) => Ok(network),
            Err(Error::PrecisionUnavailable { reason, .. }) if !options.named => Err(reason),
            // One mode of all that this adapter or this model cannot do is a row that says so.
            Err(error @ (Error::TooLarge { .. } | Error::File { .. })) if !options.named => {
                Err(error.to_string())
            }
            Err(error) => return Err(error),
        };
        entries.push(Entry {
            fit: budget::fit(&widths, &mode, data.len(), options).filter(|_| asked),
            mode,
            wanted: asked,
            asked,
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
    model: &Deployed,
    data: &Dataset,
    options: &BenchOptions,
    asked: bool,
) -> Result<Network> {
    let mut network = match engine.load(model).await {
        // f32 that is only there to be compared with may run anywhere.
        Err(Error::TooLarge { .. }) if !asked => Network::on_cpu(model, engine.processor(), None)?,
        loaded => loaded?,
    };
    if let Some(gpu) = network.gpu() {
        if !asked {
            gpu.restrict(Kernels::Any);
        }
        if options.named {
            let listed = budget::listed(options);
            let mut sizes = listed.iter().map(|&batch| batch.min(data.len()));
            sizes.try_for_each(|size| gpu.check_batch(size))?;
        }
    }
    Ok(network)
}
