//! The yardstick: fixed work, timed beside every round of samples, so that what the machine's speed did
//! meanwhile can be told from what the program did.

use serde::Serialize;

use super::Samples;
use crate::engine::Place;

/// The yardstick's samples beside the rows of one batch size that ran on the same device and threads.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Yardstick {
    /// Images in a batch of those rows.
    pub batch: usize,
    /// Where it ran.
    pub device: Place,
    /// The threads of the CPU path that it ran on; none on the adapter.
    pub threads: Option<usize>,
    /// What it did, in words.
    pub work: String,
    /// One sample for each round, in their order.
    pub wall_ns: Samples,
}
