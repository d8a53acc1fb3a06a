//! The modes of one engine, which are measured in turn, in blocks.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::control_workload::ControlWorkloads;
use super::observer::Observer;
use super::options::BenchOptions;
use super::sample::{Durations, SampledMode, Taken};
use super::schedule::{Done, Schedule};
use crate::engine::Engine;
use crate::error::{Error, Result};

/// The most runs whose time is taken by the device's clock.
const DEVICE_ROUNDS: usize = 20;

/// The modes of one engine, and the control workloads beside them.
pub(super) struct Group<'a> {
    /// The place of its engine among all.
    index: usize,
    engine: &'a Engine,
    /// The engine as it was opened last.
    restarted: Option<Engine>,
    may_reopen: bool,
    may_reload: bool,
    running: Vec<(SampledMode<'a>, Durations)>,
    /// The modes that failed, by their places among the entries.
    pub(super) failed: Vec<(usize, Error)>,
    pub(super) control_workloads: ControlWorkloads,
    /// The time that it took to open the device again, and to load the networks anew, with the passes that warm them up.
    reopening: Spent,
    reloading: Spent,
    sampling: Duration,
}

/// A block of samples to take.
pub(super) struct Block<'a> {
    /// Its place among the blocks, from 0.
    pub(super) number: usize,
    pub(super) schedule: &'a Schedule,
    /// `[batch, in]`
    pub(super) pixels: &'a [u8],
    pub(super) options: &'a BenchOptions,
    /// Gets the time since its beginning.
    pub(super) report: &'a dyn Fn(&mut dyn Observer, Duration),
}

/// What was spent on something that is repeated.
#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    all: Duration,
    last: Option<Duration>,
}

impl Spent {
    /// Whether one more is affordable: all together may take half as long as the samples. `guess` is what the first
    /// may take.
    fn allows_another(&self, sampling: Duration, guess: Duration) -> bool {
        self.all + self.last.unwrap_or(guess) <= sampling / 2
    }

    fn add(&mut self, time: Duration) {
        self.all += time;
        self.last = Some(time);
    }
}

/// The most bytes of a network that is loaded anew, beside the copy that it replaces.
const LARGEST_RELOADED: u64 = 64 << 20;

/// A pass that takes longer than this brings its data into the caches itself.
const LASTING_IN_CACHES: Duration = Duration::from_millis(1);

/// What opening a device and loading a network may take the first time. A device compiles its kernels again.
const GUESS_OF_OPENING: Duration = Duration::from_millis(50);
const GUESS_OF_LOADING: Duration = Duration::from_millis(5);

impl<'a> Group<'a> {
    pub(super) fn new(
        (index, engine): (usize, &'a Engine),
        modes: Vec<SampledMode<'a>>,
        control_workloads: ControlWorkloads,
    ) -> Self {
        // A fault that counts what happens must not begin anew, and two copies of a large network may not fit.
        let counts = engine.device().is_some_and(|device| !device.may_reopen());
        let small = |one: &SampledMode<'_>| one.session.allocated_bytes() <= LARGEST_RELOADED;
        let may_restart = !counts && modes.iter().all(small);
        let running = modes.into_iter().map(|one| (one, Durations::default()));
        Self {
            index,
            engine,
            restarted: None,
            may_reopen: may_restart && engine.device().is_some(),
            may_reload: may_restart,
            running: running.collect(),
            failed: Vec::new(),
            control_workloads,
            reopening: Spent::default(),
            reloading: Spent::default(),
            sampling: Duration::ZERO,
        }
    }

    /// The place of its engine among all.
    pub(super) fn index(&self) -> usize {
        self.index
    }

    /// How many modes are still measured.
    pub(super) fn modes(&self) -> usize {
        self.running.len()
    }

    /// Measures a block.
    ///
    /// # Errors
    /// Those that all modes would have.
    pub(super) async fn measure(
        &mut self,
        block: &Block<'_>,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        let (pixels, options) = (block.pixels, block.options);
        if block.number == 0 {
            self.warm_up(pixels, options.warmup).await?;
        } else if !self.restart(pixels, options).await? && self.longest() < LASTING_IN_CACHES {
            // Another engine may have taken the caches since the last block.
            self.warm_up(pixels, options.warmup.min(1)).await?;
        }
        let start = Instant::now();
        let measured = self.rounds(block, observer).await;
        // After an error too: every sample is in a block.
        let all = self.running.iter_mut();
        all.for_each(|(_, durations)| durations.end_block());
        self.control_workloads.end_block();
        self.sampling += start.elapsed();
        measured
    }

    /// The rounds of a block.
    async fn rounds(&mut self, block: &Block<'_>, observer: &mut dyn Observer) -> Result<()> {
        let schedule = block.schedule;
        let start = Instant::now();
        // One round in so many is kept.
        let mut stride = 1;
        let mut rounds = 0;
        loop {
            let now = Instant::now();
            let done = Done {
                rounds,
                elapsed: now - start,
                longest: self.longest(),
            };
            if self.running.is_empty()
                || schedule.is_finished(block.number, self.running.len(), done, now)
                || observer.hurries() && schedule.may_stop(self.samples(), done.longest)
            {
                break;
            }
            let keep = rounds % stride == 0;
            self.round(keep, block.pixels, block.options).await?;
            rounds += 1;
            if !keep {
                continue;
            }
            let mut all = self.running.iter();
            if all.any(|(_, durations)| schedule.is_full(durations.in_block())) {
                let all = self.running.iter_mut();
                all.for_each(|(_, durations)| durations.thin());
                self.control_workloads.thin();
                stride *= 2;
            }
            (block.report)(observer, start.elapsed());
        }
        Ok(())
    }

    /// One sample of each mode, after the control workloads.
    async fn round(&mut self, keep: bool, pixels: &[u8], options: &BenchOptions) -> Result<()> {
        self.control_workloads.round(keep).await?;
        // Another mode begins each round: a device whose state changes from submit to submit hits all of them.
        let next = 1 % self.running.len();
        self.running.rotate_left(next);
        let mut at = 0;
        while at < self.running.len() {
            let sample = self.running[at].0.sample(pixels, options).await;
            if let Some(times) = self.attempt(at, sample)? {
                self.running[at].1.push(times, keep);
                at += 1;
            }
        }
        Ok(())
    }

    async fn warm_up(&mut self, pixels: &[u8], passes: usize) -> Result<()> {
        for _ in 0..passes {
            self.control_workloads.round(false).await?;
        }
        let mut at = 0;
        while at < self.running.len() {
            let warmed_up = self.running[at].0.warm_up(pixels, passes).await;
            at += usize::from(self.attempt(at, warmed_up)?.is_some());
        }
        Ok(())
    }

    /// Opens the device again and loads the networks anew, as far as that is affordable, so that a chance of how they
    /// were loaded is not in every sample. Says whether it did.
    async fn restart(&mut self, pixels: &[u8], options: &BenchOptions) -> Result<bool> {
        let start = Instant::now();
        let may = |spent: &Spent, guess| spent.allows_another(self.sampling, guess);
        let reopens = self.may_reopen && may(&self.reopening, GUESS_OF_OPENING);
        let reloads = self.may_reload && may(&self.reloading, GUESS_OF_LOADING);
        let reopened = if reopens { self.reopened().await } else { None };
        let is_reopened = reopened.is_some();
        if !is_reopened && !reloads {
            return Ok(false);
        }
        self.restarted = reopened.or(self.restarted.take());
        let engine = self.restarted.as_ref().unwrap_or(self.engine);
        for (mode, _) in &mut self.running {
            if let Err(error) = mode.reload(engine, pixels).await {
                log::warn!("{} was not loaded anew: {error}", mode.session.mode());
                (self.may_reopen, self.may_reload) = (false, false);
            }
        }
        if is_reopened && !self.may_reload {
            // The device that was opened again may be lost; the first one runs everything that it ran before.
            self.control_workloads.restart(self.engine).await?;
        }
        self.warm_up(pixels, options.warmup).await?;
        let spent = match is_reopened {
            true => &mut self.reopening,
            false => &mut self.reloading,
        };
        spent.add(start.elapsed());
        Ok(true)
    }

    /// The engine on a device that was opened again, with the control workloads there; none where its driver refuses.
    async fn reopened(&mut self) -> Option<Engine> {
        let opened = match self.engine.restarted().await {
            Ok(engine) => self
                .control_workloads
                .restart(&engine)
                .await
                .map(|()| engine),
            Err(error) => Err(error),
        };
        match opened {
            Ok(engine) => Some(engine),
            Err(error) => {
                let adapter = self.engine.info();
                log::warn!("{adapter} could not be opened again during the measurement: {error}");
                self.may_reopen = false;
                None
            }
        }
    }

    /// Whether its networks are on a device that was opened again.
    pub(super) fn is_restarted(&self) -> bool {
        self.restarted.is_some()
    }

    /// Takes the device's own time, which comes from other runs, since timestamps slow a run down.
    ///
    /// # Errors
    /// Those that all modes would have.
    pub(super) async fn take_device_time(&mut self, observer: &dyn Observer) -> Result<()> {
        for _ in 0..self.samples().min(DEVICE_ROUNDS) {
            let mut at = 0;
            while at < self.running.len() {
                let time = self.running[at].0.session.device_time().await;
                if let Some(time) = self.attempt(at, time)? {
                    self.running[at].1.push_device_time(time);
                    at += 1;
                }
            }
            if observer.hurries() {
                break;
            }
        }
        Ok(())
    }

    /// What was measured so far, by the places of the modes among the entries.
    pub(super) fn taken(&self) -> HashMap<usize, Taken> {
        let all = self.running.iter();
        all.filter_map(|(one, durations)| Some((one.entry, durations.taken()?)))
            .collect()
    }

    /// How many samples each mode has at least.
    pub(super) fn samples(&self) -> usize {
        let counts = self.running.iter().map(|(_, durations)| durations.count());
        counts.min().unwrap_or(0)
    }

    pub(super) fn longest(&self) -> Duration {
        let all = self
            .running
            .iter()
            .map(|(_, durations)| durations.longest());
        all.max().unwrap_or_default()
    }

    /// Takes the mode at `at` out if `result` is an error of it alone; none then.
    fn attempt<T>(&mut self, at: usize, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_of_one_network() => {
                let (mode, _) = self.running.remove(at);
                self.failed.push((mode.entry, error));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::adapter::{Backend, Selector};
    use crate::bench::observer::Finished;
    use crate::model::Network;
    use crate::quantize::lower;
    use crate::{EngineOptions, Precision};

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
            let mode = SampledMode {
                entry: 0,
                session: &mut network,
                model: &model,
                outputs: &[],
            };
            let mut group = Group::new((0, &engine), vec![mode], ControlWorkloads::default());
            let block = Block {
                number: 0,
                schedule: &Schedule::new(&options, Instant::now()),
                pixels: &[0; 784],
                options: &options,
                report: &|_, _| {},
            };
            pollster::block_on(group.measure(&block, &mut Unwatched)).unwrap();
            !group.failed.is_empty()
        };
        assert!(!passes(0, 0), "a pass that nobody requested");
        assert!(passes(1, 0), "no warm-up");
        assert!(passes(0, 1), "the first sample is not compared");
    }

    #[test]
    fn restarts_take_at_most_half_as_long_as_the_samples() {
        let second = Duration::from_secs(1);
        let mut spent = Spent::default();
        assert!(!spent.allows_another(second, second));
        assert!(spent.allows_another(2 * second, second));
        spent.add(3 * second);
        assert!(!spent.allows_another(11 * second, second));
        assert!(spent.allows_another(12 * second, second));
    }
}
