//! Results that are wrong, leave the range of their type, or miss a limit.

/// A check that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// Checks of `verify` failed.
    #[error(
        "{failed} of {made} checks failed, the first is {first}: {detail}; run verify with --only for that check, and report it"
    )]
    ChecksFailed {
        /// How many failed.
        failed: usize,
        /// How many were made.
        made: usize,
        /// The name of the first that failed.
        first: String,
        /// What was wrong with it.
        detail: String,
    },

    /// Rows of a benchmark failed; the others were measured.
    #[error("{failed} of {rows} rows FAILED; the first is {first}")]
    RowsFailed {
        /// How many failed.
        failed: usize,
        /// How many rows there are.
        rows: usize,
        /// Which one failed first, and why.
        first: String,
    },

    /// Outputs differ from the reference result by more than the tolerance.
    #[error(
        "its outputs differ from the reference result: {problem}; report it with the output of 'fmnist-gpu adapters'"
    )]
    DiffersFromReference {
        /// How they differ.
        problem: String,
    },

    /// The same batch gave different bits when it ran again.
    #[error(
        "it gave different results for the same batch, so its times cannot be trusted; update the driver, \
         or use another --adapter"
    )]
    NotRepeatable,

    /// A kernel or a microkernel computes something else than it should.
    #[error(
        "{what} computes a wrong result on {device}: {problem}; report it with the output of 'fmnist-gpu adapters'"
    )]
    WrongResult {
        /// Which kernel.
        what: String,
        /// The adapter, or the CPU.
        device: String,
        /// What is wrong with the result.
        problem: String,
    },

    /// The requested matrix units compute wrong results.
    #[error("the matrix units of {adapter} cannot be used: {reason}; drop --matrix-units on")]
    MatrixUnitsWrong {
        /// The adapter's name.
        adapter: String,
        /// What is wrong with them.
        reason: String,
    },

    /// A format cannot hold a model's parameters, or its values while it runs.
    #[error("{mode} is out of range: {problem}")]
    OutOfRange {
        /// The mode of the quantized model.
        mode: String,
        /// The layer, what of it, its value, the limit, and what to do.
        problem: String,
    },

    /// A quantized model answers all calibration images alike.
    #[error("{mode}: {problem}, or add --allow-degenerate to write the file all the same")]
    ConstantAnswer {
        /// The mode of the quantized model.
        mode: String,
        /// What is alike, and what to do.
        problem: String,
    },

    /// A loss or a weight became infinite or NaN.
    #[error(
        "training diverged in epoch {epoch}: the loss or a weight is not a finite number; \
         use a smaller learning rate than {learning_rate}"
    )]
    TrainingDiverged {
        /// The epoch, from 1.
        epoch: usize,
        /// The learning rate.
        learning_rate: f32,
    },

    /// No row of a benchmark keeps the limits that `--gate` enforces.
    #[error(
        "{}. {}; change the limits, or run without --gate",
        unmet(.limits),
        .verdict.trim_end_matches('.')
    )]
    LimitsNotMet {
        /// The options whose limits the row that comes closest misses, each with how it misses them.
        limits: Vec<String>,
        /// The verdict's sentence.
        verdict: String,
    },
}

fn unmet(limits: &[String]) -> String {
    match limits {
        [] => "the verdict recommends no precision".to_owned(),
        limits => format!("not met: {}", limits.join("; ")),
    }
}
