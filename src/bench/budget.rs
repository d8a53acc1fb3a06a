//! Memory limits: the largest batch of each precision that fits, and what it costs in speed.

use serde::Serialize;

/// What a memory limit comes to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Budget {
    /// The most that planned parameters and activations may take, in bytes.
    pub limit_bytes: u64,
    /// The most images in a batch that the user allows, if any.
    pub batch_limit: Option<usize>,
    /// A line for each precision, in the order of the rows.
    pub lines: Vec<BudgetLine>,
}

/// One precision under the limit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BudgetLine {
    /// How the precision, with its scheme, is called.
    pub name: String,
    /// The largest batch that fits; none where not even one image does.
    pub batch: Option<usize>,
    /// What keeps the batch from being larger.
    pub bound_by: Bound,
    /// Planned bytes of that batch, or of one image where not even that fits.
    pub bytes: u64,
    /// The row measured at that batch; none where nothing fits or runs.
    pub row: Option<usize>,
    /// The row of the largest batch of `--batch`, which no limit holds back.
    pub unlimited_row: Option<usize>,
    /// Images a second, end to end, at that batch over those at the unlimited one.
    pub speed_kept: Option<f64>,
}

/// What bounds a batch.
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
