//! Measures which kernel variant is fastest on an adapter, and stores the choice in a file for later runs.
//!
//! The fastest kernel differs between drivers and shapes. So a few candidates are timed on the real network and batch
//! size, and the slow ones are dropped early. All candidates compute the same result within the precision's tolerance,
//! so the choice changes the time, and the outputs only in their last bits.

pub(crate) mod cache;
mod key;
mod matrix;
mod measure;
mod transfers;
mod tuning;

use std::time::{Duration, Instant};

pub use cache::{Cache, CacheEntry, CacheKey, TrialResult, TuningEffort};
use key::key;
pub use matrix::{MatrixUnitsMode, open, try_matrix_units};
use measure::measure;
pub use tuning::Tuning;

use crate::Mode;
use crate::engine::Session;
use crate::error::Result;
use crate::gpu;
use crate::plan::{ChosenBy, KernelVariant};

/// What quick tuning may take for one precision and batch size before no further candidate is tried,
/// and for everything in one run, unless there is so much in it that this would leave each less.
const QUICK_EACH: Duration = Duration::from_millis(150);
const QUICK_IN_ALL: Duration = Duration::from_millis(2000);

/// What full tuning may take for one network, precision and batch size.
pub const FULL_EACH: Duration = Duration::from_secs(30);

/// Chooses kernels, and remembers them.
#[derive(Debug)]
pub struct Tuner {
    effort: Option<TuningEffort>,
    cache: Option<Cache>,
    /// What quick tuning may take altogether.
    in_all: Duration,
    spent: Duration,
}

impl Tuner {
    /// A tuner with this effort; the cache is opened where there is anything to tune.
    #[must_use]
    pub fn new(tuning: Tuning) -> Self {
        let effort = match tuning {
            Tuning::Off => None,
            Tuning::Quick => Some(TuningEffort::Quick),
            Tuning::Full => Some(TuningEffort::Full),
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
    fn left(&self, effort: TuningEffort) -> Option<Duration> {
        let left = match effort {
            TuningEffort::Quick => QUICK_EACH.min(self.in_all.saturating_sub(self.spent)),
            TuningEffort::Full => FULL_EACH,
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
            TuningEffort::Quick => gpu.candidates(batch),
            TuningEffort::Full => likeliest_first(gpu.candidates(batch), gpu.runnable(batch)),
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
        if effort == TuningEffort::Full && !not_timed.is_empty() {
            log::warn!("{}", stopped(&mode, batch, not_timed));
        }
        match best {
            Some((winner, time)) => {
                gpu.choose(batch, winner, ChosenBy::Measuring);
                self.remember(key, winner, time);
            }
            // Running the default will show what is wrong with it.
            None => gpu.unchoose(batch),
        }
        Ok(())
    }

    /// The winner that the cache has, if it can run here: the file's words are only words.
    fn known(&self, key: &CacheKey, gpu: &gpu::Session, batch: usize) -> Option<KernelVariant> {
        let entry = self.cache.as_ref()?.get(key)?;
        let variant = KernelVariant::find(&entry.kernel)?;
        gpu.runnable(batch).contains(&variant).then_some(variant)
    }

    fn remember(&mut self, key: CacheKey, winner: KernelVariant, time: Duration) {
        let Some(cache) = &mut self.cache else { return };
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        cache.put(key, CacheEntry::new(winner.name, nanoseconds));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Precision;

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
            effort: Some(TuningEffort::Quick),
            cache: None,
            in_all: in_all(27),
            spent: Duration::ZERO,
        };
        assert_eq!(tuner.left(TuningEffort::Quick), Some(QUICK_EACH));
        tuner.spent = 27 * QUICK_EACH - Duration::from_millis(1);
        assert_eq!(
            tuner.left(TuningEffort::Quick),
            Some(Duration::from_millis(1))
        );
        tuner.spent = 27 * QUICK_EACH;
        assert_eq!(tuner.left(TuningEffort::Quick), None);
        assert_eq!(tuner.left(TuningEffort::Full), Some(FULL_EACH));
        tuner.renew();
        assert_eq!(tuner.left(TuningEffort::Quick), Some(QUICK_EACH));
    }

    #[test]
    fn full_tuning_begins_with_the_likeliest_and_names_what_it_did_not_time() {
        let named = |names: &[&str]| {
            let found = names.iter().filter_map(|name| KernelVariant::find(name));
            found.collect::<Vec<_>>()
        };
        let likely = named(&["workgroup-64x64", "register-8x8"]);
        let runnable = named(&[
            "register-8x8",
            "register-1x4",
            "workgroup-64x64",
            "rows-4x32",
        ]);
        let all = likeliest_first(likely, runnable);
        let expected = [
            "workgroup-64x64",
            "register-8x8",
            "register-1x4",
            "rows-4x32",
        ];
        assert_eq!(all, named(&expected));
        assert_eq!(
            stopped(&Precision::F32.into(), 1000, &all[2..]),
            "--tune full stopped after 30s for f32 at batch 1000; it did not time register-1x4, rows-4x32"
        );
    }
}
