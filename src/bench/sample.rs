//! Taking samples, one of each mode in turn.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::yardstick::Yardsticks;
use super::{BenchOptions, Observer, Samples, TIME_TO_COMPARE};
use crate::Mode;
use crate::engine::Network;
use crate::error::{CheckError, Error, Result};

/// The fewest samples, and the fewest where one takes longer than [`SLOW`].
pub(super) const FEWEST: usize = 10;
const FEWEST_SLOW: usize = 5;
const SLOW: Duration = Duration::from_secs(1);

/// Where one takes longer than this, no more than these are waited for: fifty would take more than ten seconds.
const PATIENT: Duration = Duration::from_millis(200);

/// The most samples that are kept for a time up to [`TIME_TO_COMPARE`]: beyond, nothing is learned of a median,
/// and a quick network would fill its results with them. Those that are kept are spread over all of the time,
/// since a machine's speed changes within it. Who asks for a longer time gets all.
const MOST: usize = 1000;

/// The most runs whose time is taken by the device's clock.
const DEVICE_ROUNDS: usize = 20;

/// What was measured of one precision.
pub(super) struct Taken {
    pub(super) wall: Samples,
    pub(super) gpu: Option<Samples>,
    pub(super) upload: Samples,
}

/// A mode to be measured: its network, and the outputs that were checked.
pub(super) type Candidate<'a> = (Mode, &'a mut Network, &'a [f32]);

/// The durations of one precision so far.
#[derive(Default)]
struct Durations {
    wall: Vec<Duration>,
    gpu: Vec<Duration>,
    upload: Vec<Duration>,
    /// The sum of `wall`, kept up since it is asked for after every round.
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

/// Leaves every second sample out.
pub(super) fn thin(samples: &mut Vec<Duration>) {
    let mut at = 0;
    samples.retain(|_| {
        at += 1;
        at % 2 == 1
    });
}

/// Measures every candidate on the same batch, with the yardsticks before each round.
pub(super) async fn interleaved(
    candidates: &mut [Candidate<'_>],
    yardsticks: &mut Yardsticks,
    pixels: &[u8],
    options: &BenchOptions,
    observer: &mut dyn Observer,
) -> Result<HashMap<Mode, Taken>> {
    for _ in 0..options.warmup {
        yardsticks.round(false).await?;
    }
    for (mode, network, want) in candidates.iter_mut() {
        for _ in 0..options.warmup {
            network.upload(pixels).await?;
            check_repeats(mode, &network.run().await?.outputs, want)?;
        }
    }

    let mut durations: Vec<Durations> = candidates.iter().map(|_| Durations::default()).collect();
    let start = Instant::now();
    let capped = options.runs.is_none() && options.min_time <= TIME_TO_COMPARE;
    // Of how many rounds the first is kept.
    let mut stride = 1;
    let mut rounds = 0;
    while !candidates.is_empty() && !enough(&durations, rounds, start.elapsed(), options) {
        let keep = rounds % stride == 0;
        yardsticks.round(keep).await?;
        for ((mode, network, want), durations) in candidates.iter_mut().zip(&mut durations) {
            bring_near(pixels);
            network.rouse();
            let start = Instant::now();
            network.upload(pixels).await?;
            let uploaded = Instant::now();
            let run = network.run().await?;
            let (upload, wall) = (uploaded - start, uploaded.elapsed());
            let [upload, wall] = options.slowdown.stretch(start, [upload, wall]);
            durations.push(upload, wall, keep);
            // After the clock was read: every sample is of a run that gave what was checked.
            check_repeats(mode, &run.outputs, want)?;
        }
        rounds += 1;
        if !keep {
            continue;
        }
        if capped
            && durations
                .iter()
                .any(|durations| durations.wall.len() >= MOST)
        {
            durations.iter_mut().for_each(Durations::thin);
            yardsticks.thin();
            stride *= 2;
        }
        let goal = for_each(&durations, options.min_time);
        let done = start.elapsed().min(goal);
        observer.progress("measuring", milliseconds(done), milliseconds(goal));
        if observer.hurries() && rounds >= fewest(&durations, FEWEST) {
            break;
        }
    }

    // The device's own time comes from runs of its own, since taking it slows a run down.
    for _ in 0..rounds.min(DEVICE_ROUNDS) {
        for ((_, network, _), durations) in candidates.iter_mut().zip(&mut durations) {
            durations.gpu.extend(network.device_time().await?);
        }
        if observer.hurries() {
            break;
        }
    }

    let taken = candidates
        .iter()
        .zip(durations)
        .filter_map(|((mode, ..), durations)| {
            let taken = Taken {
                wall: Samples::new(&durations.wall)?,
                gpu: Samples::new(&durations.gpu),
                upload: Samples::new(&durations.upload)?,
            };
            Some((mode.clone(), taken))
        });
    Ok(taken.collect())
}

/// Reads the batch, so that it is as near in the caches for the first of a round, before which a yardstick ran, as
/// for those that follow another's upload.
fn bring_near(pixels: &[u8]) {
    const CACHE_LINE: usize = 64;
    let lines = pixels.iter().step_by(CACHE_LINE);
    std::hint::black_box(lines.fold(0, |all, byte| all ^ byte));
}

/// The fewest rounds, where so many are asked for.
fn fewest(durations: &[Durations], asked: usize) -> usize {
    let longest = durations.iter().map(|durations| durations.longest).max();
    match longest {
        Some(longest) if longest > SLOW => FEWEST_SLOW.min(asked),
        Some(longest) if longest > PATIENT => FEWEST.min(asked),
        _ => asked,
    }
}

/// Whether every precision has samples enough after so many rounds, which took `elapsed`.
fn enough(
    durations: &[Durations],
    rounds: usize,
    elapsed: Duration,
    options: &BenchOptions,
) -> bool {
    if let Some(runs) = options.runs {
        return rounds >= runs;
    }
    let fewest = fewest(durations, options.fewest);
    let capped = options.min_time <= TIME_TO_COMPARE;
    // Beside quick passes all that is round them counts too.
    let quick = capped && rounds >= MOST && elapsed >= for_each(durations, options.min_time);
    // A quick precision beside a slow one would ask for many rounds of the slow one too.
    let patience = for_each(durations, options.min_time.saturating_mul(2));
    let reached = |durations: &Durations| durations.total >= options.min_time;
    rounds >= fewest && (quick || elapsed >= patience || durations.iter().all(reached))
}

/// So much time for each precision, together.
fn for_each(durations: &[Durations], time: Duration) -> Duration {
    time.saturating_mul(u32::try_from(durations.len()).unwrap_or(u32::MAX))
}

fn milliseconds(duration: Duration) -> usize {
    usize::try_from(duration.as_millis()).unwrap_or(usize::MAX)
}

/// What is timed must be what was checked, to the bit.
fn check_repeats(mode: &Mode, got: &[f32], want: &[f32]) -> Result<()> {
    if bytemuck::cast_slice::<f32, u32>(got) == bytemuck::cast_slice::<f32, u32>(want) {
        return Ok(());
    }
    let mode = mode.to_string();
    Err(Error::CheckFailed(CheckError::NotRepeatable { mode }))
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::adapter::{Backend, Selector};
    use crate::bench::Finished;
    use crate::deploy::deploy;
    use crate::model::Model;
    use crate::{Engine, EngineOptions, Precision};

    fn options(min_time: Duration) -> BenchOptions {
        BenchOptions {
            min_time,
            ..BenchOptions::default()
        }
    }

    /// Three precisions after so many rounds, each sample of which took `wall`.
    fn after(rounds: usize, wall: Duration) -> [Durations; 3] {
        [(); 3].map(|()| {
            let mut durations = Durations::default();
            for _ in 0..rounds {
                durations.push(Duration::ZERO, wall, true);
            }
            durations
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
        let of = |milliseconds, asked| {
            let durations = after(1, Duration::from_millis(milliseconds));
            fewest(&durations, asked)
        };
        assert_eq!((of(10, FEWEST), of(10, 50)), (10, 50));
        assert_eq!((of(100, 50), of(300, 50)), (50, 10));
        assert_eq!((of(2000, FEWEST), of(2000, 50), of(2000, 3)), (5, 5, 3));
    }

    #[test]
    fn a_time_beyond_counting_is_no_overflow() {
        let mut options = options(Duration::MAX);
        let wall = Duration::from_micros(7);
        assert!(!through(5000, wall, &options));
        assert_eq!(for_each(&after(1, wall), Duration::MAX), Duration::MAX);
        assert_eq!(milliseconds(Duration::MAX), usize::MAX);
        options.runs = Some(1);
        assert!(through(1, wall, &options));
    }

    #[test]
    fn quick_passes_end_with_the_time_for_all_of_them_only_where_no_longer_one_is_asked_for() {
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
    fn samples_that_are_left_out_are_every_second() {
        let seconds = |list: &[u64]| list.iter().map(|&s| Duration::from_secs(s)).collect();
        let mut samples: Vec<Duration> = seconds(&[1, 2, 3, 4, 5]);
        thin(&mut samples);
        assert_eq!(samples, seconds(&[1, 3, 5]) as Vec<Duration>);
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

    /// Every pass is compared with the outputs that were checked, so that wrong ones tell whether
    /// there was any.
    #[test]
    fn warm_up_passes_are_as_many_as_asked_for() {
        let cpu = EngineOptions {
            adapter: Some(Selector::Backend(Backend::Cpu)),
            ..EngineOptions::default()
        };
        let engine = pollster::block_on(Engine::open(&cpu)).unwrap();
        let model = Model::default_model().unwrap();
        let model = deploy(&model, &Precision::F32.into(), None).unwrap();
        let mut network = pollster::block_on(engine.load(&model)).unwrap();
        let mut passes = |warmup, runs| {
            let options = BenchOptions {
                warmup,
                runs: Some(runs),
                ..BenchOptions::default()
            };
            let mut candidates = [(Precision::F32.into(), &mut network, &[][..])];
            pollster::block_on(interleaved(
                &mut candidates,
                &mut Yardsticks::default(),
                &[0; 784],
                &options,
                &mut Unwatched,
            ))
            .is_err()
        };
        assert!(!passes(0, 0), "a pass that nobody asked for");
        assert!(passes(1, 0), "no warm-up");
        assert!(passes(0, 1), "the first sample is not compared");
    }
}
