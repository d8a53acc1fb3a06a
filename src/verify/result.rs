//! All checks, and what they come to.

use std::collections::BTreeMap;

use super::row::{CheckRow, CheckStatus};
use crate::error::{CheckError, Error, Result};

/// Everything that was checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VerifyResult {
    /// The checks that were made, in the order of their places.
    pub rows: Vec<CheckRow>,
    /// The place of each among all checks.
    places: Vec<usize>,
    /// SHA-256 of the exact sums of int8 products; none where these were not checked.
    pub int8_sums: Option<String>,
}

impl VerifyResult {
    /// Takes a check, which has this place among all, and the hash of int8 sums where it was of these.
    pub fn add(&mut self, place: usize, row: CheckRow, int8_sums: Option<String>) {
        self.int8_sums = int8_sums.or(self.int8_sums.take());
        let at = self.places.partition_point(|&other| other < place);
        self.places.insert(at, place);
        self.rows.insert(at, row);
    }

    /// How many checks ended so.
    #[must_use]
    pub fn count(&self, status: CheckStatus) -> usize {
        self.rows.iter().filter(|row| row.status == status).count()
    }

    /// Why most of what was skipped was.
    fn usual_reason(&self) -> &str {
        let mut counts = BTreeMap::new();
        for reason in self.rows.iter().filter_map(|row| row.detail.as_deref()) {
            *counts.entry(reason).or_insert(0) += 1;
        }
        let most = counts.into_iter().max_by_key(|&(_, count)| count);
        most.map_or("", |(reason, _)| reason)
    }

    /// # Errors
    /// `Error::CheckFailed` where a check failed, which names the first; `Error::NothingChecked` where every
    /// one was skipped, which says why most were.
    pub fn verdict(&self) -> Result<()> {
        let mut failed = self
            .rows
            .iter()
            .filter(|row| row.status == CheckStatus::Failed);
        let Some(first) = failed.next() else {
            if self.rows.is_empty() || self.count(CheckStatus::Passed) > 0 {
                return Ok(());
            }
            return Err(Error::NothingChecked {
                skipped: self.rows.len(),
                reason: self.usual_reason().to_owned(),
            });
        };
        let detail = first.detail.as_deref().unwrap_or_default();
        let detail = detail.lines().next().unwrap_or_default();
        Err(Error::CheckFailed(CheckError::ChecksFailed {
            failed: 1 + failed.count(),
            made: self.rows.len() - self.count(CheckStatus::Skipped),
            first: format!("{}/{} {}", first.group, first.name, first.mode),
            detail: detail.to_owned(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Precision;
    use crate::verify::compare::Errors;
    use crate::verify::tolerance;

    fn row() -> CheckRow {
        CheckRow::new(
            "kernels",
            "one".into(),
            &Precision::F32.into(),
            tolerance::SUMS,
        )
    }

    #[test]
    fn one_failure_is_enough_and_is_named() {
        let mut result = VerifyResult::default();
        result.add(0, row(), None);
        result.add(1, row().skipped("no such thing"), None);
        assert!(result.verdict().is_ok());
        let wrong = row().found(
            Err("7×5×3: value 2 is 1, not 2\nmore".into()),
            Errors::default(),
        );
        assert_eq!(wrong.largest_error, None);
        result.add(2, wrong, None);
        let error = result.verdict().unwrap_err();
        assert_eq!(error.exit_code(), 4);
        assert_eq!(
            error.to_string(),
            "1 of 2 checks failed, the first is kernels/one f32: 7×5×3: value 2 is 1, not 2; run verify \
             with --only for that check, and report it"
        );
    }

    #[test]
    fn nothing_checked_is_not_well() {
        let mut result = VerifyResult::default();
        result.add(0, row().skipped("no such thing"), None);
        let error = result.verdict().unwrap_err();
        assert_eq!(error.exit_code(), 3);
        assert!(error.to_string().contains("no such thing"), "{error}");
        result.add(1, row(), None);
        assert!(result.verdict().is_ok());
    }

    #[test]
    fn checks_stand_in_their_places_whichever_is_made_first() {
        let mut result = VerifyResult::default();
        for place in [3, 0, 2, 7, 1] {
            let name = place.to_string();
            let sums = (place == 2).then(|| "sums".to_owned());
            result.add(place, CheckRow { name, ..row() }, sums);
        }
        let names: Vec<&str> = result.rows.iter().map(|row| &*row.name).collect();
        assert_eq!(names, ["0", "1", "2", "3", "7"]);
        assert_eq!(result.int8_sums.as_deref(), Some("sums"));
    }
}
