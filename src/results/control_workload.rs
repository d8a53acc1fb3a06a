//! The control workload: fixed work, timed beside every round of samples. It separates a change of the machine's
//! speed from a change of the program's.

use serde::Serialize;

use crate::engine::Place;
use crate::stats::Samples;

/// The control workload's samples beside the rows of one batch size that ran on the same device and threads.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ControlWorkload {
    /// Images in a batch of those rows.
    pub batch: usize,
    /// Where it ran.
    pub device: Place,
    /// Which of the result's adapters that is.
    pub adapter: usize,
    /// The threads of the CPU path that it ran on; none on an adapter.
    pub threads: Option<usize>,
    /// What it did, in words.
    pub work: String,
    /// One sample for each round, in their order.
    pub wall_ns: Samples,
}
