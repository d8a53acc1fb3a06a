//! Sampling: blocks of every engine's modes in turn, until the result is settled or the time is used up.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::group::{Block, Group};
use super::observer::Observer;
use super::options::BenchOptions;
use super::sample::Taken;
use super::schedule::Schedule;
use crate::error::Result;

/// What samples are taken of, and for how long.
pub(super) struct Sampling<'a> {
    /// What is done, for whoever watches: `batch 32: measuring`
    pub(super) what: String,
    /// `[batch, in]`
    pub(super) pixels: &'a [u8],
    pub(super) options: &'a BenchOptions,
    pub(super) schedule: Schedule,
}

/// Gets what was measured so far, and gives the engines whose modes need more samples.
pub(super) type Unsettled<'a> = dyn Fn(&[Group<'_>], &mut dyn Observer) -> Vec<usize> + 'a;

impl Sampling<'_> {
    /// Measures every mode of every group on the same batch. A mode that fails is measured no longer.
    ///
    /// # Errors
    /// Those that all modes would have. The groups keep the samples before it.
    pub(super) async fn measure(
        &self,
        groups: &mut [Group<'_>],
        observer: &mut dyn Observer,
        unsettled: &Unsettled<'_>,
    ) -> Result<()> {
        let start = Instant::now();
        self.measure_blocks(groups, observer).await?;
        let open = unsettled(groups, observer);
        if self.schedule.may_go_on() {
            self.go_on(groups, observer, (start, open), unsettled)
                .await?;
        }
        for group in groups {
            group.take_device_time(observer).await?;
        }
        Ok(())
    }

    /// The blocks that every mode is measured in.
    async fn measure_blocks(
        &self,
        groups: &mut [Group<'_>],
        observer: &mut dyn Observer,
    ) -> Result<()> {
        let schedule = &self.schedule;
        let of_block = |group: &Group<'_>| schedule.time_for(group.modes());
        let add = |all: Duration, one: Duration| all.saturating_add(one);
        let each = groups.iter().map(of_block).fold(Duration::ZERO, add);
        let blocks = schedule.blocks();
        let total = each.saturating_mul(u32::try_from(blocks).unwrap_or(u32::MAX));
        let mut before = Duration::ZERO;
        for number in 0..blocks {
            for group in groups.iter_mut() {
                let time = of_block(group);
                let report = |observer: &mut dyn Observer, since: Duration| {
                    let done = before.saturating_add(since.min(time));
                    observer.progress(&self.what, milliseconds(done), milliseconds(total));
                };
                let block = self.block(number, schedule, &report);
                group.measure(&block, observer).await?;
                before = before.saturating_add(time);
            }
            let stops = |group: &Group<'_>| schedule.may_stop(group.samples(), group.longest());
            if observer.hurries() && groups.iter().all(stops) {
                break;
            }
        }
        Ok(())
    }

    /// Measures more blocks of those that need them: first of the engines `open`, after samples since `start`.
    async fn go_on(
        &self,
        groups: &mut [Group<'_>],
        observer: &mut dyn Observer,
        (start, mut open): (Instant, Vec<usize>),
        unsettled: &Unsettled<'_>,
    ) -> Result<()> {
        let what = format!("{} until it is settled", self.what);
        let mut number = self.schedule.blocks();
        let mut last = Duration::ZERO;
        while !observer.hurries() {
            let is_open = |group: &&mut Group<'_>| open.contains(&group.index());
            let modes: usize = groups.iter_mut().filter(is_open).map(|g| g.modes()).sum();
            let now = Instant::now();
            let schedule = self.schedule.going_on(modes, now - start);
            let expected = last.max(schedule.time_for(modes));
            if modes == 0 || schedule.is_too_late_for(expected, now) {
                break;
            }
            for group in groups.iter_mut().filter(is_open) {
                let report = |observer: &mut dyn Observer, _| {
                    let (done, total) = (start.elapsed(), schedule.time_since(start));
                    let done = milliseconds(done.min(total));
                    observer.progress(&what, done, milliseconds(total));
                };
                let block = self.block(number, &schedule, &report);
                group.measure(&block, observer).await?;
            }
            last = now.elapsed();
            number += 1;
            open = unsettled(groups, observer);
        }
        Ok(())
    }

    fn block<'a>(
        &'a self,
        number: usize,
        schedule: &'a Schedule,
        report: &'a dyn Fn(&mut dyn Observer, Duration),
    ) -> Block<'a> {
        Block {
            number,
            schedule,
            pixels: self.pixels,
            options: self.options,
            report,
        }
    }
}

/// What was measured so far, by the places of the modes among the entries.
pub(super) fn taken(groups: &[Group<'_>]) -> HashMap<usize, Taken> {
    groups.iter().flat_map(Group::taken).collect()
}

fn milliseconds(duration: Duration) -> usize {
    usize::try_from(duration.as_millis()).unwrap_or(usize::MAX)
}
