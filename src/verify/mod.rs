//! Checks that an adapter computes correct results. It compares every kernel that the adapter can run, whole networks
//! and their weights with the reference implementation. The numerics report observes how the driver rounds where WGSL
//! allows a choice.
//!
//! - [`case`] has the inputs of a kernel at one shape, and compares its outputs. [`shapes`] has the shapes near the
//!   edges of a tile. Tests run the same trials.
//! - [`check`] checks everything on an adapter, or on the processor, and returns a [`Row`] for each check.
//! - [`compare`] has the comparisons. [`tolerance`] describes what each allows, and why.
//! - [`numerics`] makes the numerics report. Its observations are neither right nor wrong, but a driver update can
//!   change them.

mod arithmetic;
pub mod case;
pub mod compare;
mod cpu;
pub mod data;
pub mod kernels;
mod lane;
mod networks;
pub mod numerics;
mod shapes;
mod subjects;
mod sums;
mod task;
pub mod tolerance;
mod weights;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::Precision;
use crate::error::{CheckError, Error, Result};
use crate::mode::Mode;
use compare::{Check, Errors};
pub use lane::Lane;
pub use numerics::NumericsReport;
pub use shapes::{SIZES, shapes};

/// How often everything is run to see whether it comes to the same bits.
pub const REPEATS: usize = 20;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Within the tolerance, to the same bits each time.
    Passed,
    /// Not so.
    Failed,
    /// It cannot run here.
    Skipped,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// What sort of thing is checked: `kernels`, `networks`, `weights`, `sums` or `arithmetic`.
    pub group: &'static str,
    /// Which one.
    pub name: String,
    /// The precision.
    pub precision: Precision,
    /// The same with what else it is run as: the scheme, and the precisions of layers that differ.
    pub mode: String,
    /// How it ended.
    pub status: Status,
    /// What is wrong, or why it was skipped.
    pub detail: Option<String>,
    /// The shapes, or networks, and the data on each of them that it was tried on.
    pub trials: usize,
    /// How often it was run to see whether it comes to the same bits.
    pub repeats: usize,
    /// The largest difference from the oracle; none where nothing was compared.
    pub largest_error: Option<f64>,
    /// The largest normalized mean square error.
    pub nmse: Option<f64>,
    /// The largest difference in units in the last place of the numbers that come out.
    pub ulps: Option<f64>,
    /// What was allowed, and why.
    pub tolerance: &'static str,
}

impl Row {
    fn new(group: &'static str, name: String, mode: &Mode, tolerance: &'static str) -> Self {
        Self {
            group,
            name,
            precision: mode.precision,
            mode: mode.to_string(),
            status: Status::Passed,
            detail: None,
            trials: 0,
            repeats: 0,
            largest_error: None,
            nmse: None,
            ulps: None,
            tolerance,
        }
    }

    /// A check that `error` kept from being made, where the next one may do better: what is larger than the
    /// adapter takes cannot run there; what the adapter should run, and has no memory for, is not well.
    ///
    /// # Errors
    /// An error that ends everything.
    fn ended_by(self, error: Error) -> Result<Self> {
        match error {
            Error::TooLarge { .. } => Ok(self.skipped(error.to_string())),
            Error::OutOfMemory { .. } => Ok(self.found(Err(error.to_string()), Errors::default())),
            error => Err(error),
        }
    }

    fn skipped(self, reason: impl Into<String>) -> Self {
        Self {
            status: Status::Skipped,
            detail: Some(reason.into()),
            ..self
        }
    }

    /// With what was found: `Err` of what is wrong.
    fn found(self, check: Check, errors: Errors) -> Self {
        let measured = |value: f64| (errors.values > 0 && value.is_finite()).then_some(value);
        Self {
            status: if check.is_ok() {
                Status::Passed
            } else {
                Status::Failed
            },
            detail: check.err(),
            largest_error: measured(errors.largest),
            nmse: measured(errors.nmse),
            ulps: measured(errors.ulps),
            ..self
        }
    }
}

/// Everything that was checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// The checks that were made, in the order of their places.
    pub rows: Vec<Row>,
    /// The place of each among all checks.
    places: Vec<usize>,
    /// SHA-256 of the exact sums of int8 products; none where these were not checked.
    pub int8_sums: Option<String>,
}

impl Outcome {
    /// Takes a check, which has this place among all, and the hash of int8 sums where it was of these.
    pub fn add(&mut self, place: usize, row: Row, int8_sums: Option<String>) {
        self.int8_sums = int8_sums.or(self.int8_sums.take());
        let at = self.places.partition_point(|&other| other < place);
        self.places.insert(at, place);
        self.rows.insert(at, row);
    }

    /// How many checks ended so.
    #[must_use]
    pub fn count(&self, status: Status) -> usize {
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
        let mut failed = self.rows.iter().filter(|row| row.status == Status::Failed);
        let Some(first) = failed.next() else {
            if self.rows.is_empty() || self.count(Status::Passed) > 0 {
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
            made: self.rows.len() - self.count(Status::Skipped),
            first: format!("{}/{} {}", first.group, first.name, first.mode),
            detail: detail.to_owned(),
        }))
    }
}

/// Which checks are made, and who hears of them.
pub struct Scope<'a> {
    /// Only those of whose names (`kernels/matmul-8x8 f32`) this is a part.
    pub only: Option<String>,
    /// No check is begun later than so long from the beginning on: those that are left are skipped. What is checked
    /// is then spread over all there is.
    pub time: Option<Duration>,
    /// Called with what is being checked, how many checks are done, and how many there are.
    pub progress: &'a mut dyn FnMut(&str, usize, usize),
    /// Called with each check as it is made, with its place among all, and with the hash of int8 sums where it was
    /// of these: what ends everything later takes nothing from it.
    pub found: &'a mut dyn FnMut(usize, Row, Option<String>),
}

/// Makes checks on an adapter, or on the CPU path, on all of these lanes at the same time. All are of one adapter.
///
/// # Errors
/// Those of a device that end everything; what a kernel does wrong, its driver's refusal included, and what one
/// check has no room for, is a row. `Error::Usage` where no check is called as asked.
pub fn check(lanes: &[Lane], scope: Scope<'_>) -> Result<()> {
    lane::check(lanes, scope)
}

/// An error that is one kernel's and no end of everything, as what is wrong.
fn as_problem<T>(result: Result<T>) -> Result<Result<T, String>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error @ (Error::Internal(_) | Error::Usage(_) | Error::CheckFailed(_))) => {
            Ok(Err(error.to_string()))
        }
        Err(error) if error.is_rejection() => Ok(Err(error.to_string())),
        Err(error) => Err(error),
    }
}

/// All of `each` the same as `first`, to the bit.
fn same_bits<T: PartialEq>(first: &[T], each: &[Vec<T>]) -> Check {
    for (run, other) in each.iter().enumerate() {
        if let Some(at) = first.iter().zip(other).position(|(a, b)| a != b) {
            return Err(format!(
                "run {} of {} gives different bits, first in value {at}",
                run + 1,
                each.len()
            ));
        }
        if other.len() != first.len() {
            return Err(format!(
                "run {} gives a different number of values",
                run + 1
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        Row::new(
            "kernels",
            "one".into(),
            &Precision::F32.into(),
            tolerance::SUMS,
        )
    }

    #[test]
    fn one_failure_is_enough_and_is_named() {
        let mut outcome = Outcome::default();
        outcome.add(0, row(), None);
        outcome.add(1, row().skipped("no such thing"), None);
        assert!(outcome.verdict().is_ok());
        let wrong = row().found(
            Err("7×5×3: value 2 is 1, not 2\nmore".into()),
            Errors::default(),
        );
        assert_eq!(wrong.largest_error, None);
        outcome.add(2, wrong, None);
        let error = outcome.verdict().unwrap_err();
        assert_eq!(error.exit_code(), 4);
        assert_eq!(
            error.to_string(),
            "1 of 2 checks failed, the first is kernels/one f32: 7×5×3: value 2 is 1, not 2; run verify \
             with --only for that check, and report it"
        );
    }

    #[test]
    fn nothing_checked_is_not_well() {
        let mut outcome = Outcome::default();
        outcome.add(0, row().skipped("no such thing"), None);
        let error = outcome.verdict().unwrap_err();
        assert_eq!(error.exit_code(), 3);
        assert!(error.to_string().contains("no such thing"), "{error}");
        outcome.add(1, row(), None);
        assert!(outcome.verdict().is_ok());
    }

    #[test]
    fn checks_stand_in_their_places_whichever_is_made_first() {
        let mut outcome = Outcome::default();
        for place in [3, 0, 2, 7, 1] {
            let name = place.to_string();
            let sums = (place == 2).then(|| "sums".to_owned());
            outcome.add(place, Row { name, ..row() }, sums);
        }
        let names: Vec<&str> = outcome.rows.iter().map(|row| &*row.name).collect();
        assert_eq!(names, ["0", "1", "2", "3", "7"]);
        assert_eq!(outcome.int8_sums.as_deref(), Some("sums"));
    }

    #[test]
    fn one_check_without_room_does_not_end_the_others() {
        let during = "a test".to_owned();
        let adapter = "one".to_owned();
        let memory = row().ended_by(Error::OutOfMemory {
            adapter: adapter.clone(),
            during: during.clone(),
        });
        assert_eq!(memory.unwrap().status, Status::Failed);
        let large = row().ended_by(Error::TooLarge {
            what: "layers.0".into(),
            unit: "bytes",
            needed: 2,
            limit: 1,
            adapter: adapter.clone(),
        });
        assert_eq!(large.unwrap().status, Status::Skipped);
        let reason = "destroyed".to_owned();
        let lost = row().ended_by(Error::DeviceLost {
            adapter,
            during,
            reason,
        });
        assert_eq!(lost.unwrap_err().exit_code(), 6);
    }

    #[test]
    fn other_bits_are_told() {
        assert!(same_bits(&[1, 2], &[vec![1, 2], vec![1, 2]]).is_ok());
        assert!(same_bits(&[1, 2], &[vec![1, 2], vec![1, 3]]).is_err());
        assert!(same_bits(&[1, 2], &[vec![1]]).is_err());
    }
}
