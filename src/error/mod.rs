//! Everything that can go wrong, as types, and the exit code of each kind in one table.
//!
//! A message is one or two lines: what happened, where (file, layer, offset), and what to do. The variants hold the
//! facts, and their `Display` is the sentence. This module uses no other part of the engine, so that all of them can
//! use it.
//!
//! There is no `From<UsageError>` for [`Error`], nor for the others that it holds: with more than one conversion,
//! `?` in a closure or an async block would need its error type written out.

mod check;
#[doc(hidden)]
pub mod examples;
mod file;
mod internal;
mod usage;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use check::CheckError;
pub use file::FileError;
pub use internal::InternalError;
pub use usage::UsageError;

/// The library's result type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong in the engine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A request that cannot be met: an unknown name, options that contradict each other.
    #[error("{0}")]
    Usage(UsageError),

    /// The requested adapter does not exist.
    #[error("no adapter matches '{selector}'; use one of these: {found}.{hint}")]
    AdapterNotFound {
        /// What was requested.
        selector: String,
        /// The adapters that exist, in words.
        found: String,
        /// How to get another one, where that is known (starts with a space).
        hint: String,
    },

    /// The adapter exists, but its driver refuses to open it.
    #[error("cannot open {adapter}: {reason}; update its driver, or use another --adapter")]
    DeviceUnavailable {
        /// The adapter's name.
        adapter: String,
        /// The driver's reason.
        reason: String,
    },

    /// Matrix units were requested, and none can be used.
    #[error(
        "{adapter} cannot run f16 on matrix units: {reason}; drop --matrix-units on, or the --kernel that needs them"
    )]
    MatrixUnitsUnavailable {
        /// The adapter's name.
        adapter: String,
        /// What is missing, or what went wrong.
        reason: String,
    },

    /// The adapter cannot run this precision, and fallback is not allowed.
    #[error("{adapter} cannot run {precision}: {reason}; drop --no-fallback to run it on the CPU")]
    PrecisionUnavailable {
        /// The adapter's name.
        adapter: String,
        /// The name of the requested precision.
        precision: &'static str,
        /// What is missing.
        reason: String,
    },

    /// `verify` could run none of the requested checks.
    #[error(
        "nothing was checked: {skipped} checks were skipped ({reason}); drop --only and --max-time, or use another --adapter"
    )]
    NothingChecked {
        /// How many checks were skipped.
        skipped: usize,
        /// Why most of them were.
        reason: String,
    },

    /// The processor lacks the instructions of the requested kernel.
    #[error("this processor cannot run the kernel {kernel}; use one of these: {found}")]
    KernelUnavailable {
        /// The kernel's name.
        kernel: &'static str,
        /// The kernels that it can run.
        found: String,
    },

    /// A model or data file is missing or damaged.
    #[error("{}: {problem}", .path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it, where, and what to do.
        problem: FileError,
    },

    /// An output cannot be written.
    #[error(
        "cannot write {}: {source}; check that its folder exists, is writable and has free space",
        .path.display()
    )]
    Output {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },

    /// A result is wrong, leaves the precision's range, or misses a limit.
    #[error("{0}")]
    CheckFailed(CheckError),

    /// A result is slower or less accurate than an earlier one, by more than was allowed.
    #[error(
        "this result is worse than {baseline}: {}; run it again to rule out noise, or accept the change with --save",
        .rows.join("; ")
    )]
    Regression {
        /// The earlier result.
        baseline: String,
        /// Each row that is worse, and how.
        rows: Vec<String>,
    },

    /// Something is larger than the adapter takes.
    #[error(
        "{what} needs {needed} {unit}, but {adapter} allows at most {limit}; use --adapter cpu"
    )]
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
    },

    /// The device ran out of memory.
    #[error("{adapter} ran out of memory ({during}); use a smaller --batch")]
    OutOfMemory {
        /// The adapter's name.
        adapter: String,
        /// What was being done.
        during: String,
    },

    /// This machine does not give the memory that is needed.
    #[error(
        "not enough memory for {what}: {} MiB must be free; use a smaller --batch or network, close other programs, \
         or raise the limit (ulimit -v)",
        .needed.div_ceil(1 << 20)
    )]
    HostMemory {
        /// What needs it.
        what: String,
        /// Bytes, with what the program needs beside it.
        needed: u64,
    },

    /// This machine does not start the threads that are needed.
    #[error(
        "cannot start the {needed} threads that {what} needs: {reason}; raise the limit on processes (ulimit -u, or \
         that of the container), or use --adapter cpu"
    )]
    HostThreads {
        /// What needs them.
        what: String,
        /// How many.
        needed: usize,
        /// The system's reason.
        reason: String,
    },

    /// The device did not answer in time.
    #[error(
        "{adapter} did not respond for {waited:?} ({during}); try a smaller --batch, or another --adapter"
    )]
    NoAnswer {
        /// The adapter's name.
        adapter: String,
        /// What was being done.
        during: String,
        /// How long the engine waited.
        waited: Duration,
    },

    /// The device went away.
    #[error("{adapter} was lost ({during}): {reason}; try again, or use another --adapter")]
    DeviceLost {
        /// The adapter's name.
        adapter: String,
        /// What was being done.
        during: String,
        /// The driver's reason.
        reason: String,
    },

    /// The driver rejects a kernel that WebGPU allows. Another kernel may still run.
    #[error(
        "{adapter} rejected the kernel {kernel} while compiling it: {reason}; use --adapter cpu, and report this error"
    )]
    KernelRejected {
        /// The kernel's name.
        kernel: String,
        /// The adapter's name.
        adapter: String,
        /// The driver's reason.
        reason: String,
    },

    /// The driver rejects a command that WebGPU allows. Another kernel may still run.
    #[error(
        "{adapter} rejected a command ({during}): {reason}; use --adapter cpu, and report this error"
    )]
    CommandRejected {
        /// What was being done.
        during: String,
        /// The adapter's name.
        adapter: String,
        /// The driver's reason.
        reason: String,
    },

    /// A defect of this program.
    #[error("internal error: {0}; report it with the command that you ran")]
    Internal(InternalError),

    /// Several failures at the end of one run. The first decides the exit code.
    #[error("{}", together(.first, .others, .note.as_deref()))]
    Several {
        /// The first.
        first: Box<Error>,
        /// The others.
        others: Vec<Error>,
        /// What else to know.
        note: Option<String>,
    },
}

impl Error {
    /// A problem with the file at `path`.
    pub fn file(path: impl AsRef<Path>, problem: FileError) -> Self {
        Self::File {
            path: path.as_ref().to_owned(),
            problem,
        }
    }

    /// A name that is none of `allowed`; `what` is what it should name.
    pub fn unknown_name<N: Into<String>>(
        what: &'static str,
        given: &str,
        allowed: impl IntoIterator<Item = N>,
    ) -> Self {
        Self::Usage(UsageError::UnknownName {
            what,
            given: given.to_owned(),
            allowed: allowed.into_iter().map(Into::into).collect(),
            also: None,
        })
    }

    /// The same error; where it is of an unknown name, it says what else would be accepted.
    #[must_use]
    pub fn also_accepted(mut self, more: impl Into<String>) -> Self {
        if let Self::Usage(UsageError::UnknownName { also, .. }) = &mut self {
            *also = Some(more.into());
        }
        self
    }

    /// A format that a command does not have.
    #[must_use]
    pub fn no_output(command: &'static str, format: &'static str, allowed: &'static str) -> Self {
        Self::Usage(UsageError::FormatUnavailable {
            command,
            format,
            allowed,
        })
    }

    /// A value that a library cannot write in this format, which happens to no value of ours.
    pub fn encoding(format: &'static str, problem: impl ToString) -> Self {
        Self::Internal(InternalError::Encoding {
            format,
            problem: problem.to_string(),
        })
    }

    /// Something is missing that is always there.
    pub fn missing(what: impl Into<String>) -> Self {
        Self::Internal(InternalError::Missing { what: what.into() })
    }

    /// The same error; where the driver rejected a command, it was the compilation of this kernel.
    pub(crate) fn of_kernel(self, name: &str) -> Self {
        match self {
            Self::CommandRejected {
                adapter, reason, ..
            } => Self::KernelRejected {
                kernel: name.to_owned(),
                adapter,
                reason,
            },
            other => other,
        }
    }

    /// Whether the driver rejected this kernel, so that another kernel may still run.
    #[must_use]
    pub fn is_rejection(&self) -> bool {
        matches!(
            self,
            Self::KernelRejected { .. } | Self::CommandRejected { .. }
        )
    }

    /// Whether the error is of one network in one batch size, so that others may still run: wrong answers, a kernel that
    /// the driver rejects, or a lack of memory.
    #[must_use]
    pub fn is_of_one_network(&self) -> bool {
        let check = matches!(
            self,
            Self::CheckFailed(CheckError::DiffersFromReference { .. } | CheckError::NotRepeatable)
        );
        let memory = matches!(
            self,
            Self::TooLarge { .. } | Self::OutOfMemory { .. } | Self::HostMemory { .. }
        );
        check || memory || self.is_rejection()
    }

    /// The process exit code of this kind of error.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Internal(_)
            | Self::KernelRejected { .. }
            | Self::CommandRejected { .. }
            | Self::Output { .. } => 1,
            Self::Usage(_) => 2,
            Self::AdapterNotFound { .. }
            | Self::DeviceUnavailable { .. }
            | Self::KernelUnavailable { .. }
            | Self::NothingChecked { .. }
            | Self::MatrixUnitsUnavailable { .. }
            | Self::PrecisionUnavailable { .. } => 3,
            Self::CheckFailed(_) => 4,
            Self::Regression { .. } => 5,
            Self::TooLarge { .. }
            | Self::OutOfMemory { .. }
            | Self::HostMemory { .. }
            | Self::HostThreads { .. }
            | Self::DeviceLost { .. }
            | Self::NoAnswer { .. } => 6,
            Self::File { .. } => 7,
            Self::Several { first, .. } => first.exit_code(),
        }
    }
}

/// The messages of several failures as one.
fn together(first: &Error, others: &[Error], note: Option<&str>) -> String {
    let mut text = first.to_string();
    for other in others {
        text += &format!("; and {other}");
    }
    if let Some(note) = note {
        text += &format!("; {note}");
    }
    text
}

#[cfg(test)]
mod tests;
