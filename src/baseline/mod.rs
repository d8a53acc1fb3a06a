//! Comparing a result with an earlier one, row by row, beyond the noise.

use serde::Serialize;

use crate::Precision;
use crate::stats::Estimate;

/// This result beside an earlier one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The name or the file of the earlier one.
    pub baseline: String,
    /// When that ran.
    pub date: String,
    /// The commit that it was built from, where that is known.
    pub commit: Option<String>,
    /// The least change of speed that is flagged, as a share.
    pub least_change: f64,
    /// A line for each row of this result, in their order, then for those that only the earlier one has.
    pub rows: Vec<Change>,
}

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// Its place in the results; none where only the earlier result has it.
    pub row: Option<usize>,
    /// Its precision.
    pub precision: Precision,
    /// How its precision, with its scheme, is called.
    pub name: String,
    /// Images in a batch.
    pub batch: usize,
    /// The change of the end-to-end time, each beside its yardstick, as a share: 0.1 is 10% slower. None
    /// where there is nothing to compare.
    pub time: Option<Estimate>,
    /// The change of the accuracy in percentage points; none where there is nothing to compare.
    pub accuracy_points: Option<f64>,
    /// The chance of so uneven a change of labels where both are equally good (McNemar's test).
    pub accuracy_p: Option<f64>,
    /// What it comes to.
    pub verdict: ChangeVerdict,
    /// What the figures do not say: another kernel, why there is nothing to compare.
    pub note: Option<String>,
}

/// What a change comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeVerdict {
    /// Within the noise.
    Same,
    /// Faster, beyond the noise.
    Faster,
    /// Slower, beyond the noise.
    Slower,
    /// Less accurate, significantly.
    LessAccurate,
    /// More accurate, significantly.
    MoreAccurate,
    /// Both runs measured it, but the two figures cannot be compared.
    Incomparable,
    /// Only one of the two results has it.
    Alone,
}
