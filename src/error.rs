//! Everything that can go wrong, in one enum, and the exit code of each kind in one place.
//!
//! A message is one or two lines: what happened, where (file, layer, offset), and what to do.

use std::path::{Path, PathBuf};

use crate::input::printable;

/// The library's result type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong in the engine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A request that cannot be meant: an unknown name, a zero where a count is needed.
    #[error("{0}")]
    Usage(String),

    /// The adapter that was asked for is not there.
    #[error("no adapter matches '{selector}'; there is: {found}.{hint}")]
    AdapterNotFound {
        /// What was asked for.
        selector: String,
        /// The adapters that exist, in words.
        found: String,
        /// How to get one, where that is known (starts with a space).
        hint: String,
    },

    /// The adapter exists but refuses to give a device.
    #[error("{adapter} gives no device: {reason}")]
    DeviceUnavailable {
        /// The adapter's name.
        adapter: String,
        /// The driver's reason.
        reason: String,
    },

    /// Matrix units were asked for, and there are none that can be used.
    #[error(
        "{adapter} cannot run f16 on matrix units: {reason}; drop --matrix-units on, or the --kernel for them"
    )]
    MatrixUnitsUnavailable {
        /// The adapter's name.
        adapter: String,
        /// What is missing, or what went wrong.
        reason: String,
    },

    /// The adapter cannot run this precision, and no fallback is allowed.
    #[error(
        "{adapter} cannot run {precision}: {reason}; drop --no-fallback to run it on the CPU path"
    )]
    PrecisionUnavailable {
        /// The adapter's name.
        adapter: String,
        /// The precision that was asked for.
        precision: crate::Precision,
        /// What is missing.
        reason: String,
    },

    /// Nothing of what `verify` was asked to check can run.
    #[error(
        "nothing was checked: {skipped} skipped, since {reason}; drop --only and --max-time, or use another --adapter"
    )]
    NothingChecked {
        /// How many checks were skipped.
        skipped: usize,
        /// Why the first of them was.
        reason: String,
    },

    /// The processor lacks the instructions of a kernel that was asked for by name.
    #[error("this processor cannot run the kernel {kernel}; it runs: {found}")]
    KernelUnavailable {
        /// The kernel's name.
        kernel: &'static str,
        /// The kernels that it can run.
        found: String,
    },

    /// A model or data file is missing or not what it should be.
    #[error("{}: {problem}", .path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it, where, and what to do.
        problem: String,
    },

    /// An output cannot be written.
    #[error("cannot write {}: {source}", .path.display())]
    Output {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },

    /// Results differ from the oracle by more than the tolerance, or leave the precision's range.
    #[error("{0}")]
    CheckFailed(String),

    /// A result is slower or less accurate than an earlier one, by more than was allowed.
    #[error("{0}")]
    Regression(String),

    /// Something is larger than the adapter takes.
    #[error("{what} needs {needed} {unit}, more than the {limit} that {adapter} takes{hint}")]
    TooLarge {
        /// What does not fit.
        what: String,
        /// What is counted: bytes, workgroups.
        unit: &'static str,
        /// How many are needed.
        needed: u64,
        /// How many the adapter takes.
        limit: u64,
        /// The adapter's name.
        adapter: String,
        /// The way out (starts with punctuation).
        hint: String,
    },

    /// The device ran out of memory.
    #[error("{adapter} is out of memory ({during}); try a smaller --batch")]
    OutOfMemory {
        /// The adapter's name.
        adapter: String,
        /// What was being done.
        during: String,
    },

    /// The device did not answer in time.
    #[error(
        "{adapter} gave no answer for {waited:?} ({during}); try a smaller --batch, or another --adapter"
    )]
    NoAnswer {
        /// The adapter's name.
        adapter: String,
        /// What was being done.
        during: String,
        /// How long it was waited for.
        waited: std::time::Duration,
    },

    /// The device went away.
    #[error("{adapter} was lost ({during}): {reason}; try again, or another --adapter")]
    DeviceLost {
        /// The adapter's name.
        adapter: String,
        /// What was being done.
        during: String,
        /// The driver's reason.
        reason: String,
    },

    /// A defect of this program, or a driver that rejects what WebGPU allows.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    /// A problem with the file at `path`. The file may have had a say in it, so control characters are written
    /// out, and what is very long is cut.
    pub fn file(path: impl AsRef<Path>, problem: impl AsRef<str>) -> Self {
        Self::File {
            path: path.as_ref().to_owned(),
            problem: printable(problem.as_ref()),
        }
    }

    /// The process exit code that stands for this kind of error.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Internal(_) | Self::Output { .. } => 1,
            Self::Usage(_) => 2,
            Self::AdapterNotFound { .. }
            | Self::DeviceUnavailable { .. }
            | Self::KernelUnavailable { .. }
            | Self::NothingChecked { .. }
            | Self::MatrixUnitsUnavailable { .. }
            | Self::PrecisionUnavailable { .. } => 3,
            Self::CheckFailed(_) => 4,
            Self::Regression(_) => 5,
            Self::TooLarge { .. }
            | Self::OutOfMemory { .. }
            | Self::DeviceLost { .. }
            | Self::NoAnswer { .. } => 6,
            Self::File { .. } => 7,
        }
    }
}
