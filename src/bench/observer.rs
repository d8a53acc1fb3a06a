//! Who watches a benchmark, and what a benchmark gives back.

use std::ops::ControlFlow;

use crate::error::Error;
use crate::mode::Mode;
use crate::results::{Budget, Changed, ControlWorkload, Row, Warning};

/// What was measured of one batch size.
#[derive(Clone, Copy, Debug)]
pub struct Finished<'a> {
    /// A row for each precision.
    pub rows: &'a [Row],
    /// The images whose label changed.
    pub changed: &'a Changed,
    /// The control workloads beside the rows.
    pub control_workloads: &'a [ControlWorkload],
    /// The batch sizes that remain to be measured.
    pub left: &'a [usize],
}

/// Watches a benchmark.
pub trait Observer {
    /// `done` of `total` steps of `what` are finished.
    fn progress(&mut self, what: &str, done: usize, total: usize);
    /// A batch size is measured; its rows are complete except for their explanations.
    fn measured(&mut self, _batch: &Finished<'_>) {}
    /// A batch size is finished. `Break` ends the benchmark early.
    fn finished(&mut self, batch: &Finished<'_>) -> ControlFlow<()>;
    /// The places of those of these rows that need more samples before the result is settled. The rows are those of one
    /// batch size, without their explanations; `left` are the batch sizes that remain to be measured.
    fn unsettled(&mut self, _rows: &[Row], _left: &[usize]) -> Vec<usize> {
        Vec::new()
    }
    /// A mode that is about to be measured has a warning, which its rows will have too.
    fn warned(&mut self, _mode: &Mode, _warning: &Warning) {}
    /// Whether to stop sampling as soon as a row has the fewest samples that it needs.
    fn hurries(&self) -> bool {
        false
    }
}

/// Everything that was measured, and the error that stopped it, if one did.
#[derive(Debug, Default)]
pub struct BenchResult {
    /// The rows of every batch size that was finished.
    pub rows: Vec<Row>,
    /// The images whose label changed, of every batch size that was finished.
    pub changed: Vec<Changed>,
    /// The control workloads beside them.
    pub control_workloads: Vec<ControlWorkload>,
    /// The batches that fit the memory limit, where there is one.
    pub budget: Option<Budget>,
    /// The error that ended the measurement early.
    pub failure: Option<Error>,
}
