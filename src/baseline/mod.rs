//! Comparing a result with an earlier one, row by row, beyond the noise.
//!
//! A machine's speed drifts from run to run, so two times are not compared as they are: each is held against
//! the yardstick that was measured beside it, and only the ratios are compared.

mod compare;
mod saved;
mod store;

use serde::Serialize;

use crate::stats::Estimate;
pub use compare::{Present, compare};
pub use saved::Saved;
pub use store::{Name, find, folder};

/// The least change of the end-to-end time that is flagged, as a share: two runs of the same program differ by
/// a few percent for reasons that no sample of either shows, such as where its memory lies (T. Mytkowicz and
/// others, Producing Wrong Data Without Doing Anything Obviously Wrong!, ASPLOS 2009).
pub const LEAST_CHANGE: f64 = 0.06;

/// The most that the least change is raised to in a row whose runs differ by more among their parts: beyond, a
/// run's parts say little about the next run, and a change of 10% has to be seen.
pub const MOST_UNREST: f64 = 0.08;

/// This result beside an earlier one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The name or the file of the earlier one.
    pub baseline: String,
    /// When that ran.
    pub date: String,
    /// The commit that it was built from, where that is known.
    pub commit: Option<String>,
    /// The least change of the time that is flagged, as a share.
    pub least_change: f64,
    /// A line for each row of this result, in their order, then for those that only the earlier one has.
    pub rows: Vec<Change>,
}

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// Its place in the results; none where only the earlier result has it.
    pub row: Option<usize>,
    /// How its precision, with its scheme, is called.
    pub name: String,
    /// Images in a batch, as they were asked for.
    pub batch: usize,
    /// The change of the end-to-end time, each beside its yardstick, as a share: 0.1 is 10% slower. Of several
    /// yardsticks, that which says least. None where there is nothing to compare.
    pub time: Option<Estimate>,
    /// The least change of the time that is flagged in this row, as a share: [`LEAST_CHANGE`], or what parts of
    /// one of the two runs differ by among themselves, where that is more, but [`MOST_UNREST`] at most.
    pub least_change: Option<f64>,
    /// The change of the accuracy in percentage points; none where there is nothing to compare.
    pub accuracy_points: Option<f64>,
    /// The chance of so uneven a change of labels where both are equally good (McNemar's test).
    pub accuracy_p: Option<f64>,
    /// What it comes to; empty where all is within the noise.
    pub flags: Vec<Flag>,
    /// What the figures do not say: another kernel, why there is nothing to compare.
    pub note: Option<String>,
}

/// What a change comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flag {
    /// Faster, beyond the noise.
    Faster,
    /// Slower, beyond the noise.
    Slower,
    /// Less accurate, significantly.
    LessAccurate,
    /// More accurate, significantly.
    MoreAccurate,
    /// Both results have it, but the two cannot be compared.
    Incomparable,
    /// Only one of the two results has it.
    Alone,
}

impl Flag {
    /// The name in every output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Faster => "faster",
            Self::Slower => "slower",
            Self::LessAccurate => "less accurate",
            Self::MoreAccurate => "more accurate",
            Self::Incomparable => "incomparable",
            Self::Alone => "alone",
        }
    }
}

impl Comparison {
    /// Why the earlier result is none to compare with at all: no row of it could be, or one is of another
    /// scheme.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let with = |flag: Flag| self.rows.iter().find(|change| change.flags.contains(&flag));
        if let Some(change) = with(Flag::Incomparable) {
            let note = change.note.as_deref().unwrap_or("no reason is known");
            return Some(format!(
                "{} at batch {} cannot be compared with {}: {note}",
                change.name, change.batch, self.baseline
            ));
        }
        let compared = |change: &Change| change.time.is_some();
        (!self.rows.iter().any(compared)).then(|| {
            format!(
                "{} has no row in common with this result; use the same --precision and --batch",
                self.baseline
            )
        })
    }

    /// The rows that are slower than a share allows, beyond the noise, or significantly less accurate.
    pub fn regressions(&self, allowed: f64) -> impl Iterator<Item = &Change> {
        self.rows.iter().filter(move |change| {
            let time = change.time.is_some_and(|time| time.value > allowed);
            change.flags.contains(&Flag::Slower) && time
                || change.flags.contains(&Flag::LessAccurate)
        })
    }
}
