//! One check and how it ended.

use serde::Serialize;

use super::compare::{Check, Errors};
use crate::Precision;
use crate::error::{Error, Result};
use crate::mode::Mode;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckStatus {
    /// Within the tolerance, to the same bits each time.
    Passed,
    /// Not so.
    Failed,
    /// It cannot run here.
    Skipped,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheckRow {
    /// What sort of thing is checked: `kernels`, `networks`, `weights`, `sums` or `arithmetic`.
    pub group: &'static str,
    /// Which one.
    pub name: String,
    /// The precision.
    pub precision: Precision,
    /// The same with what else it is run as: the scheme, and the precisions of layers that differ.
    pub mode: String,
    /// How it ended.
    pub status: CheckStatus,
    /// What is wrong, or why it was skipped.
    pub detail: Option<String>,
    /// The shapes, or networks, and the data on each of them that it was tried on.
    pub trials: usize,
    /// How often it was run to see whether it comes to the same bits.
    pub repeats: usize,
    /// The largest difference from the reference; none where nothing was compared.
    pub largest_error: Option<f64>,
    /// The largest normalized mean square error.
    pub nmse: Option<f64>,
    /// The largest difference in units in the last place of the numbers that come out.
    pub ulps: Option<f64>,
    /// What was allowed, and why.
    pub tolerance: &'static str,
}

impl CheckRow {
    pub(super) fn new(
        group: &'static str,
        name: String,
        mode: &Mode,
        tolerance: &'static str,
    ) -> Self {
        Self {
            group,
            name,
            precision: mode.precision,
            mode: mode.to_string(),
            status: CheckStatus::Passed,
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
    pub(super) fn ended_by(self, error: Error) -> Result<Self> {
        match error {
            Error::TooLarge { .. } => Ok(self.skipped(error.to_string())),
            Error::OutOfMemory { .. } => Ok(self.found(Err(error.to_string()), Errors::default())),
            error => Err(error),
        }
    }

    pub(super) fn skipped(self, reason: impl Into<String>) -> Self {
        Self {
            status: CheckStatus::Skipped,
            detail: Some(reason.into()),
            ..self
        }
    }

    /// With what was found: `Err` of what is wrong.
    pub(super) fn found(self, check: Check, errors: Errors) -> Self {
        let measured = |value: f64| (errors.values > 0 && value.is_finite()).then_some(value);
        Self {
            status: if check.is_ok() {
                CheckStatus::Passed
            } else {
                CheckStatus::Failed
            },
            detail: check.err(),
            largest_error: measured(errors.largest),
            nmse: measured(errors.nmse),
            ulps: measured(errors.ulps),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
    fn a_check_that_needs_too_much_memory_does_not_end_the_others() {
        let during = "a test".to_owned();
        let adapter = "one".to_owned();
        let memory = row().ended_by(Error::OutOfMemory {
            adapter: adapter.clone(),
            during: during.clone(),
        });
        assert_eq!(memory.unwrap().status, CheckStatus::Failed);
        let large = row().ended_by(Error::TooLarge {
            what: "layers.0".into(),
            unit: "bytes",
            needed: 2,
            limit: 1,
            adapter: adapter.clone(),
        });
        assert_eq!(large.unwrap().status, CheckStatus::Skipped);
        let reason = "destroyed".to_owned();
        let lost = row().ended_by(Error::DeviceLost {
            adapter,
            during,
            reason,
        });
        assert_eq!(lost.unwrap_err().exit_code(), 6);
    }
}
