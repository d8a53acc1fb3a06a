//! Errors that one check reports, and that end no other.

use crate::error::{Error, Result};

/// An error that is one kernel's and no end of everything, as what is wrong.
pub(super) fn as_problem<T>(result: Result<T>) -> Result<Result<T, String>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error @ (Error::Internal(_) | Error::Usage(_) | Error::CheckFailed(_))) => {
            Ok(Err(error.to_string()))
        }
        Err(error) if error.is_rejection() => Ok(Err(error.to_string())),
        Err(error) => Err(error),
    }
}
