//! Memory limits: the largest batch of each precision that fits, and what it costs in speed.

use serde::Serialize;

/// The largest batch of each precision under a memory limit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Budget {
    /// The most that all buffers may take by plan, in bytes.
    pub limit_bytes: u64,
    /// The most images in a batch that the user allows, if any.
    pub batch_limit: Option<usize>,
    /// A line for each precision and adapter, in the order of the rows.
    pub lines: Vec<BudgetLine>,
}

/// One precision under the limit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BudgetLine {
    /// The name of the precision, with its scheme.
    pub name: String,
    /// Which of the result's adapters it was to run on.
    pub adapter: usize,
    /// The largest batch that fits; none where not even one image does.
    pub batch: Option<usize>,
    /// What limits the batch.
    pub bound_by: Bound,
    /// Bytes of all buffers by plan at that batch, or for one image where not even that fits.
    pub bytes: u64,
    /// The row measured at that batch; none where nothing fits or runs.
    pub row: Option<usize>,
    /// Images a second there, end to end.
    pub images_per_second: Option<f64>,
    /// The row of the largest batch that was measured, whether it fits or not.
    pub unlimited_row: Option<usize>,
    /// That batch.
    pub unlimited_batch: Option<usize>,
    /// Images a second there, end to end.
    pub unlimited_images_per_second: Option<f64>,
    /// Images a second, end to end, at the batch that fits, over images a second at the largest.
    pub speed_kept: Option<f64>,
}

/// What limits a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// The memory limit.
    Memory,
    /// `--batch-limit`.
    BatchLimit,
    /// The number of images in the data.
    Data,
}
