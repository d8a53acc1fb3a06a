//! Why a model or data file cannot be used.

use crate::printable::printable;

/// Why a file cannot be used. Every message ends with what to do.
///
/// The texts may quote the file. The functions that make the values write control characters out and shorten long
/// texts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The system does not give it.
    #[error("cannot be read: {reason}; check the path and its permissions")]
    Unreadable {
        /// The system's reason.
        reason: String,
    },

    /// A model is damaged, or its parts do not fit each other.
    #[error("{problem}; use another model, or write this file again")]
    Model {
        /// What is wrong, and where.
        problem: String,
    },

    /// A quantized file is damaged, or its parts do not fit each other.
    #[error("{problem}; make it again with 'fmnist-gpu quantize'")]
    QuantizedModel {
        /// What is wrong, and where.
        problem: String,
    },

    /// A file of images or labels is damaged, or is none.
    #[error("{problem}; use another file, or download this one again")]
    Images {
        /// What is wrong, and where.
        problem: String,
    },

    /// A result of `bench` is damaged, or is none.
    #[error("{problem}; measure it again with --save")]
    Baseline {
        /// What is wrong, and where.
        problem: String,
    },

    /// A result of `verify` is damaged, or is none.
    #[error("{problem}; make it again with verify --format json --output FILE")]
    VerifyResult {
        /// What is wrong, and where.
        problem: String,
    },

    /// The file is missing, or it is undamaged but does not fit the request.
    #[error("{problem}; {remedy}")]
    Unsuitable {
        /// What does not fit.
        problem: String,
        /// What to do.
        remedy: String,
    },
}

impl FileError {
    /// The system does not give the file.
    pub fn unreadable(reason: impl ToString) -> Self {
        let reason = printable(&reason.to_string());
        Self::Unreadable { reason }
    }

    /// A damaged model.
    pub fn model(problem: impl AsRef<str>) -> Self {
        let problem = printable(problem.as_ref());
        Self::Model { problem }
    }

    /// A damaged quantized file.
    pub fn quantized_model(problem: impl AsRef<str>) -> Self {
        let problem = printable(problem.as_ref());
        Self::QuantizedModel { problem }
    }

    /// A damaged file of images or labels.
    pub fn images(problem: impl AsRef<str>) -> Self {
        let problem = printable(problem.as_ref());
        Self::Images { problem }
    }

    /// A damaged result of `bench`.
    pub fn baseline(problem: impl AsRef<str>) -> Self {
        let problem = printable(problem.as_ref());
        Self::Baseline { problem }
    }

    /// A damaged result of `verify`.
    pub fn verify_result(problem: impl AsRef<str>) -> Self {
        let problem = printable(problem.as_ref());
        Self::VerifyResult { problem }
    }

    /// A file that is missing or does not fit the request, and what to do.
    pub fn unsuitable(problem: impl AsRef<str>, remedy: impl AsRef<str>) -> Self {
        Self::Unsuitable {
            problem: printable(problem.as_ref()),
            remedy: printable(remedy.as_ref()),
        }
    }
}
