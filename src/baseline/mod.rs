//! Comparing a result with an earlier one, row by row, beyond the noise.
//!
//! A machine's speed drifts from run to run, so two times are not compared as they are: each is held against
//! the yardstick that was measured beside it, and only the ratios are compared.

mod compare;
mod saved;
mod store;

use serde::Serialize;

use crate::error::{Error, UsageError};
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

/// The fewest pairs of samples in each of two runs whose change is judged. The bootstrap draws blocks of neighbours,
/// four of them at 50 pairs: a dozen blocks, below which its draws are too much alike for the tails of 95%, and
/// a lower quartile stands on a handful of samples.
pub const LEAST_PAIRS: usize = 50;

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
    /// Fewer than [`LEAST_PAIRS`] in one of the two runs, so that its time is not judged.
    TooFewSamples,
    /// The earlier result measured it, and this one could not.
    NoLongerMeasured,
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
            Self::TooFewSamples => "too few samples to compare",
            Self::NoLongerMeasured => "no longer measured",
        }
    }
}

impl Change {
    /// What it comes to, in words.
    #[must_use]
    pub fn outcome(&self) -> String {
        let name = |flag: &Flag| match (flag, self.row) {
            (Flag::Alone, Some(_)) => "only here",
            (Flag::Alone, None) => "only in the baseline",
            (flag, _) => flag.name(),
        };
        match (self.flags.is_empty(), self.time) {
            (true, Some(_)) => "within the noise".to_owned(),
            (true, None) => "not measured".to_owned(),
            (false, _) => self.flags.iter().map(name).collect::<Vec<_>>().join(", "),
        }
    }

    fn has(&self, flag: Flag) -> bool {
        self.flags.contains(&flag)
    }
}

impl Comparison {
    /// Why the earlier result is none to compare with at all: a row was not measured alike, or there is none in
    /// both.
    #[must_use]
    pub fn refusal(&self) -> Option<Error> {
        let baseline = self.baseline.clone();
        let unlike = |change: &&Change| change.has(Flag::Incomparable);
        if let Some(change) = self.rows.iter().find(unlike) {
            let note = change.note.as_deref().unwrap_or("no reason is known");
            return Some(Error::Usage(UsageError::RowDiffers {
                row: format!("{} at batch {}", change.name, change.batch),
                baseline,
                reason: note.to_owned(),
            }));
        }
        let common = |change: &Change| change.time.is_some() || change.has(Flag::NoLongerMeasured);
        (!self.rows.iter().any(common))
            .then_some(Error::Usage(UsageError::NoCommonRow { baseline }))
    }

    /// The rows that are slower than a share allows, beyond the noise, significantly less accurate, or not
    /// measured any more.
    pub fn regressions(&self, allowed: f64) -> impl Iterator<Item = &Change> {
        self.rows.iter().filter(move |change| {
            let time = change.time.is_some_and(|time| time.value > allowed);
            change.has(Flag::Slower) && time
                || change.has(Flag::LessAccurate)
                || change.has(Flag::NoLongerMeasured)
        })
    }

    /// The rows that have too few samples for their time to be judged.
    pub fn unjudged(&self) -> impl Iterator<Item = &Change> {
        let few = |change: &&Change| change.has(Flag::TooFewSamples);
        self.rows.iter().filter(few)
    }

    /// Whether the time of any row was judged.
    #[must_use]
    pub fn is_judged(&self) -> bool {
        let judged = |change: &Change| change.time.is_some() && !change.has(Flag::TooFewSamples);
        self.rows.iter().any(judged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(time: Option<f64>, flags: &[Flag]) -> Change {
        let estimate = |value| Estimate {
            value,
            low: value - 0.01,
            high: value + 0.01,
        };
        Change {
            row: Some(0),
            name: "f32".into(),
            batch: 1,
            time: time.map(estimate),
            least_change: None,
            accuracy_points: None,
            accuracy_p: None,
            flags: flags.to_vec(),
            note: None,
        }
    }

    fn of(rows: Vec<Change>) -> Comparison {
        Comparison {
            baseline: "first".into(),
            date: "today".into(),
            commit: None,
            least_change: LEAST_CHANGE,
            rows,
        }
    }

    #[test]
    fn a_row_that_is_no_longer_measured_is_a_regression_and_one_that_was_not_asked_for_is_none() {
        let gone = row(None, &[Flag::NoLongerMeasured]);
        let comparison = of(vec![row(Some(0.0), &[]), gone.clone()]);
        let regressions: Vec<&Change> = comparison.regressions(0.05).collect();
        assert_eq!(regressions, [&gone]);
        assert_eq!(
            (gone.outcome().as_str(), comparison.refusal().is_none()),
            ("no longer measured", true)
        );
        let alone = Change {
            row: None,
            ..row(None, &[Flag::Alone])
        };
        assert_eq!(alone.outcome(), "only in the baseline");
        assert_eq!(row(None, &[Flag::Alone]).outcome(), "only here");
        assert_eq!(row(None, &[]).outcome(), "not measured");
        assert_eq!(
            of(vec![row(Some(0.0), &[]), alone.clone()])
                .regressions(0.05)
                .count(),
            0
        );
        assert!(of(vec![alone]).refusal().is_some());
    }

    #[test]
    fn what_has_too_few_samples_is_no_regression_and_not_judged() {
        let few = row(Some(9.0), &[Flag::TooFewSamples]);
        let comparison = of(vec![few.clone()]);
        assert_eq!(comparison.regressions(0.05).count(), 0);
        assert_eq!(
            (comparison.is_judged(), comparison.refusal().is_none()),
            (false, true)
        );
        let comparison = of(vec![few, row(Some(0.0), &[])]);
        assert!(comparison.is_judged());
        assert_eq!(comparison.unjudged().count(), 1);
    }
}
