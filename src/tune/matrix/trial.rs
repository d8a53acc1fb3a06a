//! The trial of an adapter's matrix units: made once on each adapter and driver, and kept.
//!
//! wgpu calls cooperative matrices experimental, and its shader compiler leaves out what the memory
//! model would have it say of their loads and stores. So nobody's network meets a kernel for them
//! before each of them has been held against the oracle on this adapter; and since matrix units can
//! be slower than plain arithmetic, as on software adapters, they are timed against it. The trial
//! has a device of its own: a device for networks is only opened with the experimental feature
//! where that will be used.

use std::sync::Arc;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::engine::Selected;
use crate::error::{Error, Result};
use crate::gpu::{self, Device, DeviceOptions};
use crate::model::{Activation, Layer, Model};
use crate::plan::{ChosenBy, STRATEGIES, Strategy};
use crate::tune::cache::{Cache, Effort, Entry, Key};
use crate::tune::{device_key, measure};
use crate::{Precision, reference};

/// What a trial of an adapter's matrix units came to, as the cache keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every kernel computes what the oracle does.
    Right {
        /// The fastest kernel that does without them.
        without: String,
        /// How long that one took on the same network.
        without_nanoseconds: u64,
    },
    /// A kernel computes something else.
    Wrong,
    /// The driver does not take a kernel, or breaks down over it.
    Refused,
}

/// The network and batch on which kernels are timed: large enough to keep a GPU busy, and a good part
/// of a second's work for the slowest adapter.
const TIMED: ([usize; 3], usize) = ([784, 1024, 10], 1024);

/// The network and batch on which kernels are checked: no width is a multiple of what a matrix or a
/// tile has, and there are whole matrices and an edge along every dimension.
const CHECKED: ([usize; 3], usize) = ([147, 139, 10], 151);

/// How far an output may be off, as a share of the root mean square of all: f16's rounding through two
/// layers stays far below it, and one term that is missing from a sum is more.
const TOLERANCE: f64 = 0.01;

/// A verdict, and what it was made of.
pub(super) struct Trial {
    pub(super) verdict: Verdict,
    /// The fastest kernel for matrix units, or the one that failed.
    kernel: &'static str,
    nanoseconds: u64,
    /// What went wrong; nothing where the cache has only the verdict.
    detail: String,
    /// Whether it would come to the same another time, and so is kept.
    lasts: bool,
}

impl Trial {
    /// What the cache knows, or else a trial on a device of its own, which is then kept.
    pub(super) async fn known_or_made(selected: &Selected, options: &DeviceOptions) -> Self {
        let mut cache = Cache::open();
        let key = key(selected);
        if let Some(known) = cache.get(&key).and_then(Self::known) {
            return known;
        }
        let trial = Self::make(selected, options).await;
        if trial.verdict == Verdict::Wrong {
            log::warn!("{}: {}", selected.info(), trial.words());
        }
        if !trial.lasts {
            return trial;
        }
        let mut entry = Entry::new(trial.kernel, trial.nanoseconds);
        entry.matrix_units = Some(trial.verdict.clone());
        cache.put(key, entry);
        if let Err(error) = cache.save() {
            log::warn!("the trial of matrix units is not kept: {error}");
        }
        trial
    }

    /// What the cache says, if it makes sense: the file's words are only words.
    fn known(entry: &Entry) -> Option<Self> {
        let kernel = Strategy::find(&entry.kernel).filter(|found| found.on_matrix_units())?;
        let verdict = entry.matrix_units.clone()?;
        if let Verdict::Right { without, .. } = &verdict {
            Strategy::find(without)?;
        }
        Some(Self {
            verdict,
            kernel: kernel.name,
            nanoseconds: entry.nanoseconds,
            detail: String::new(),
            lasts: true,
        })
    }

    async fn make(selected: &Selected, options: &DeviceOptions) -> Self {
        let mut kernel = "any kernel for them";
        let tried = try_all(selected, options, &mut kernel).await;
        let failed = |verdict, detail, lasts| Self {
            verdict,
            kernel,
            nanoseconds: 0,
            detail,
            lasts,
        };
        match tried {
            Ok(trial) => trial,
            Err(Error::CheckFailed(problem)) => {
                failed(Verdict::Wrong, format!(" ({problem})"), true)
            }
            Err(error) => {
                // A kernel that the driver rejects or is lost over is the same the next time.
                let lasts = matches!(error, Error::Internal(_) | Error::DeviceLost { .. });
                failed(Verdict::Refused, format!(" ({error})"), lasts)
            }
        }
    }

    /// Whether matrix units are worth taking.
    pub(super) fn takes(&self) -> bool {
        matches!(self.verdict, Verdict::Right { without_nanoseconds, .. }
            if self.nanoseconds < without_nanoseconds)
    }

    /// What it came to, in words.
    pub(super) fn words(&self) -> String {
        let Self {
            verdict,
            kernel,
            nanoseconds,
            detail,
            lasts: _,
        } = self;
        match verdict {
            Verdict::Right {
                without,
                without_nanoseconds,
            } => {
                let (widths, batch) = TIMED;
                let [inputs, hidden, outputs] = widths;
                let factor = *without_nanoseconds as f64 / (*nanoseconds).max(1) as f64;
                let but = if factor > 1.0 { "and" } else { "but" };
                format!(
                    "right, {but} {kernel} has {factor:.2} times the speed of {without} \
                     ({inputs}-{hidden}-{outputs}, batch {batch})"
                )
            }
            Verdict::Wrong => {
                format!("{kernel} does not compute what the oracle does{detail}")
            }
            Verdict::Refused => format!("the driver does not take {kernel}{detail}"),
        }
    }
}

/// The trial's place in the cache.
fn key(selected: &Selected) -> Key {
    let units = selected.info().matrix_units;
    let size = units.map_or(0, |units| units.size);
    let shape = format!("matrix units {size}x{size}");
    device_key(selected.info(), Precision::F16, shape, Effort::Quick)
}

/// Checks every kernel for matrix units and times them. `kernel` is the one at work.
async fn try_all(
    selected: &Selected,
    options: &DeviceOptions,
    kernel: &mut &'static str,
) -> Result<Trial> {
    let Some(found) = selected.found() else {
        return Err(Error::Internal("the CPU path has no matrix units".into()));
    };
    let options = DeviceOptions {
        matrix_units: true,
        ..options.clone()
    };
    let device = Device::open(found, &options).await?;
    let kernels: Vec<Strategy> = STRATEGIES
        .iter()
        .copied()
        .filter(|strategy| strategy.on_matrix_units())
        .collect();
    let (widths, batch) = CHECKED;
    let (model, pixels) = random_network(&widths, batch)?;
    let want = reference::infer(&model, Precision::F16, &pixels, batch).outputs;
    for &strategy in &kernels {
        *kernel = strategy.name;
        check(&device, strategy, &model, &pixels, &want).await?;
    }

    let (widths, batch) = TIMED;
    let (model, pixels) = random_network(&widths, batch)?;
    let mut network = gpu::Network::new(&device, &model, Precision::F16).await?;
    let without: Vec<Strategy> = network
        .candidates(batch)
        .into_iter()
        .filter(|strategy| !strategy.on_matrix_units())
        .collect();
    let mut fastest = Vec::new();
    for candidates in [&kernels, &without] {
        let best = measure(&mut network, candidates, &pixels, batch, Duration::MAX).await?;
        let none = || Error::Internal("no kernel could be timed".into());
        let (strategy, time) = best.ok_or_else(none)?;
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        fastest.push((strategy.name, nanoseconds));
    }
    let [(kernel, nanoseconds), (without, without_nanoseconds)] = fastest[..] else {
        return Err(Error::Internal("two kernels were to be timed".into()));
    };
    Ok(Trial {
        verdict: Verdict::Right {
            without: without.to_owned(),
            without_nanoseconds,
        },
        kernel,
        nanoseconds,
        detail: String::new(),
        lasts: true,
    })
}

/// Holds one kernel against the oracle's outputs `want: [images, out]`.
async fn check(
    device: &Arc<Device>,
    strategy: Strategy,
    model: &Model,
    pixels: &[u8],
    want: &[f64],
) -> Result<()> {
    let batch = pixels.len() / model.inputs();
    let architecture = model.architecture();
    let refused = strategy.refused(&architecture, Precision::F16, batch, device.limits());
    if refused.is_some() {
        // No plan will take it either.
        return Ok(());
    }
    let mut network = gpu::Network::new(device, model, Precision::F16).await?;
    network.choose(batch, strategy, ChosenBy::Measuring);
    network.upload(pixels, batch).await?;
    compare(&network.run().await?.outputs, want).map_err(Error::CheckFailed)
}

/// Whether outputs are those of the oracle.
fn compare(got: &[f32], want: &[f64]) -> Result<(), String> {
    if got.len() != want.len() {
        return Err(format!("{} outputs, not {}", got.len(), want.len()));
    }
    let squares: f64 = want.iter().map(|want| want * want).sum();
    let tolerance = TOLERANCE * (squares / want.len() as f64).sqrt();
    let differs = |(got, want): &(&f32, &f64)| {
        // NaN is not within it.
        let within = (f64::from(**got) - **want).abs() <= tolerance;
        !within
    };
    let pairs = || got.iter().zip(want).filter(differs);
    match pairs().next() {
        None => Ok(()),
        Some((first, instead)) => Err(format!(
            "{} of {} outputs differ, the first is {first:.4}, not {instead:.4}",
            pairs().count(),
            want.len(),
        )),
    }
}

/// A network of these widths with random weights that keep its values near 1, and random pixels for a
/// batch of it; always the same.
fn random_network(widths: &[usize], batch: usize) -> Result<(Model, Vec<u8>)> {
    let mut rng = ChaCha8Rng::seed_from_u64(widths.len() as u64);
    let mut layers = Vec::new();
    for pair in widths.windows(2) {
        let (inputs, outputs) = (pair[0], pair[1]);
        let size = 2.0 / (inputs as f32).sqrt();
        let mut values = |count: usize, size: f32| -> Vec<f32> {
            (0..count).map(|_| rng.random_range(-size..size)).collect()
        };
        let last = layers.len() + 2 == widths.len();
        layers.push(Layer {
            inputs,
            outputs,
            weights: values(inputs * outputs, size),
            bias: values(outputs, 1.0),
            activation: if last {
                Activation::Softmax
            } else {
                Activation::Relu
            },
        });
    }
    let pixels = (0..batch * widths[0]).map(|_| rng.random()).collect();
    Ok((Model::new(layers)?, pixels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_that_differ_are_told() {
        let want = vec![1.0, -1.0, 0.5];
        assert_eq!(compare(&[1.0, -1.004, 0.5], &want), Ok(()));
        for wrong in [[1.0, -1.1, 0.5], [f32::NAN, -1.0, 0.5]] {
            let problem = compare(&wrong, &want).unwrap_err();
            assert!(problem.contains("1 of 3"), "{problem}");
        }
        assert!(compare(&[1.0], &want).is_err());
    }

    #[test]
    fn a_missing_term_is_more_than_the_tolerance() {
        let (widths, batch) = CHECKED;
        let (mut model, pixels) = random_network(&widths, batch).unwrap();
        let outputs =
            |model: &Model| reference::infer(model, Precision::F16, &pixels, batch).outputs;
        let want = outputs(&model);
        let exact: Vec<f32> = want.iter().map(|&want| want as f32).collect();
        assert_eq!(compare(&exact, &want), Ok(()));
        for layer in 0..model.layers.len() {
            let whole = model.layers[layer].weights.clone();
            let cols = model.layers[layer].outputs;
            // What a kernel computes that loses the last inner value.
            let last = whole.len() - cols;
            model.layers[layer].weights[last..].fill(0.0);
            let without: Vec<f32> = outputs(&model).iter().map(|&v| v as f32).collect();
            assert!(compare(&without, &want).is_err(), "layer {layer}");
            model.layers[layer].weights = whole;
        }
    }

    fn trial(verdict: Verdict, nanoseconds: u64) -> Trial {
        Trial {
            verdict,
            kernel: "coop-2x4",
            nanoseconds,
            detail: String::new(),
            lasts: true,
        }
    }

    #[test]
    fn only_what_is_right_and_faster_is_taken() {
        let right = Verdict::Right {
            without: "register-8x8".into(),
            without_nanoseconds: 100,
        };
        let takes = |trial: Trial| trial.takes();
        assert!(takes(trial(right.clone(), 50)));
        assert!(
            trial(right.clone(), 50)
                .words()
                .contains("and coop-2x4 has 2.00 times")
        );
        assert!(!takes(trial(right.clone(), 200)));
        assert!(
            trial(right, 200)
                .words()
                .contains("but coop-2x4 has 0.50 times")
        );
        assert!(!takes(trial(Verdict::Wrong, 0)));
        assert!(!takes(trial(Verdict::Refused, 0)));
    }

    #[test]
    fn only_known_kernels_are_believed_of_the_cache() {
        let entry = |kernel: &str, verdict| {
            let mut entry = Entry::new(kernel, 1);
            entry.matrix_units = verdict;
            Trial::known(&entry).is_some()
        };
        let right = |without: &str| {
            Some(Verdict::Right {
                without: without.into(),
                without_nanoseconds: 2,
            })
        };
        assert!(entry("coop-2x4", right("register-8x8")));
        assert!(entry("coop-2x4", Some(Verdict::Wrong)));
        assert!(!entry("coop-2x4", right("\u{1b}[31m")));
        assert!(!entry("register-8x8", right("register-8x8")));
        assert!(!entry("coop-2x4", None));
    }
}
