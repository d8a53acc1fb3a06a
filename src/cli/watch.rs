//! Watching a run of `bench`: its progress, and when it is settled.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use fmnist_gpu::Mode;
use fmnist_gpu::bench::{BenchOptions, Finished, Observer};
use fmnist_gpu::results::{Row, Warning};
use indicatif::ProgressBar;

use super::decision::Settlement;
use super::record::Record;
use super::{interrupt, terminal};

/// About how long a run goes on.
struct TimeLeft {
    start: Instant,
    /// None where a number of samples was requested, whatever time it takes.
    limit: Option<Duration>,
}

impl TimeLeft {
    /// The steps of the progress bar.
    const STEPS: u64 = 1000;

    fn new(options: &BenchOptions, engines: usize) -> Self {
        let rows = options.modes.len() * engines * options.batches.len();
        let limit = options.time_limit(rows);
        Self {
            start: Instant::now(),
            limit: options.runs.is_none().then_some(limit),
        }
    }

    /// The share that is done, and the time that is left in words; none where they are not known.
    fn now(&self) -> Option<(f64, String)> {
        let elapsed = self.start.elapsed();
        let limit = self.limit?;
        let share = elapsed.as_secs_f64() / limit.as_secs_f64().max(1e-9);
        let words = match limit.saturating_sub(elapsed).as_secs() {
            0 => "almost done".to_owned(),
            seconds => format!("up to about {seconds} s left"),
        };
        Some((share.min(1.0), words))
    }
}

/// Shows the progress of a measurement, and passes its rows on.
pub struct Watch {
    bar: ProgressBar,
    record: Record,
    settlement: Settlement,
    time: TimeLeft,
    /// What is done now.
    stage: String,
}

impl Watch {
    /// Of a measurement on so many engines.
    pub fn new(
        bar: ProgressBar,
        record: Record,
        settlement: Settlement,
        options: &BenchOptions,
        engines: usize,
    ) -> Self {
        Self {
            bar,
            record,
            settlement,
            time: TimeLeft::new(options, engines),
            stage: String::new(),
        }
    }
}

impl Observer for Watch {
    fn progress(&mut self, what: &str, done: usize, total: usize) {
        if self.stage != what {
            log::info!("{what}");
            what.clone_into(&mut self.stage);
        }
        let (share, what) = match self.time.now() {
            Some((share, left)) => (share, format!("{what}, {left}")),
            None => (done as f64 / total.max(1) as f64, what.to_owned()),
        };
        self.bar.set_length(TimeLeft::STEPS);
        self.bar
            .set_position((share * TimeLeft::STEPS as f64) as u64);
        self.bar.set_message(what);
    }

    fn measured(&mut self, batch: &Finished<'_>) {
        self.record.measured(batch);
    }

    fn finished(&mut self, batch: &Finished<'_>) -> ControlFlow<()> {
        self.record.finished(batch);
        if self.hurries() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn unsettled(&mut self, rows: &[Row], left: &[usize]) -> Vec<usize> {
        self.settlement.unsettled(rows, left)
    }

    fn warned(&mut self, mode: &Mode, warning: &Warning) {
        let line = format!("warning: {mode}: {}", warning.text);
        self.bar.suspend(|| terminal::note(&line));
    }

    fn hurries(&self) -> bool {
        interrupt::requested()
    }
}
