//! How long samples are taken: blocks of a fixed length first, then more blocks while the result is not settled.

use std::time::{Duration, Instant};

use super::options::{BenchOptions, FEWEST, TIME_TO_COMPARE};

/// The blocks that every mode is measured in.
pub(super) const BLOCKS: usize = 6;

/// A block that follows them takes at least this share of the time that was spent on those before it: a look at the result
/// after each is then worth it, however long the time is.
const SHARE_OF_EARLIER: u32 = 10;

/// The fewest samples where one takes longer than [`SLOW`].
const FEWEST_SLOW: usize = 5;
const SLOW: Duration = Duration::from_secs(1);

/// Where one takes longer than this, [`FEWEST`] samples are enough: fifty would take more than ten seconds.
const PATIENT: Duration = Duration::from_millis(200);

/// The most samples that are kept of a block for a time up to [`TIME_TO_COMPARE`]. More would not improve a median, and
/// a quick network would fill its results with them. They are spread over the whole block. For a longer time all are
/// kept.
const MOST_IN_BLOCK: usize = 160;

/// How many samples are taken, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    /// The samples of each mode, if the user requested so many.
    runs: Option<usize>,
    /// The fewest samples of each mode.
    fewest: usize,
    /// The time of each mode in a block.
    slice: Duration,
    /// Whether every sample is kept.
    keeps_all: bool,
    /// No further block begins that would end after this.
    deadline: Instant,
    /// Whether the blocks that every mode is measured in become shorter too when this has passed.
    is_firm: bool,
}

/// What was done of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Done {
    pub(super) rounds: usize,
    pub(super) elapsed: Duration,
    /// The longest sample of any mode.
    pub(super) longest: Duration,
}

impl Schedule {
    /// For a batch size that should be finished by `deadline`.
    pub(super) fn new(options: &BenchOptions, deadline: Instant) -> Self {
        Self {
            runs: options.runs,
            fewest: options.fewest,
            slice: options.min_time / BLOCKS as u32,
            keeps_all: options.runs.is_some() || options.min_time > TIME_TO_COMPARE,
            deadline,
            is_firm: options.max_time.is_some(),
        }
    }

    /// How many blocks every mode is measured in.
    pub(super) fn blocks(&self) -> usize {
        self.runs.map_or(BLOCKS, |runs| runs.min(BLOCKS))
    }

    /// Whether more blocks may follow.
    pub(super) fn may_go_on(&self) -> bool {
        self.runs.is_none()
    }

    /// The same for the next of the blocks that follow, of so many modes, after `spent` was spent on samples.
    pub(super) fn going_on(self, modes: usize, spent: Duration) -> Self {
        let modes = u32::try_from(modes.max(1)).unwrap_or(u32::MAX);
        Self {
            slice: self.slice.max(spent / SHARE_OF_EARLIER / modes),
            is_firm: true,
            ..self
        }
    }

    /// Whether a block that takes so long would end too late.
    pub(super) fn is_too_late_for(&self, block: Duration, now: Instant) -> bool {
        now.checked_add(block).is_none_or(|end| end > self.deadline)
    }

    /// The time from `start` to the deadline.
    pub(super) fn time_since(&self, start: Instant) -> Duration {
        self.deadline.saturating_duration_since(start)
    }

    /// How long a block takes for so many modes, if each sample is short.
    pub(super) fn time_for(&self, modes: usize) -> Duration {
        let modes = u32::try_from(modes).unwrap_or(u32::MAX);
        self.slice.saturating_mul(modes)
    }

    /// Whether a block of this number, of so many modes, is finished.
    pub(super) fn is_finished(&self, block: usize, modes: usize, done: Done, now: Instant) -> bool {
        if let Some(runs) = self.runs {
            let blocks = self.blocks().max(1);
            return done.rounds >= runs * (block + 1) / blocks - runs * block / blocks;
        }
        let late = self.is_firm && now >= self.deadline;
        done.rounds >= fewest(done.longest, self.fewest).div_ceil(BLOCKS)
            && (late || done.elapsed >= self.time_for(modes))
    }

    /// Whether so many samples of a block are more than are kept.
    pub(super) fn is_full(&self, samples: usize) -> bool {
        !self.keeps_all && samples >= MOST_IN_BLOCK
    }

    /// Whether so many samples are enough for someone who is in a hurry, or where no more can be taken.
    pub(super) fn may_stop(&self, samples: usize, longest: Duration) -> bool {
        samples >= fewest(longest, FEWEST.min(self.runs.unwrap_or(FEWEST)))
    }
}

/// The fewest samples, where `requested` are wanted and one takes this long.
fn fewest(longest: Duration, requested: usize) -> usize {
    match longest {
        longest if longest > SLOW => FEWEST_SLOW.min(requested),
        longest if longest > PATIENT => FEWEST.min(requested),
        _ => requested,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(min_time: Duration) -> BenchOptions {
        BenchOptions {
            min_time,
            ..BenchOptions::default()
        }
    }

    /// How many rounds of three modes a block has whose samples take `wall` each.
    fn rounds(options: &BenchOptions, block: usize, wall: Duration) -> usize {
        let start = Instant::now();
        let far = start.checked_add(Duration::from_secs(1000)).unwrap();
        let schedule = Schedule::new(options, far);
        let done = |rounds: usize| Done {
            rounds,
            elapsed: wall * 3 * rounds as u32,
            longest: if rounds == 0 { Duration::ZERO } else { wall },
        };
        let all = 0..;
        let mut unfinished = all.take_while(|&rounds| {
            let done = done(rounds);
            !schedule.is_finished(block, 3, done, start + done.elapsed)
        });
        unfinished.by_ref().count()
    }

    /// As many samples over all blocks.
    fn samples(options: &BenchOptions, wall: Duration) -> usize {
        let blocks = Schedule::new(options, Instant::now()).blocks();
        (0..blocks).map(|block| rounds(options, block, wall)).sum()
    }

    #[test]
    fn requested_samples_are_spread_over_the_blocks() {
        for runs in [0, 1, 5, 6, 7, 50, 1000] {
            let options = BenchOptions {
                runs: Some(runs),
                ..BenchOptions::default()
            };
            assert_eq!(samples(&options, SLOW * 3), runs);
            assert!(!Schedule::new(&options, Instant::now()).may_go_on());
        }
    }

    #[test]
    fn every_mode_has_its_time_and_the_fewest_samples() {
        let short = options(Duration::from_nanos(1));
        let quick = Duration::from_micros(7);
        assert_eq!(samples(&short, quick), 2 * BLOCKS, "at least 10");
        assert_eq!(samples(&short, SLOW * 2), BLOCKS, "at least 5");
        let compared = BenchOptions {
            fewest: 50,
            ..short
        };
        assert_eq!(samples(&compared, quick), 9 * BLOCKS);
        assert_eq!(samples(&compared, PATIENT * 2), 2 * BLOCKS);
        let long = options(Duration::from_secs(6));
        assert_eq!(samples(&long, Duration::from_millis(100)), 60);
    }

    #[test]
    fn a_time_too_long_to_count_is_no_overflow() {
        let options = options(Duration::MAX);
        let schedule = Schedule::new(&options, Instant::now());
        assert!(schedule.time_for(usize::MAX) >= Duration::MAX / 7);
        assert!(schedule.is_too_late_for(Duration::MAX, Instant::now()));
    }

    #[test]
    fn a_limit_that_the_user_set_ends_the_samples_after_the_fewest() {
        let start = Instant::now();
        let schedule = |max_time| {
            let options = BenchOptions {
                max_time,
                ..options(Duration::from_secs(60))
            };
            Schedule::new(&options, start)
        };
        let done = |rounds| Done {
            rounds,
            elapsed: Duration::from_millis(1),
            longest: Duration::from_micros(7),
        };
        let late = start + Duration::from_secs(1);
        let finished = |max_time, rounds| schedule(max_time).is_finished(0, 3, done(rounds), late);
        assert!(!finished(None, 100));
        assert!(!finished(Some(SLOW), 1));
        assert!(finished(Some(SLOW), 2));
    }

    #[test]
    fn the_blocks_that_follow_grow_with_the_time_that_was_spent() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let options = options(Duration::from_millis(300));
        let schedule = Schedule::new(&options, start + 24 * second);
        assert_eq!(schedule.time_for(4), Duration::from_millis(200));
        let after = |spent| schedule.going_on(4, spent).time_for(4);
        assert_eq!(after(second), Duration::from_millis(200));
        assert_eq!(after(10 * second), second);
        let more = schedule.going_on(4, 10 * second);
        assert!(more.may_go_on() && !more.is_too_late_for(second, start));
        assert!(more.is_too_late_for(25 * second, start));
        assert!(after(Duration::MAX) >= Duration::MAX / 11);
    }

    #[test]
    fn a_block_keeps_only_so_many_samples_unless_more_are_requested() {
        let schedule = |options: &BenchOptions| Schedule::new(options, Instant::now());
        let default = schedule(&BenchOptions::default());
        assert!(default.is_full(MOST_IN_BLOCK) && !default.is_full(MOST_IN_BLOCK - 1));
        let longer = schedule(&options(TIME_TO_COMPARE + SLOW));
        assert!(!longer.is_full(10 * MOST_IN_BLOCK));
        let runs = BenchOptions {
            runs: Some(10_000),
            ..BenchOptions::default()
        };
        assert!(!schedule(&runs).is_full(10 * MOST_IN_BLOCK));
    }
}
