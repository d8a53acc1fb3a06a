//! From rows to a decision: which precision to deploy, and why.
//!
//! Every figure that a verdict speaks of stands in the rows that it points to.

mod decide;
mod doubts;
mod limits;
mod words;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;

use crate::bench::Warning;
use crate::error::{Error, Result};
pub use decide::decide;
pub use doubts::{Circumstances, doubts};

/// What the decision is to be good for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Goal {
    /// The shortest end-to-end time of the smallest batch.
    #[default]
    Latency,
    /// The most images a second, end to end, at the best batch.
    Throughput,
    /// The least planned memory at the smallest batch.
    Memory,
    /// The highest accuracy at the smallest batch, as far as it differs significantly.
    Accuracy,
}

impl Goal {
    /// Every goal.
    pub const ALL: [Self; 4] = [
        Self::Latency,
        Self::Throughput,
        Self::Memory,
        Self::Accuracy,
    ];

    /// The name in every output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::Throughput => "throughput",
            Self::Memory => "memory",
            Self::Accuracy => "accuracy",
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Goal {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|goal| goal.name() == text);
        found.ok_or_else(|| Error::unknown_name("goal", text, Self::ALL.map(Self::name)))
    }
}

/// What a user asks of the precision to deploy.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Request {
    /// What it is to be good for.
    pub goal: Goal,
    /// How many percentage points of accuracy it may lose against f32; [`DEFAULT_ACCURACY_DROP`] where the
    /// user does not say.
    pub max_accuracy_drop: Option<f64>,
    /// The most time that a batch may take, end to end.
    pub max_latency: Option<Duration>,
    /// The most bytes of planned memory.
    pub memory_limit: Option<u64>,
}

/// The percentage points of accuracy that may be lost where the user does not say: about what MLPerf
/// Inference asks of quantized models, which keep 99% of the accuracy of f32.
pub const DEFAULT_ACCURACY_DROP: f64 = 1.0;

/// A precision is called faster than another where the interval of their ratio says so, and the ratio itself
/// is at least this: less is no reason to change a precision, and may be the place of a buffer.
pub const CLEARLY_FASTER: f64 = 1.05;

/// Which precision to deploy, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// What it is to be good for.
    pub goal: Goal,
    /// The decision and its reasons in one sentence.
    pub sentence: String,
    /// A sentence for each other candidate, and for what else decided.
    pub reasons: Vec<String>,
    /// The row to deploy; none where no row meets every limit, or nothing was measured.
    pub recommended: Option<Choice>,
    /// Every limit, and whether the recommended row meets it; where there is none, the row that comes
    /// nearest.
    pub limits: Vec<LimitCheck>,
    /// The rows that were chosen from, the best first, then those that were excluded.
    pub candidates: Vec<Candidate>,
    /// What the same goal says at each batch size that was measured, the smallest first.
    pub batches: Vec<AtBatch>,
    /// What is to be doubted of the measurement as a whole.
    pub warnings: Vec<Warning>,
}

impl Verdict {
    /// The verdict of a measurement without rows.
    #[must_use]
    pub fn unmeasured(goal: Goal) -> Self {
        Self {
            goal,
            sentence: "Nothing was measured, so nothing is recommended.".to_owned(),
            reasons: Vec::new(),
            recommended: None,
            limits: Vec::new(),
            candidates: Vec::new(),
            batches: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

/// A row of the results.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// Its place in the results, from 0.
    pub row: usize,
    /// How its precision, with its scheme, is called.
    pub name: String,
    /// Images in a batch.
    pub batch: usize,
}

/// A row that was chosen from, or why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// The row.
    #[serde(flatten)]
    pub choice: Choice,
    /// Why it was not chosen from; none where it was.
    pub excluded: Option<String>,
}

/// A limit and what was measured against it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LimitCheck {
    /// What is limited.
    pub name: LimitName,
    /// What is counted: `points`, `ns` or `bytes`.
    pub unit: &'static str,
    /// Whether the user asked for it; false for a limit that holds by itself.
    pub asked: bool,
    /// The most that is allowed.
    pub limit: f64,
    /// What the row has; none where nothing was measured.
    pub measured: Option<f64>,
    /// Whether that is within the limit.
    pub met: bool,
}

/// What can be limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LimitName {
    /// How much lower the accuracy may be than that of f32, in percentage points.
    AccuracyDrop,
    /// The end-to-end time of a batch, in nanoseconds.
    Latency,
    /// Planned parameters and activations, in bytes.
    Memory,
}

/// The same goal at one batch size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AtBatch {
    /// Images in a batch.
    pub batch: usize,
    /// The row to deploy there, if any.
    pub recommended: Option<Choice>,
    /// The decision in one sentence.
    pub sentence: String,
}
