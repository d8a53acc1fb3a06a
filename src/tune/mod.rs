//! Measures which kernel variant is fastest on an adapter, and stores the choice in a file for later runs.
//!
//! The fastest kernel differs between drivers and shapes. So a few candidates are timed on the real network and batch
//! size, and the slow ones are dropped early. All candidates compute the same result within the precision's tolerance,
//! so the choice changes the time, and the outputs only in their last bits.

pub(crate) mod cache;
mod matrix;

use std::fmt::Write;
use std::str::FromStr;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

pub use cache::{Cache, Effort, Entry, Key, TrialResult};
pub use matrix::{MatrixUnitsMode, open, try_matrix_units};

use crate::adapter::AdapterInfo;
use crate::engine::Session;
use crate::error::{Error, Result};
use crate::gpu;
use crate::plan::{ChosenBy, KERNEL_VARIANTS, KernelVariant, Kernels};
use crate::{Mode, Scheme};

/// How much is tuned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tuning {
    /// Nothing: sensible defaults by kind of adapter, the same in every run.
    #[default]
    Off,
    /// The likeliest kernels, in a few seconds altogether.
    Quick,
    /// Every kernel that can run, the likeliest first, for [`FULL_EACH`] at most.
    Full,
}

impl FromStr for Tuning {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "off" => Ok(Self::Off),
            "quick" => Ok(Self::Quick),
            "full" => Ok(Self::Full),
            other => Err(Error::unknown_name(
                "tuning",
                other,
                ["off", "quick", "full"],
            )),
        }
    }
}

/// What quick tuning may take for one precision and batch size before no further candidate is tried,
/// and for everything in one run, unless there is so much in it that this would leave each less.
const QUICK_EACH: Duration = Duration::from_millis(150);
const QUICK_IN_ALL: Duration = Duration::from_millis(2000);

/// What full tuning may take for one network, precision and batch size.
pub const FULL_EACH: Duration = Duration::from_secs(30);

/// Candidates that are timed whatever it takes: one alone wins against nothing.
const FEWEST: usize = 2;

/// Timed runs of a candidate, and the time after which they are enough; a loser gets fewer.
const RUNS: usize = 5;
const ENOUGH: Duration = Duration::from_millis(60);

/// A candidate this much slower than the best is a loser at first sight.
const LOSES: f64 = 1.3;

/// Chooses kernels, and remembers them.
#[derive(Debug)]
pub struct Tuner {
    effort: Option<Effort>,
    cache: Option<Cache>,
    /// What quick tuning may take altogether.
    in_all: Duration,
    spent: Duration,
}

impl Tuner {
    /// A tuner that goes about it as told; the cache is opened where there is anything to tune.
    #[must_use]
    pub fn new(tuning: Tuning) -> Self {
        let effort = match tuning {
            Tuning::Off => None,
            Tuning::Quick => Some(Effort::Quick),
            Tuning::Full => Some(Effort::Full),
        };
        Self {
            effort,
            cache: effort.map(|_| Cache::open()),
            in_all: QUICK_IN_ALL,
            spent: Duration::ZERO,
        }
    }

    /// The same with time enough for so many networks and batch sizes.
    #[must_use]
    pub fn for_networks(tuning: Tuning, count: usize) -> Self {
        Self {
            in_all: in_all(count),
            ..Self::new(tuning)
        }
    }

    /// Makes the time for everything be that for what is tuned from here on.
    pub fn renew(&mut self) {
        self.spent = Duration::ZERO;
    }

    /// What may be spent on the next network; none where nothing is left.
    fn left(&self, effort: Effort) -> Option<Duration> {
        let left = match effort {
            Effort::Quick => QUICK_EACH.min(self.in_all.saturating_sub(self.spent)),
            Effort::Full => FULL_EACH,
        };
        (!left.is_zero()).then_some(left)
    }

    /// Chooses the kernels for batches of `pixels` (`[batch, in]` row-major) on this network, unless the
    /// user has, or there is only one. Does nothing on the CPU path.
    ///
    /// # Errors
    /// Those of the device.
    pub async fn tune(&mut self, network: &mut Session, pixels: &[u8]) -> Result<()> {
        let mode = network.mode().clone();
        let (Some(effort), Some(gpu)) = (self.effort, network.gpu()) else {
            return Ok(());
        };
        let batch = pixels.len() / gpu.architecture().inputs().max(1);
        let candidates = match effort {
            Effort::Quick => gpu.candidates(batch),
            Effort::Full => likeliest_first(gpu.candidates(batch), gpu.runnable(batch)),
        };
        if candidates.len() < 2 || gpu.is_fixed() {
            return Ok(());
        }
        let key = key(gpu, &mode, batch, effort);
        if let Some(known) = self.known(&key, gpu, batch) {
            gpu.choose(batch, known, ChosenBy::Cache);
            return Ok(());
        }
        let Some(left) = self.left(effort) else {
            log::info!(
                "{mode} at batch {batch}: no time is left for tuning, so the default kernel runs"
            );
            return Ok(());
        };
        let start = Instant::now();
        let (best, not_timed) = measure(gpu, &candidates, pixels, batch, left).await?;
        self.spent += start.elapsed();
        if effort == Effort::Full && !not_timed.is_empty() {
            log::warn!("{}", stopped(&mode, batch, not_timed));
        }
        match best {
            Some((winner, time)) => {
                gpu.choose(batch, winner, ChosenBy::Measuring);
                self.remember(key, winner, time);
            }
            // Running the default will tell what is wrong with it.
            None => gpu.unchoose(batch),
        }
        Ok(())
    }

    /// The winner that the cache has, if it can run here: the file's words are only words.
    fn known(&self, key: &Key, gpu: &gpu::Session, batch: usize) -> Option<KernelVariant> {
        let entry = self.cache.as_ref()?.get(key)?;
        let variant = KernelVariant::find(&entry.kernel)?;
        gpu.runnable(batch).contains(&variant).then_some(variant)
    }

    fn remember(&mut self, key: Key, winner: KernelVariant, time: Duration) {
        let Some(cache) = &mut self.cache else { return };
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        cache.put(key, Entry::new(winner.name, nanoseconds));
        if let Err(error) = cache.save() {
            log::warn!("the tuned kernels could not be saved: {error}");
            self.cache = None;
        }
    }
}

/// What quick tuning of so many networks may take.
fn in_all(networks: usize) -> Duration {
    let count = u32::try_from(networks).unwrap_or(u32::MAX);
    QUICK_IN_ALL.max(QUICK_EACH.saturating_mul(count))
}

/// All that can run, in an order in which what is likely to be good comes first.
fn likeliest_first(
    mut likely: Vec<KernelVariant>,
    runnable: Vec<KernelVariant>,
) -> Vec<KernelVariant> {
    let others = runnable.into_iter().filter(|one| !likely.contains(one));
    let others: Vec<KernelVariant> = others.collect();
    likely.extend(others);
    likely
}

/// What full tuning says if its time was too short.
fn stopped(mode: &Mode, batch: usize, not_timed: &[KernelVariant]) -> String {
    let names: Vec<&str> = not_timed.iter().map(|variant| variant.name).collect();
    format!(
        "--tune full stopped after {} for {mode} at batch {batch}; it did not time {}",
        humantime::format_duration(FULL_EACH),
        names.join(", ")
    )
}

/// The fastest of `candidates`; none where not one of them runs, which is told by what then runs untuned. Stops after `limit`, but not before
/// two have been measured, and one with matrix units and one without where there are both. Beside it, those that were not
/// measured for lack of time.
async fn measure<'a>(
    gpu: &mut gpu::Session,
    candidates: &'a [KernelVariant],
    pixels: &[u8],
    batch: usize,
    limit: Duration,
) -> Result<(Option<(KernelVariant, Duration)>, &'a [KernelVariant])> {
    let start = Instant::now();
    let mut best: Option<(KernelVariant, Duration)> = None;
    let mut measured = Vec::new();
    let mut rejected = Vec::new();
    let mut not_timed: &[KernelVariant] = &[];
    for (at, &candidate) in candidates.iter().enumerate() {
        let enough = measured.len() >= FEWEST
            && candidates
                .iter()
                .all(|other| measured.contains(&other.on_matrix_units()));
        if enough && start.elapsed() > limit {
            not_timed = &candidates[at..];
            break;
        }
        gpu.choose(batch, candidate, ChosenBy::Measuring);
        let time = match time(gpu, pixels, batch, best.map(|(_, time)| time)).await {
            Ok(time) => time,
            // A kernel that this driver does not take is no candidate; a lost device is the end.
            Err(error) if error.is_rejection() => {
                rejected.push((candidate, error));
                continue;
            }
            Err(error) => return Err(error),
        };
        log::info!("{}: {:?} for a batch of {batch}", candidate.name, time);
        measured.push(candidate.on_matrix_units());
        if best.is_none_or(|(_, known)| time < known) {
            best = Some((candidate, time));
        }
    }
    for (candidate, error) in rejected.iter().filter(|_| best.is_some()) {
        log::warn!("{} is not timed: {error}", candidate.name);
    }
    Ok((best, not_timed))
}

/// The shortest of some runs after one that compiles; fewer where it has lost against `best` already.
async fn time(
    gpu: &mut gpu::Session,
    pixels: &[u8],
    batch: usize,
    best: Option<Duration>,
) -> Result<Duration> {
    gpu.upload(pixels, batch).await?;
    gpu.run().await?;
    let start = Instant::now();
    let mut shortest = Duration::MAX;
    for _ in 0..RUNS {
        let start_run = Instant::now();
        gpu.run().await?;
        shortest = shortest.min(start_run.elapsed());
        let lost = best.is_some_and(|best| shortest.as_secs_f64() > LOSES * best.as_secs_f64());
        if lost || start.elapsed() > ENOUGH {
            break;
        }
    }
    Ok(shortest)
}

/// What a winner depends on. Batch sizes of one class, a power of two, share it.
fn key(gpu: &gpu::Session, mode: &Mode, batch: usize, effort: Effort) -> Key {
    let model = gpu.architecture();
    let mut shape = String::new();
    for (index, width) in model.widths().into_iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = write!(shape, "{}{width}", if index > 0 { "-" } else { "" });
    }
    for layer in &model.layers {
        let _ = write!(shape, " {}", layer.activation);
    }
    let class = batch.next_power_of_two();
    let _ = write!(shape, " {} batch {class}", model.normalization);
    shape.push_str(&among(gpu.kernels(), gpu.may_use_matrix_units()));
    device_key(gpu.info(), mode, shape, effort)
}

/// What a winner was chosen among: one among a few is none among all.
fn among(kernels: Kernels, may_use_matrix_units: bool) -> String {
    let path = match kernels {
        Kernels::Path(path) => format!(", {}", path.name()),
        Kernels::MatrixUnits => ", only on matrix units".to_owned(),
        Kernels::Any | Kernels::Named(_) => String::new(),
    };
    let units = if may_use_matrix_units {
        ", with matrix units"
    } else {
        ""
    };
    path + units
}

/// The key of something found out on an adapter.
fn device_key(info: &AdapterInfo, mode: &Mode, shape: String, effort: Effort) -> Key {
    let (precision, scheme) = names(mode);
    Key {
        adapter: info.name.clone(),
        backend: info.backend.to_string(),
        driver: info.driver.clone(),
        shaders: shaders(),
        precision,
        scheme,
        shape,
        mode: effort,
    }
}

/// A mode as the cache calls it: the precision, that of each layer where they differ, and the scheme,
/// with how many scales the weights have where a scheme leaves that open.
fn names(mode: &Mode) -> (String, String) {
    let whole = [mode.precision];
    let layers = if mode.layers.is_empty() {
        &whole[..]
    } else {
        &mode.layers
    };
    let layers: Vec<&str> = layers.iter().map(|layer| layer.name()).collect();
    let scheme = match (mode.scheme, mode.weights) {
        (Some(scheme), Some(weights)) if scheme != Scheme::default() => {
            format!("{scheme}, weights by {weights}")
        }
        _ => Scheme::default().to_string(),
    };
    (layers.join(","), scheme)
}

/// SHA-256 of every shader, of the variants' numbers, and of what compiles them: a winner among others
/// is none among these.
fn shaders() -> String {
    let mut hash = Sha256::new();
    hash.update(env!("FMNIST_GPU_WGPU"));
    for text in gpu::shader_texts() {
        hash.update(text);
    }
    hash.update(format!("{KERNEL_VARIANTS:?}"));
    let mut hex = String::new();
    for byte in hash.finalize() {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::ExecutionPath;
    use crate::{Precision, WeightScales};

    #[test]
    fn every_mode_has_winners_of_its_own() {
        let mut modes = Precision::EVERY.map(Mode::from).to_vec();
        for scheme in [Scheme::DynamicRow, Scheme::Static] {
            for weights in [WeightScales::Tensor, WeightScales::Channel] {
                modes.push(Mode::int8(scheme, weights));
                for layers in [[Precision::F16, Precision::Int8], [Precision::Int8; 2]] {
                    modes.push(Mode::mixed(layers.to_vec(), scheme, weights).unwrap());
                }
            }
        }
        let mut all: Vec<_> = modes.iter().map(names).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), modes.len());
        // What was tuned before there were others is still known.
        let dynamic = "dynamic-tensor".to_owned();
        assert_eq!(
            names(&Precision::Int8.into()),
            ("int8".into(), dynamic.clone())
        );
        assert_eq!(names(&Precision::F16.into()), ("f16".into(), dynamic));
    }

    #[test]
    fn every_network_has_its_share_of_the_time_and_a_default_run_no_more() {
        // Three precisions at three batch sizes, and nine modes at as many.
        assert_eq!(in_all(9), QUICK_IN_ALL);
        assert_eq!(in_all(27), 27 * QUICK_EACH);
        assert_eq!(in_all(usize::MAX), QUICK_EACH * u32::MAX);
    }

    #[test]
    fn nothing_is_tuned_in_no_time() {
        let mut tuner = Tuner {
            effort: Some(Effort::Quick),
            cache: None,
            in_all: in_all(27),
            spent: Duration::ZERO,
        };
        assert_eq!(tuner.left(Effort::Quick), Some(QUICK_EACH));
        tuner.spent = 27 * QUICK_EACH - Duration::from_millis(1);
        assert_eq!(tuner.left(Effort::Quick), Some(Duration::from_millis(1)));
        tuner.spent = 27 * QUICK_EACH;
        assert_eq!(tuner.left(Effort::Quick), None);
        assert_eq!(tuner.left(Effort::Full), Some(FULL_EACH));
        tuner.renew();
        assert_eq!(tuner.left(Effort::Quick), Some(QUICK_EACH));
    }

    #[test]
    fn full_tuning_begins_with_the_likeliest_and_names_what_it_did_not_time() {
        let named = |names: &[&str]| {
            let found = names.iter().filter_map(|name| KernelVariant::find(name));
            found.collect::<Vec<_>>()
        };
        let likely = named(&["workgroup-64x64", "register-8x8"]);
        let runnable = named(&["register-8x8", "register-1x4", "workgroup-64x64", "rows-64"]);
        let all = likeliest_first(likely, runnable);
        let expected = ["workgroup-64x64", "register-8x8", "register-1x4", "rows-64"];
        assert_eq!(all, named(&expected));
        assert_eq!(
            stopped(&Precision::F32.into(), 1000, &all[2..]),
            "--tune full stopped after 30s for f32 at batch 1000; it did not time register-1x4, rows-64"
        );
    }

    #[test]
    fn a_winner_is_of_those_it_was_chosen_among() {
        let fused = Kernels::Path(ExecutionPath::Fused);
        let network = Kernels::Path(ExecutionPath::Network);
        let mut all = Vec::new();
        for kernels in [Kernels::Any, fused, network, Kernels::MatrixUnits] {
            all.extend([among(kernels, false), among(kernels, true)]);
        }
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
