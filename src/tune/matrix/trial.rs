//! The trial of an adapter's matrix units: made once on each adapter and driver, and kept.
//!
//! wgpu calls cooperative matrices experimental, and its shader compiler does not write what the memory
//! model would have it say of their loads and stores. So nobody's network meets a kernel for them
//! before each of them has been held against the reference on this adapter; and since matrix units can
//! be slower than plain arithmetic, as on software adapters, they are timed against it. The trial
//! has a device of its own: a device for networks is only opened with the experimental feature
//! where that will be used. That it began is written down before it begins, so that a driver that
//! takes the program down with it does so once.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::engine::{MatrixUse, Selected};
use crate::error::{CheckError, Error, Result};
use crate::gpu::{self, Device, DeviceOptions};
use crate::model::{Activation, Layer, Network};
use crate::plan::{ChosenBy, KERNEL_VARIANTS, KernelVariant};
use crate::quantize::{QuantizedNetwork, lower};
use crate::tune::cache::{Cache, CacheEntry, CacheKey, TrialResult, TuningEffort};
use crate::tune::key::device_key;
use crate::tune::measure::measure;
use crate::{Precision, reference};

/// Whether a trial that was made is made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    Never,
    UnlessRight,
    Always,
}

/// The network and batch on which kernels are timed: large enough to keep a GPU busy, and a good part
/// of a second's work for the slowest adapter.
const TIMED: ([usize; 3], usize) = ([784, 1024, 10], 1024);

/// The network and batch on which kernels are checked: no width is a multiple of what a matrix or a
/// tile has, there are whole matrices and an edge along every dimension, and workgroups can share the first layer's inputs.
const CHECKED: ([usize; 3], usize) = ([595, 139, 10], 151);

/// How far an output may be off, as a share of the root mean square of all: f16's rounding through two
/// layers stays far below it, and one term that is missing from a sum is more.
const TOLERANCE: f64 = 0.01;

/// The longest that the cache keeps of a driver's words.
const LONGEST_DETAIL: usize = 300;

/// The result of a trial, and the fastest kernel for matrix units where they are right.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct MatrixUnitsTrial {
    pub(super) result: TrialResult,
    kernel: &'static str,
    nanoseconds: u64,
}

impl MatrixUnitsTrial {
    /// What the cache knows, or else a trial on a device of its own, which is then kept.
    pub(super) async fn known_or_made(
        selected: &Selected,
        options: &DeviceOptions,
        again: Again,
    ) -> Self {
        let mut cache = Cache::open();
        let key = key(selected);
        let known = cache.get(&key).and_then(Self::known);
        if let Some(known) = known {
            let right = matches!(known.result, TrialResult::Right { .. });
            if again == Again::Never || (again == Again::UnlessRight && right) {
                return known;
            }
        }
        keep(&mut cache, &key, &Self::without_kernel(TrialResult::Begun));
        let trial = Self::make(selected, options).await;
        if matches!(trial.result, TrialResult::Wrong { .. }) {
            log::warn!("{}: {}", selected.info(), trial.words());
        }
        keep(&mut cache, &key, &trial);
        trial
    }

    /// What the cache says, if it makes sense: the file's words are only words.
    fn known(entry: &CacheEntry) -> Option<Self> {
        let kernel = KernelVariant::find(&entry.kernel).filter(|found| found.on_matrix_units());
        let words = |detail: &str| tidy(detail);
        match entry.matrix_units.as_ref()? {
            TrialResult::Right {
                without, rejected, ..
            } => {
                KernelVariant::find(without)?;
                let known = |name: &String| KernelVariant::find(name).is_some();
                rejected.iter().all(known).then_some(())?;
                Some(Self {
                    result: entry.matrix_units.clone()?,
                    kernel: kernel?.name,
                    nanoseconds: entry.nanoseconds,
                })
            }
            TrialResult::Begun => Some(Self::without_kernel(TrialResult::Begun)),
            TrialResult::Wrong { detail } => Some(Self::without_kernel(TrialResult::Wrong {
                detail: words(detail),
            })),
            TrialResult::Refused { detail } => Some(Self::without_kernel(TrialResult::Refused {
                detail: words(detail),
            })),
        }
    }

    fn without_kernel(result: TrialResult) -> Self {
        Self {
            result,
            kernel: "",
            nanoseconds: 0,
        }
    }

    async fn make(selected: &Selected, options: &DeviceOptions) -> Self {
        let result = match try_all(selected, options).await {
            Ok(trial) => return trial,
            Err(Error::CheckFailed(CheckError::WrongResult { what, problem, .. })) => {
                TrialResult::Wrong {
                    detail: tidy(&format!("{what}: {problem}")),
                }
            }
            Err(Error::CheckFailed(failed)) => TrialResult::Wrong {
                detail: tidy(&failed.to_string()),
            },
            Err(Error::MatrixUnitsUnavailable { reason, .. }) => TrialResult::Refused {
                detail: tidy(&reason),
            },
            Err(error) => TrialResult::Refused {
                detail: tidy(&error.to_string()),
            },
        };
        Self::without_kernel(result)
    }

    /// What follows from it, where nobody asks for more.
    pub(super) fn decides(&self) -> MatrixUse {
        let (used, rejected) = match &self.result {
            TrialResult::Right {
                without_nanoseconds,
                rejected,
                ..
            } => {
                let names = rejected.iter().filter_map(|name| KernelVariant::find(name));
                let rejected = names.map(|variant| variant.name).collect();
                (self.nanoseconds < *without_nanoseconds, rejected)
            }
            _ => (false, Vec::new()),
        };
        MatrixUse {
            used,
            reason: self.words(),
            rejected,
        }
    }

    /// What it came to, in words.
    fn words(&self) -> String {
        let Self {
            result,
            kernel,
            nanoseconds,
        } = self;
        match result {
            TrialResult::Begun => {
                "an earlier trial did not end, so the driver may have failed; use --matrix-units on to repeat it"
                    .to_owned()
            }
            TrialResult::Right {
                without,
                without_nanoseconds,
                ..
            } => {
                let (widths, batch) = TIMED;
                let [inputs, hidden, outputs] = widths;
                let factor = *without_nanoseconds as f64 / (*nanoseconds).max(1) as f64;
                let but = if factor > 1.0 { "and" } else { "but" };
                format!(
                    "the results are correct, {but} {kernel} has {factor:.2} times the speed of {without} \
                     ({inputs}-{hidden}-{outputs}, batch {batch})"
                )
            }
            TrialResult::Wrong { detail } => {
                format!("a kernel differs from the reference result: {detail}")
            }
            TrialResult::Refused { detail } => format!("the trial failed: {detail}"),
        }
    }
}

/// Writes a trial down.
fn keep(cache: &mut Cache, key: &CacheKey, trial: &MatrixUnitsTrial) {
    let mut entry = CacheEntry::new(trial.kernel, trial.nanoseconds);
    entry.matrix_units = Some(trial.result.clone());
    cache.put(key.clone(), entry);
    if let Err(error) = cache.save() {
        log::warn!("the result of the matrix units trial could not be saved: {error}");
    }
}

/// A driver's words on one line, not too many, and none that steers a terminal.
fn tidy(words: &str) -> String {
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let printable = words.chars().filter(|c| !c.is_control());
    printable.take(LONGEST_DETAIL).collect()
}

/// The trial's place in the cache. The number behind `trial` changes with the way of trying.
fn key(selected: &Selected) -> CacheKey {
    let units = selected.info().matrix_units;
    let (size, lanes) = units.map_or((0, 0), |units| (units.size, units.lanes));
    let shape = format!("matrix units {size}x{size}, {lanes} lanes, trial 2");
    device_key(
        selected.info(),
        &Precision::F16.into(),
        shape,
        TuningEffort::Quick,
    )
}

/// Checks every kernel for matrix units and times them.
async fn try_all(selected: &Selected, options: &DeviceOptions) -> Result<MatrixUnitsTrial> {
    let Some(found) = selected.found() else {
        return Err(Error::MatrixUnitsUnavailable {
            adapter: selected.info().to_string(),
            reason: "the CPU path has no matrix units".into(),
        });
    };
    let options = DeviceOptions {
        matrix_units: true,
        rejected: Vec::new(),
        ..options.clone()
    };
    let device = Device::open(found, &options).await?;
    let (widths, batch) = TIMED;
    let timed = random_network(&widths, batch, Activation::Identity)?;
    // What the limits refuse, no plan takes.
    let runs = |variant: &KernelVariant| {
        let model = timed.0.architecture();
        let refused = variant.refused(&model, batch, device.limits());
        variant.on_matrix_units() && refused.is_none()
    };
    let mut kernels: Vec<KernelVariant> = KERNEL_VARIANTS.iter().copied().filter(runs).collect();
    let rejected = check_all(&device, &mut kernels).await?;
    time_all(&device, &kernels, &timed, rejected).await
}

/// Holds each kernel against the reference and keeps those that the driver takes; gives the names of the
/// others.
async fn check_all(
    device: &Arc<Device>,
    kernels: &mut Vec<KernelVariant>,
) -> Result<Vec<&'static str>> {
    let (widths, batch) = CHECKED;
    let (model, pixels) = random_network(&widths, batch, Activation::Softmax)?;
    let want = reference::infer(&model, &pixels, batch).outputs;
    let mut rejected = Vec::new();
    let mut last = Error::MatrixUnitsUnavailable {
        adapter: device.info().to_string(),
        reason: "no kernel for matrix units fits this adapter".into(),
    };
    for &variant in kernels.iter() {
        let mut network = gpu::Session::new(device, &model).await?;
        match compare_with(&mut network, variant, &pixels, &want).await {
            Ok(()) => {}
            Err(error) if error.is_rejection() => {
                log::warn!("{} is not timed: {error}", variant.name);
                rejected.push(variant.name);
                last = error;
            }
            Err(error) => return Err(error),
        }
    }
    kernels.retain(|variant| !rejected.contains(&variant.name));
    if kernels.is_empty() {
        Err(last)
    } else {
        Ok(rejected)
    }
}

/// Times kernels for matrix units and the likely ones without, and compares the answers: on a network
/// so large that what runs at the wrong time may show.
async fn time_all(
    device: &Arc<Device>,
    kernels: &[KernelVariant],
    (model, pixels): &(QuantizedNetwork, Vec<u8>),
    rejected: Vec<&'static str>,
) -> Result<MatrixUnitsTrial> {
    const REPEATS: usize = 3;
    let mut network = gpu::Session::new(device, model).await?;
    let batch = pixels.len() / network.architecture().inputs();
    let mut without = network.candidates(batch);
    without.retain(|variant| !variant.on_matrix_units());
    let mut fastest = Vec::new();
    for candidates in [kernels, &without] {
        let (best, _) = measure(&mut network, candidates, pixels, batch, Duration::MAX).await?;
        let none = || Error::missing("kernel that could be timed");
        let (variant, time) = best.ok_or_else(none)?;
        fastest.push((variant, u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)));
    }
    let [(with, nanoseconds), (without, without_nanoseconds)] = fastest[..] else {
        return Err(Error::missing("second kernel to time"));
    };
    network.choose(batch, without, ChosenBy::Measuring);
    network.upload(pixels, batch).await?;
    let outputs = network.run().await?.outputs.into_iter();
    let want: Vec<f64> = outputs.map(f64::from).collect();
    for &variant in kernels {
        for _ in 0..REPEATS {
            compare_with(&mut network, variant, pixels, &want).await?;
        }
    }
    Ok(MatrixUnitsTrial {
        result: TrialResult::Right {
            without: without.name.to_owned(),
            without_nanoseconds,
            rejected: rejected.into_iter().map(str::to_owned).collect(),
        },
        kernel: with.name,
        nanoseconds,
    })
}

/// Runs a network with one kernel and compares its outputs with `want: [images, out]`.
async fn compare_with(
    network: &mut gpu::Session,
    variant: KernelVariant,
    pixels: &[u8],
    want: &[f64],
) -> Result<()> {
    let batch = pixels.len() / network.architecture().inputs();
    network.choose(batch, variant, ChosenBy::Measuring);
    network.upload(pixels, batch).await?;
    let compared = compare(&network.run().await?.outputs, want);
    let wrong = |problem| {
        Error::CheckFailed(CheckError::WrongResult {
            what: variant.name.to_owned(),
            device: network.info().to_string(),
            problem,
        })
    };
    compared.map_err(wrong)
}

/// Whether outputs are those of the reference.
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

/// A network of these widths in f16 that ends in `last`, with random weights that keep its values near 1, and
/// random pixels for a batch of it; always the same.
fn random_network(
    widths: &[usize],
    batch: usize,
    last: Activation,
) -> Result<(QuantizedNetwork, Vec<u8>)> {
    let mut rng = ChaCha8Rng::seed_from_u64(widths.len() as u64);
    let mut layers = Vec::new();
    for pair in widths.windows(2) {
        let (inputs, outputs) = (pair[0], pair[1]);
        let size = 2.0 / (inputs as f32).sqrt();
        let mut values = |count: usize, size: f32| -> Vec<f32> {
            (0..count).map(|_| rng.random_range(-size..size)).collect()
        };
        let is_last = layers.len() + 2 == widths.len();
        layers.push(Layer {
            inputs,
            outputs,
            weights: values(inputs * outputs, size),
            bias: values(outputs, 1.0),
            activation: if is_last { last } else { Activation::Relu },
        });
    }
    let pixels = (0..batch * widths[0]).map(|_| rng.random()).collect();
    let model = lower(&Network::new(layers)?, &Precision::F16.into(), None)?;
    Ok((model, pixels))
}
