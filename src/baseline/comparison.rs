//! A result beside an earlier one: what changed in each row.

use serde::Serialize;

use crate::adapter::AdapterInfo;
use crate::error::{Error, UsageError};
use crate::results::Machine;
use crate::stats::Estimate;

/// The smallest change of the end-to-end time that is flagged, as a share. Two runs of the same program differ by a few
/// percent for reasons that no sample of either shows, such as the place of its memory (T. Mytkowicz and others,
/// Producing Wrong Data Without Doing Anything Obviously Wrong!, ASPLOS 2009).
pub const LEAST_CHANGE: f64 = 0.06;

/// The largest threshold of a row whose runs vary within themselves by more than [`LEAST_CHANGE`]. A change of 10% must
/// be seen.
pub const MOST_UNREST: f64 = 0.08;

/// The fewest pairs of samples that each of two runs needs for a judgement. The bootstrap draws blocks of neighbours, of
/// four pairs at 50 pairs: a dozen blocks. With fewer, its draws are too much alike for a 95% interval, and a lower
/// quartile depends on a handful of samples.
pub const LEAST_PAIRS: usize = 50;

/// The present run: what is measured, and on what.
#[derive(Clone, Debug)]
pub struct Present<'a> {
    /// The adapters that rows are requested on.
    pub adapters: Vec<&'a AdapterInfo>,
    /// The machine.
    pub machine: &'a Machine,
    /// SHA-256 of the model.
    pub model_sha256: &'a str,
    /// Whether the model is a quantized file, which has only its own mode.
    pub is_quantized: bool,
    /// SHA-256 of the images and labels.
    pub dataset_sha256: &'a str,
    /// The number of images.
    pub images: usize,
    /// `release` or `debug`.
    pub profile: &'a str,
}

/// This result beside an earlier one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The name or the file of the earlier one.
    pub baseline: String,
    /// When it ran.
    pub date: String,
    /// The commit that it was built from, where that is known.
    pub commit: Option<String>,
    /// Whether it may be of another model.
    pub other_model: bool,
    /// The smallest change of the time that is flagged, as a share.
    pub threshold: f64,
    /// One entry for each row of this result, in their order, then one for each row that only the earlier one has.
    pub rows: Vec<Change>,
}

/// How a row changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// Its place in the results; none where only the earlier result has it.
    pub row: Option<usize>,
    /// The name of its precision, with its scheme.
    pub name: String,
    /// Images in a batch, as requested.
    pub batch: usize,
    /// The change of the end-to-end time relative to the control workload, as a share: 0.1 is 10% slower. With several
    /// control workloads, the one with the smallest change. None where there is nothing to compare.
    pub time: Option<Estimate>,
    /// The smallest change of the time that is flagged in this row, as a share: [`LEAST_CHANGE`], or more where one of the
    /// two runs varies more within itself, but at most [`MOST_UNREST`].
    pub threshold: Option<f64>,
    /// The change of the accuracy in percentage points; none where there is nothing to compare.
    pub accuracy_points: Option<f64>,
    /// The probability of such a change of labels if both are equally accurate (McNemar's test).
    pub accuracy_p: Option<f64>,
    /// The share of the images that get the same label as before; none where the earlier labels are not known.
    pub agreement: Option<f64>,
    /// The change of the bytes of all buffers, as a share; none where there is nothing to compare.
    pub memory: Option<f64>,
    /// The conclusions; empty where every change is within the noise.
    pub flags: Vec<Flag>,
    /// What the figures do not show: another kernel, or why there is nothing to compare.
    pub note: Option<String>,
}

/// A conclusion about a change.
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
    Unmatched,
    /// One of the two runs has fewer than [`LEAST_PAIRS`], so its time is not judged.
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
            Self::Incomparable => "not comparable",
            Self::Unmatched => "only in one result",
            Self::TooFewSamples => "too few samples to compare",
            Self::NoLongerMeasured => "no longer measured",
        }
    }
}

impl Change {
    /// The conclusions in words.
    #[must_use]
    pub fn outcome(&self) -> String {
        let name = |flag: &Flag| match (flag, self.row) {
            (Flag::Unmatched, Some(_)) => "only in this result",
            (Flag::Unmatched, None) => "only in the baseline",
            (flag, _) => flag.name(),
        };
        match (self.flags.is_empty(), self.time) {
            (true, Some(_)) => "within the noise".to_owned(),
            (true, None) if self.accuracy_p.is_some() => "as accurate".to_owned(),
            (true, None) => "not measured".to_owned(),
            (false, _) => self.flags.iter().map(name).collect::<Vec<_>>().join(", "),
        }
    }

    fn has(&self, flag: Flag) -> bool {
        self.flags.contains(&flag)
    }
}

impl Comparison {
    /// Why the earlier result cannot be compared at all: a row was measured differently, or no row is in both.
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
        let common = |change: &Change| {
            let figures = change.time.is_some() || change.accuracy_p.is_some();
            figures || change.has(Flag::NoLongerMeasured)
        };
        (!self.rows.iter().any(common))
            .then_some(Error::Usage(UsageError::NoCommonRow { baseline }))
    }

    /// The rows that are slower by more than `allowed` and beyond the noise, significantly less accurate, or no longer
    /// measured.
    pub fn regressions(&self, allowed: f64) -> impl Iterator<Item = &Change> {
        self.rows.iter().filter(move |change| {
            let time = change.time.is_some_and(|time| time.value > allowed);
            change.has(Flag::Slower) && time
                || change.has(Flag::LessAccurate)
                || change.has(Flag::NoLongerMeasured)
        })
    }

    /// The rows with too few samples for a judgement of their time.
    pub fn unjudged(&self) -> impl Iterator<Item = &Change> {
        let few = |change: &&Change| change.has(Flag::TooFewSamples);
        self.rows.iter().filter(few)
    }

    /// Whether the time of any row was judged.
    #[must_use]
    pub fn is_judged(&self) -> bool {
        let judged = |change: &Change| match change.time {
            Some(_) => !change.has(Flag::TooFewSamples),
            // The time of another model may not be comparable.
            None => self.other_model && change.accuracy_p.is_some(),
        };
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
            threshold: None,
            accuracy_points: None,
            accuracy_p: None,
            agreement: None,
            memory: None,
            flags: flags.to_vec(),
            note: None,
        }
    }

    fn of(rows: Vec<Change>) -> Comparison {
        Comparison {
            baseline: "first".into(),
            date: "today".into(),
            commit: None,
            other_model: false,
            threshold: LEAST_CHANGE,
            rows,
        }
    }

    #[test]
    fn a_row_that_is_no_longer_measured_is_a_regression_and_one_that_was_not_requested_is_none() {
        let gone = row(None, &[Flag::NoLongerMeasured]);
        let comparison = of(vec![row(Some(0.0), &[]), gone.clone()]);
        let regressions: Vec<&Change> = comparison.regressions(0.05).collect();
        assert_eq!(regressions, [&gone]);
        assert_eq!(
            (gone.outcome().as_str(), comparison.refusal().is_none()),
            ("no longer measured", true)
        );
        let unmatched = Change {
            row: None,
            ..row(None, &[Flag::Unmatched])
        };
        assert_eq!(unmatched.outcome(), "only in the baseline");
        assert_eq!(
            row(None, &[Flag::Unmatched]).outcome(),
            "only in this result"
        );
        assert_eq!(row(None, &[]).outcome(), "not measured");
        assert_eq!(
            of(vec![row(Some(0.0), &[]), unmatched.clone()])
                .regressions(0.05)
                .count(),
            0
        );
        assert!(of(vec![unmatched]).refusal().is_some());
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
