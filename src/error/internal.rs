//! Defects of this program.

/// What never happens unless this program has a defect.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InternalError {
    /// A library cannot write a value of ours in its format.
    #[error("a value cannot be written as {format}: {problem}")]
    Encoding {
        /// The format: JSON, CSV, safetensors.
        format: &'static str,
        /// The library's reason.
        problem: String,
    },

    /// Something that is always there is missing.
    #[error("there is no {what}")]
    Missing {
        /// What is missing.
        what: String,
    },

    /// A part of the program panicked.
    #[error("{what} panicked")]
    Panicked {
        /// Which part.
        what: String,
    },
}
