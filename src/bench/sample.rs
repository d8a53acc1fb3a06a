//! Taking samples, one of each mode in turn.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::control_workload::{ControlWorkloads, thin};
use super::observer::Observer;
use super::options::{BenchOptions, FEWEST, TIME_TO_COMPARE};
use crate::engine::Session;
use crate::error::{CheckError, Error, Result};
use crate::stats::Samples;

/// The fewest samples where one takes longer than [`SLOW`].
const FEWEST_SLOW: usize = 5;
const SLOW: Duration = Duration::from_secs(1);

/// Where one takes longer than this, [`FEWEST`] samples are enough: fifty would take more than ten seconds.
const PATIENT: Duration = Duration::from_millis(200);

/// The most samples that are kept for a time up to [`TIME_TO_COMPARE`]. More would not improve a median, and a quick
/// network would fill its results with them. They are spread over the whole time, since a machine's speed changes
/// within it. For a longer time all are kept.
const MOST: usize = 1000;

/// The most runs whose time is taken by the device's clock.
const DEVICE_ROUNDS: usize = 20;

/// The most passes that bring a network back into the processor's caches, and the time after which one is enough.
const WARMING_PASSES: usize = 4;
const WARMING_TIME: Duration = Duration::from_micros(50);

/// What was measured of one precision.
pub(super) struct Taken {
    pub(super) wall: Samples,
    pub(super) gpu: Option<Samples>,
    pub(super) upload: Samples,
}

/// A mode to measure on an engine.
pub(super) struct SampledMode<'a> {
    /// Its place among the entries.
    pub(super) entry: usize,
    pub(super) session: &'a mut Session,
    /// The outputs that were checked.
    pub(super) outputs: &'a [f32],
    /// Whether another engine runs between its samples. Its driver takes the caches of a network of the CPU path, whose
    /// batch may take a microsecond; so each sample follows passes that are not timed.
    pub(super) shares_caches: bool,
}

impl SampledMode<'_> {
    /// The time of an upload and of a pass.
    async fn sample(&mut self, pixels: &[u8], options: &BenchOptions) -> Result<[Duration; 2]> {
        if self.shares_caches {
            let start = Instant::now();
            for _ in 0..WARMING_PASSES {
                self.session.run().await?;
                if start.elapsed() > WARMING_TIME {
                    break;
                }
            }
        }
        bring_near(pixels);
        self.session.rouse();
        let start = Instant::now();
        self.session.upload(pixels).await?;
        let uploaded = Instant::now();
        let run = self.session.run().await?;
        let (upload, wall) = (uploaded - start, uploaded.elapsed());
        // After the clock was read: every sample comes from a run whose outputs are correct.
        check_repeats(&run.outputs, self.outputs)?;
        Ok(options.slowdown.stretch(start, [upload, wall]))
    }

    async fn warm_up(&mut self, pixels: &[u8], passes: usize) -> Result<()> {
        for _ in 0..passes {
            self.session.upload(pixels).await?;
            check_repeats(&self.session.run().await?.outputs, self.outputs)?;
        }
        Ok(())
    }
}

/// The candidates that are still measured, and those that failed.
struct Candidates<'a> {
    running: Vec<(SampledMode<'a>, Durations)>,
    /// With their places among the entries.
    failed: Vec<(usize, Error)>,
}

impl Candidates<'_> {
    /// Takes the candidate at `at` out if `result` is an error of it alone; none then.
    fn attempt<T>(&mut self, at: usize, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_of_one_network() => {
                let (candidate, _) = self.running.remove(at);
                self.failed.push((candidate.entry, error));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// The durations of one precision so far.
#[derive(Default)]
struct Durations {
    wall: Vec<Duration>,
    gpu: Vec<Duration>,
    upload: Vec<Duration>,
    /// The sum of `wall`, kept up to date since every round needs it.
    total: Duration,
    /// The longest sample.
    longest: Duration,
}

impl Durations {
    fn push(&mut self, upload: Duration, wall: Duration, keep: bool) {
        if keep {
            self.upload.push(upload);
            self.wall.push(wall);
        }
        self.total = self.total.saturating_add(wall);
        self.longest = self.longest.max(wall);
    }

    fn thin(&mut self) {
        thin(&mut self.upload);
        thin(&mut self.wall);
    }
}

/// Measures every candidate on the same batch; what it gives is by their places among the entries. The control workloads run before each round. A candidate that fails is
/// measured no longer.
///
/// # Errors
/// Those that all candidates would have.
pub(super) async fn interleaved(
    candidates: Vec<SampledMode<'_>>,
    control_workloads: &mut ControlWorkloads,
    pixels: &[u8],
    options: &BenchOptions,
    observer: &mut dyn Observer,
) -> Result<(HashMap<usize, Taken>, Vec<(usize, Error)>)> {
    for _ in 0..options.warmup {
        control_workloads.round(false).await?;
    }
    let running = candidates
        .into_iter()
        .map(|one| (one, Durations::default()));
    let mut candidates = Candidates {
        running: running.collect(),
        failed: Vec::new(),
    };
    let mut at = 0;
    while at < candidates.running.len() {
        let warmed_up = candidates.running[at]
            .0
            .warm_up(pixels, options.warmup)
            .await;
        at += usize::from(candidates.attempt(at, warmed_up)?.is_some());
    }

    let start = Instant::now();
    let capped = options.runs.is_none() && options.min_time <= TIME_TO_COMPARE;
    // One round in so many is kept.
    let mut stride = 1;
    let mut rounds = 0;
    while !candidates.running.is_empty()
        && !enough(&candidates.running, rounds, start.elapsed(), options)
    {
        let keep = rounds % stride == 0;
        control_workloads.round(keep).await?;
        // Another candidate begins each round: a device whose state changes from submit to submit hits all of them.
        let next = 1 % candidates.running.len();
        candidates.running.rotate_left(next);
        let mut at = 0;
        while at < candidates.running.len() {
            let sample = candidates.running[at].0.sample(pixels, options).await;
            if let Some([upload, wall]) = candidates.attempt(at, sample)? {
                candidates.running[at].1.push(upload, wall, keep);
                at += 1;
            }
        }
        rounds += 1;
        if !keep {
            continue;
        }
        let full = |(_, durations): &(_, Durations)| durations.wall.len() >= MOST;
        if capped && candidates.running.iter().any(full) {
            let all = candidates.running.iter_mut();
            all.for_each(|(_, durations)| durations.thin());
            control_workloads.thin();
            stride *= 2;
        }
        let goal = for_each(candidates.running.len(), options.min_time);
        let done = start.elapsed().min(goal);
        observer.progress("measuring", milliseconds(done), milliseconds(goal));
        if observer.hurries() && rounds >= fewest(&candidates.running, FEWEST) {
            break;
        }
    }

    // The device's own time comes from other runs, since timestamps slow a run down.
    for _ in 0..rounds.min(DEVICE_ROUNDS) {
        let mut at = 0;
        while at < candidates.running.len() {
            let time = candidates.running[at].0.session.device_time().await;
            if let Some(time) = candidates.attempt(at, time)? {
                candidates.running[at].1.gpu.extend(time);
                at += 1;
            }
        }
        if observer.hurries() {
            break;
        }
    }

    let taken = candidates
        .running
        .into_iter()
        .filter_map(|(one, durations)| {
            let taken = Taken {
                wall: Samples::new(&durations.wall)?,
                gpu: Samples::new(&durations.gpu),
                upload: Samples::new(&durations.upload)?,
            };
            Some((one.entry, taken))
        });
    Ok((taken.collect(), candidates.failed))
}

/// Reads the batch, so that it is in the caches for the first mode of a round, which follows a control workload, as it is
/// for the modes that follow another mode's upload.
fn bring_near(pixels: &[u8]) {
    const CACHE_LINE: usize = 64;
    let lines = pixels.iter().step_by(CACHE_LINE);
    std::hint::black_box(lines.fold(0, |all, byte| all ^ byte));
}

/// The fewest rounds, where `requested` are wanted.
fn fewest<T>(running: &[(T, Durations)], requested: usize) -> usize {
    let longest = running.iter().map(|(_, durations)| durations.longest).max();
    match longest {
        Some(longest) if longest > SLOW => FEWEST_SLOW.min(requested),
        Some(longest) if longest > PATIENT => FEWEST.min(requested),
        _ => requested,
    }
}

/// Whether every precision has samples enough after so many rounds, which took `elapsed`.
fn enough<T>(
    running: &[(T, Durations)],
    rounds: usize,
    elapsed: Duration,
    options: &BenchOptions,
) -> bool {
    if let Some(runs) = options.runs {
        return rounds >= runs;
    }
    let fewest = fewest(running, options.fewest);
    let count = running.len();
    let capped = options.min_time <= TIME_TO_COMPARE;
    // For quick passes, the time around them counts too.
    let quick = capped && rounds >= MOST && elapsed >= for_each(count, options.min_time);
    // Beside a slow mode, a quick one would need many rounds of the slow one too.
    let patience = for_each(count, options.min_time.saturating_mul(2));
    let reached = |(_, durations): &(T, Durations)| durations.total >= options.min_time;
    rounds >= fewest && (quick || elapsed >= patience || running.iter().all(reached))
}

/// So much time for each of `count` precisions, together.
fn for_each(count: usize, time: Duration) -> Duration {
    time.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX))
}

fn milliseconds(duration: Duration) -> usize {
    usize::try_from(duration.as_millis()).unwrap_or(usize::MAX)
}

/// Every timed run must repeat the checked outputs bit for bit.
fn check_repeats(got: &[f32], want: &[f32]) -> Result<()> {
    if bytemuck::cast_slice::<f32, u32>(got) == bytemuck::cast_slice::<f32, u32>(want) {
        return Ok(());
    }
    Err(Error::CheckFailed(CheckError::NotRepeatable))
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::adapter::{Backend, Selector};
    use crate::bench::observer::Finished;
    use crate::model::Network;
    use crate::quantize::lower;
    use crate::{Engine, EngineOptions, Precision};

    fn options(min_time: Duration) -> BenchOptions {
        BenchOptions {
            min_time,
            ..BenchOptions::default()
        }
    }

    /// Three precisions after so many rounds, each sample of which took `wall`.
    fn after(rounds: usize, wall: Duration) -> [((), Durations); 3] {
        [(); 3].map(|()| {
            let mut durations = Durations::default();
            for _ in 0..rounds {
                durations.push(Duration::ZERO, wall, true);
            }
            ((), durations)
        })
    }

    /// Whether three precisions of this speed are through after so many rounds.
    fn through(rounds: usize, wall: Duration, options: &BenchOptions) -> bool {
        let elapsed = wall * 3 * rounds as u32;
        enough(&after(rounds, wall), rounds, elapsed, options)
    }

    /// An interrupted run goes on to as many, too.
    #[test]
    fn slow_samples_need_be_fewer() {
        let of = |milliseconds, requested| {
            let durations = after(1, Duration::from_millis(milliseconds));
            fewest(&durations, requested)
        };
        assert_eq!((of(10, FEWEST), of(10, 50)), (10, 50));
        assert_eq!((of(100, 50), of(300, 50)), (50, 10));
        assert_eq!((of(2000, FEWEST), of(2000, 50), of(2000, 3)), (5, 5, 3));
    }

    #[test]
    fn a_time_too_long_to_count_is_no_overflow() {
        let mut options = options(Duration::MAX);
        let wall = Duration::from_micros(7);
        assert!(!through(5000, wall, &options));
        assert_eq!(for_each(3, Duration::MAX), Duration::MAX);
        assert_eq!(milliseconds(Duration::MAX), usize::MAX);
        options.runs = Some(1);
        assert!(through(1, wall, &options));
    }

    #[test]
    fn quick_passes_end_with_the_time_for_all_of_them_unless_more_is_requested() {
        let wall = Duration::from_micros(7);
        let default = BenchOptions::default();
        let all = default.min_time * 3;
        let after = |rounds| after(rounds, wall);
        assert!(!enough(&after(MOST), MOST, all - wall, &default));
        assert!(!enough(&after(MOST - 1), MOST - 1, all, &default));
        assert!(enough(&after(MOST), MOST, all, &default));
        let longer = options(TIME_TO_COMPARE + 7 * wall);
        let rounds = 1
            + (longer.min_time - wall)
                .as_nanos()
                .div_ceil(wall.as_nanos()) as usize;
        assert!(!through(rounds - 1, wall, &longer));
        assert!(through(rounds, wall, &longer));
    }

    #[test]
    fn a_time_that_is_reached_ends_sampling_after_the_fewest_samples() {
        let short = options(Duration::from_nanos(1));
        for (wall, fewest) in [(SLOW / 2, FEWEST), (SLOW * 2, FEWEST_SLOW)] {
            assert!(!through(fewest - 1, wall, &short));
            assert!(through(fewest, wall, &short));
        }
    }

    #[test]
    fn a_quick_precision_beside_slow_ones_waits_twice_the_time_of_each_at_most() {
        let second = options(Duration::from_secs(1));
        let mut durations = after(20, Duration::from_millis(200));
        durations[0] = after(20, Duration::from_micros(7))
            .into_iter()
            .next()
            .unwrap();
        let limit = Duration::from_secs(6);
        assert!(!enough(&durations, 20, limit - SLOW, &second));
        assert!(enough(&durations, 20, limit, &second));
    }

    struct Unwatched;

    impl Observer for Unwatched {
        fn progress(&mut self, _: &str, _: usize, _: usize) {}
        fn finished(&mut self, _: &Finished<'_>) -> ControlFlow<()> {
            ControlFlow::Continue(())
        }
    }

    /// Every pass is compared with the checked outputs, so wrong ones show whether there was any pass.
    #[test]
    fn there_are_as_many_warm_up_passes_as_requested() {
        let cpu = EngineOptions {
            adapter: Some(Selector::Backend(Backend::Cpu)),
            ..EngineOptions::default()
        };
        let engine = pollster::block_on(Engine::open(&cpu)).unwrap();
        let model = Network::default_model().unwrap();
        let model = lower(&model, &Precision::F32.into(), None).unwrap();
        let mut network = pollster::block_on(engine.load(&model)).unwrap();
        let mut passes = |warmup, runs| {
            let options = BenchOptions {
                warmup,
                runs: Some(runs),
                ..BenchOptions::default()
            };
            let candidate = SampledMode {
                entry: 0,
                session: &mut network,
                outputs: &[],
                shares_caches: false,
            };
            let measured = pollster::block_on(interleaved(
                vec![candidate],
                &mut ControlWorkloads::default(),
                &[0; 784],
                &options,
                &mut Unwatched,
            ));
            let (_, failed) = measured.unwrap();
            !failed.is_empty()
        };
        assert!(!passes(0, 0), "a pass that nobody requested");
        assert!(passes(1, 0), "no warm-up");
        assert!(passes(0, 1), "the first sample is not compared");
    }
}
