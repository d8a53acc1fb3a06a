//! Finds mixed precision by measuring: the best assignment of precisions to layers on this adapter.
//!
//! A search measures images that `train` holds back and that nothing is calibrated on, never the test split. Half of them
//! serve to choose, the other half to confirm what was chosen.
//!
//! 1. It measures how sensitive each layer is: with only this layer in each low precision, and with all other layers
//!    in it.
//! 2. It adds up the errors, times and bytes of single layers to predict those of every assignment (as HAWQ-V3, Yao et
//!    al. 2021, § 3.3, adds up sensitivities and latencies).
//! 3. It measures the most promising assignments, cheapest first.
//! 4. It measures the best of those within the allowed accuracy loss again, interleaved with every uniform mode within
//!    it. A uniform mode must gain enough over f32, and a mixed one over the best uniform mode.
//! 5. It runs the best of these on the confirming images. If it loses more than is allowed there, by more than chance
//!    explains, the next best is taken. f32 is always one of them, so it is the result if nothing is better.
//!
//! Only quantized files are compared, with the kernels that run them. int8 `dynamic-tensor` cannot be stored in a file,
//! and the f16 of a file does not run on matrix units, so neither is among the uniform modes.

mod choose;
mod confirm;
mod images;
mod measure;
mod options;
mod result;
mod space;
mod state;

use crate::Precision;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::mode::Mode;
use crate::model::Network;
use crate::quantize::{QuantizedNetwork, Quantizer, Sample};
use choose::{Choice, choose};
use confirm::confirm;
pub use images::{Exposure, SearchImages};
use measure::{Bench, Blocks};
pub use options::{SearchGoal, SearchOptions};
pub use result::{Confirmation, Finalist, Gain, Measured, Rival, SearchResult, Sensitivity, Trial};
pub use space::LayerChoice;
use space::{Effect, Effects, Predicted};
pub use state::{SearchStart, SearchState};

/// Mixed assignments that are compared once more at the end.
const FINALISTS: usize = 4;

/// An assignment is not tried where its predicted error is beyond this many times the largest that was found
/// within the drop allowed.
const HOPELESS: f64 = 3.0;

/// Hears how far a search is.
pub trait SearchObserver {
    /// `done` of `total` of what is being done.
    fn progress(&mut self, what: &str, done: usize, total: usize);

    /// The sensitivities are measured.
    fn sensitivities(&mut self, f32: &Trial, sensitivities: &[Sensitivity]);
}

/// Searches for the best assignment for `model` on `engine`, with `images` to choose by and to confirm, and `sample` to
/// calibrate on.
///
/// # Errors
/// `Error::File` where the images do not fit the model; those of the device; `Error::Output` where the state
/// cannot be kept.
pub async fn run(
    engine: &Engine,
    model: &Network,
    sample: &Sample,
    images: &SearchImages,
    options: &SearchOptions,
    state: &mut SearchState,
    observer: &mut dyn SearchObserver,
) -> Result<SearchResult> {
    let mut quantizer = Quantizer::new(options.recipe, model, Some(sample));
    let f32 = Mode::from(Precision::F32);
    let data = &images.choosing;
    let bench = Bench::new(engine, data, options, &quantizer.quantize(&f32)?).await?;
    let mut search = Search {
        engine,
        layers: model.layers.len(),
        quantizer,
        bench,
        options,
        state,
        observer,
        trials: Vec::new(),
    };
    let low = search.choices();
    let f32 = search.trial(&[LayerChoice::F32]).await?;
    let sensitivities = search.sensitivities(&low).await?;
    search.observer.sensitivities(&f32, &sensitivities);
    search.uniform(&low).await?;
    search.mixed(&f32, &low, &sensitivities).await?;
    let finalists = search.compare(&f32).await?;
    let decision = search.decide(&finalists, images).await?;
    let Choice {
        best,
        plain,
        instead_of_f32,
        mixed,
    } = decision.choice;
    Ok(SearchResult {
        f32,
        sensitivities,
        trials: search.trials,
        finalists,
        plain,
        instead_of_f32,
        mixed,
        rejected: decision.rejected,
        confirmation: decision.confirmation,
        best_at: best,
        best: decision.model,
    })
}

/// What was decided among the finalists.
struct Decision {
    choice: Choice,
    /// What seemed better and was not confirmed.
    rejected: Vec<(Mode, Confirmation)>,
    confirmation: Confirmation,
    model: QuantizedNetwork,
}

struct Search<'a, 'b> {
    engine: &'a Engine,
    layers: usize,
    quantizer: Quantizer<'a>,
    bench: Bench<'a>,
    options: &'a SearchOptions,
    state: &'b mut SearchState,
    observer: &'b mut dyn SearchObserver,
    trials: Vec<Trial>,
}

impl Search<'_, '_> {
    /// The low precisions that the adapter runs itself.
    fn choices(&self) -> Vec<LayerChoice> {
        let runs = |choice: &LayerChoice| {
            let placement = self.engine.place(choice.precision);
            placement.is_ok_and(|placement| placement.reason.is_none())
        };
        LayerChoice::low().into_iter().filter(runs).collect()
    }

    /// Measures an assignment, unless that was done before. One choice is that of all layers.
    async fn trial(&mut self, choices: &[LayerChoice]) -> Result<Trial> {
        let choices = match choices {
            [one] => vec![*one; self.layers],
            choices => choices.to_vec(),
        };
        let internal = || Error::missing("mode for layers of two schemes");
        let mode = space::mode(&choices)?.ok_or_else(internal)?;
        self.trial_of(mode).await
    }

    /// Measures a mode, unless that was done before.
    async fn trial_of(&mut self, mode: Mode) -> Result<Trial> {
        let name = mode.to_string();
        let measured = match self.state.get(&name) {
            Some(measured) => measured,
            None => {
                let quantized = self.quantizer.quantize(&mode)?;
                let measured = self.bench.measure(&quantized).await?;
                self.state.put(&name, measured)?;
                measured
            }
        };
        let trial = Trial { mode, measured };
        if !self.trials.iter().any(|other| other.mode == trial.mode) {
            self.trials.push(trial.clone());
        }
        Ok(trial)
    }

    async fn sensitivities(&mut self, low: &[LayerChoice]) -> Result<Vec<Sensitivity>> {
        let mut sensitivities = Vec::new();
        let total = self.layers * low.len();
        for layer in 0..self.layers {
            for &choice in low {
                let done = sensitivities.len();
                let what = format!("layers.{layer} in {}", choice.name());
                self.observer.progress(&what, done, total);
                let mut choices = vec![LayerChoice::F32; self.layers];
                choices[layer] = choice;
                let only_this = self.trial(&choices).await?.measured;
                let mut choices = vec![choice; self.layers];
                choices[layer] = LayerChoice::F32;
                let all_others = match self.layers {
                    1 => None,
                    _ => Some(self.trial(&choices).await?.measured),
                };
                sensitivities.push(Sensitivity {
                    layer,
                    choice,
                    only_this,
                    all_others,
                });
            }
        }
        Ok(sensitivities)
    }

    async fn uniform(&mut self, low: &[LayerChoice]) -> Result<()> {
        let modes = space::uniform(low);
        let total = modes.len();
        for (index, mode) in modes.into_iter().enumerate() {
            let what = format!("all layers in {mode}");
            self.observer.progress(&what, index, total);
            self.trial_of(mode).await?;
        }
        Ok(())
    }

    /// Tries mixed assignments, the cheapest by prediction first, until none that is left promises to be better than
    /// what was found.
    async fn mixed(
        &mut self,
        f32: &Trial,
        low: &[LayerChoice],
        sensitivities: &[Sensitivity],
    ) -> Result<()> {
        let effects = self.effects(f32, low, sensitivities);
        let mut assignments = effects.assignments();
        let goal = self.options.goal;
        let cost = |effect: &Effect| match goal {
            SearchGoal::Latency => effect.time,
            SearchGoal::Memory => effect.bytes,
        };
        assignments.sort_by(|a, b| cost(&a.effect).total_cmp(&cost(&b.effect)));
        let total = self.options.trials.min(assignments.len());
        let mut tried = 0;
        for Predicted { choices, effect } in assignments {
            if tried == total {
                break;
            }
            let within: Vec<&Trial> = self.within(f32).collect();
            let errors = within.iter().map(|trial| trial.measured.output_error);
            if effect.error > HOPELESS * errors.fold(0.0, f64::max) {
                continue;
            }
            let found = within.iter().map(|trial| self.cost(f32, trial));
            let best = found.fold(f64::INFINITY, f64::min);
            // Times are noisy and do not quite add up; bytes do.
            let margin = match goal {
                SearchGoal::Latency => 0.1,
                SearchGoal::Memory => 0.0,
            };
            if cost(&effect) > best + margin {
                break;
            }
            let names: Vec<String> = choices.iter().map(|choice| choice.name()).collect();
            self.observer.progress(&names.join(","), tried, total);
            self.trial(&choices).await?;
            tried += 1;
        }
        Ok(())
    }

    fn effects(&self, f32: &Trial, low: &[LayerChoice], sensitivities: &[Sensitivity]) -> Effects {
        let none = Effect {
            error: 0.0,
            time: 0.0,
            bytes: 0.0,
        };
        let mut of = vec![vec![none; 1 + low.len()]; self.layers];
        for (index, sensitivity) in sensitivities.iter().enumerate() {
            let only_this = &sensitivity.only_this;
            of[sensitivity.layer][1 + index % low.len()] = Effect {
                error: only_this.output_error,
                time: only_this.relative_time - f32.measured.relative_time,
                bytes: only_this.parameter_bytes as f64 - f32.measured.parameter_bytes as f64,
            };
        }
        let choices = [[LayerChoice::F32].as_slice(), low].concat();
        Effects { choices, of }
    }

    /// What a trial costs, against f32.
    fn cost(&self, f32: &Trial, trial: &Trial) -> f64 {
        let (measured, f32) = (&trial.measured, &f32.measured);
        match self.options.goal {
            SearchGoal::Latency => measured.relative_time - f32.relative_time,
            SearchGoal::Memory => measured.parameter_bytes as f64 - f32.parameter_bytes as f64,
        }
    }

    /// The trials within the drop allowed.
    fn within(&self, f32: &Trial) -> impl Iterator<Item = &Trial> {
        // Shares of a whole number of images: rounding must not decide.
        let least = f32.measured.accuracy - self.options.max_drop - 1e-9;
        self.trials
            .iter()
            .filter(move |trial| trial.measured.accuracy >= least)
    }

    /// Compares what is within the drop once more, and gives the fastest or smallest first.
    async fn compare(&mut self, f32: &Trial) -> Result<Vec<Finalist>> {
        let mut uniform: Vec<Trial> = Vec::new();
        let mut mixed: Vec<Trial> = Vec::new();
        for trial in self.within(f32) {
            if trial.mode.layers.is_empty() {
                uniform.push(trial.clone());
            } else {
                mixed.push(trial.clone());
            }
        }
        mixed.sort_by(|a, b| self.cost(f32, a).total_cmp(&self.cost(f32, b)));
        mixed.truncate(FINALISTS);
        let trials = [uniform, mixed].concat();
        let mut models = Vec::new();
        for trial in &trials {
            models.push(self.quantizer.quantize(&trial.mode)?);
        }
        let observer = &mut self.observer;
        let mut progress = |done, total| observer.progress("comparing the best", done, total);
        let options = self.options;
        let is_decided = |blocks: &[Blocks]| {
            let finalists = ordered(&trials, blocks, options.goal);
            let finalists: Vec<&Finalist> = finalists.iter().collect();
            choose(&finalists, options).is_none_or(|choice| !choice.is_undecided())
        };
        let blocks = self.bench.compare(&models, &is_decided, &mut progress);
        Ok(ordered(&trials, &blocks.await?, options.goal))
    }

    /// Chooses among the finalists, and confirms the choice on images that chose nothing.
    async fn decide(&mut self, finalists: &[Finalist], images: &SearchImages) -> Result<Decision> {
        let f32 = Mode::from(Precision::F32);
        let reference = self.quantizer.quantize(&f32)?;
        let mut rejected: Vec<(Mode, Confirmation)> = Vec::new();
        loop {
            let is_left = |at: &usize| {
                let mode = &finalists[*at].trial.mode;
                !rejected.iter().any(|(rejected, _)| rejected == mode)
            };
            let left: Vec<usize> = (0..finalists.len()).filter(is_left).collect();
            let of_left: Vec<&Finalist> = left.iter().map(|&at| &finalists[at]).collect();
            let choice = choose(&of_left, self.options).ok_or_else(|| {
                Error::missing("mode within the accuracy drop, although f32 always is")
            })?;
            let among_all = |rival: Rival| Rival {
                at: left[rival.at],
                ..rival
            };
            let choice = Choice {
                best: left[choice.best],
                plain: left[choice.plain],
                instead_of_f32: choice.instead_of_f32.map(among_all),
                mixed: choice.mixed.map(among_all),
            };
            let mode = &finalists[choice.best].trial.mode;
            self.observer.progress(&format!("confirming {mode}"), 0, 1);
            let model = self.quantizer.quantize(mode)?;
            let confirmation = confirm(self.engine, &reference, &model, &images.confirming).await?;
            if *mode == f32 || !confirmation.contradicts(self.options.max_drop) {
                return Ok(Decision {
                    choice,
                    rejected,
                    confirmation,
                    model,
                });
            }
            rejected.push((mode.clone(), confirmation));
        }
    }
}

/// The finalists with their times by block, the fastest or smallest first.
fn ordered(trials: &[Trial], blocks: &[Blocks], goal: SearchGoal) -> Vec<Finalist> {
    let finalists = trials.iter().zip(blocks);
    let finalists = finalists.map(|(trial, blocks)| Finalist::new(trial.clone(), blocks.clone()));
    let mut finalists: Vec<Finalist> = finalists.collect();
    finalists.sort_by_key(|one| {
        let (time, bytes) = (one.time, one.trial.measured.parameter_bytes);
        match goal {
            SearchGoal::Latency => (time.as_nanos(), u128::from(bytes)),
            SearchGoal::Memory => (u128::from(bytes), time.as_nanos()),
        }
    });
    finalists
}
