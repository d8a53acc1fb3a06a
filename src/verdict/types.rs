//! The requirements and the contents of a verdict.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;

use crate::error::Error;
use crate::results::Warning;

/// What the decision optimizes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Goal {
    /// The shortest end-to-end time of the smallest batch.
    #[default]
    Latency,
    /// The most images a second, end to end, at the best batch.
    Throughput,
    /// The least memory at the smallest batch.
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

/// The user's requirements for the precision to deploy.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Request {
    /// What the decision optimizes.
    pub goal: Goal,
    /// How much faster than f32, or than a simpler precision, another must be to be recommended, as a share;
    /// [`DEFAULT_MIN_GAIN`] by default.
    pub min_gain: Option<f64>,
    /// How many percentage points of accuracy it may lose compared with f32; [`DEFAULT_ACCURACY_DROP`] by default.
    pub max_accuracy_drop: Option<f64>,
    /// The least accuracy, in percent.
    pub min_accuracy: Option<f64>,
    /// The most time that a batch may take, end to end.
    pub max_latency: Option<Duration>,
    /// The most bytes of all buffers, by plan.
    pub memory_limit: Option<u64>,
    /// Whether a limit on the accuracy holds although it is not known, since the images have no labels.
    pub unknown_accuracy: UnknownAccuracy,
    /// Whether the reference scheme of int8 may be recommended. An image's result depends on its batch there.
    pub reference_scheme: bool,
}

/// What becomes of a limit on an accuracy that is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownAccuracy {
    /// A limit that the user set is not met. The default one is not checked.
    #[default]
    MissesLimits,
    /// The default one is not met either: a gate must not pass what it could not check.
    MissesAllLimits,
    /// No limit on it is checked.
    Accepted,
}

/// The percentage points of accuracy that may be lost by default: about what MLPerf Inference requires of quantized
/// models, which keep 99% of the accuracy of f32.
pub const DEFAULT_ACCURACY_DROP: f64 = 1.0;

/// A precision is clearly faster than another if the interval of their ratio is above 1 by more than this. A smaller gain is no reason to change the precision, and may come from a buffer's place in memory.
pub const DEFAULT_MIN_GAIN: f64 = 0.05;

/// Which precision to deploy, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// What the decision optimizes.
    pub goal: Goal,
    /// The decision in one sentence: what to deploy, where, and how much faster it is.
    pub sentence: String,
    /// What it costs in accuracy and memory, how much slower other adapters are, and what to do about a measurement in
    /// doubt.
    pub details: Vec<String>,
    /// A sentence for each other candidate, and why the recommended one is not faster.
    pub reasons: Vec<String>,
    /// The row to deploy; none where no row meets every limit, or nothing was measured. Where it is undecided, the
    /// simpler of the two.
    pub recommended: Option<RowReference>,
    /// What it is undecided from, where the samples do not settle it.
    pub undecided: Option<Undecided>,
    /// The fastest other row that is eligible, or the one that it is undecided from.
    pub runner_up: Option<RowReference>,
    /// Every limit, and whether the recommended row meets it; where there is none, the row that comes
    /// nearest.
    pub limits: Vec<LimitCheck>,
    /// The eligible rows, the best first, then the excluded ones.
    pub candidates: Vec<Candidate>,
    /// The decision for the same goal at each measured batch size, the smallest first.
    pub batches: Vec<AtBatch>,
    /// Warnings about the measurement as a whole.
    pub warnings: Vec<Warning>,
}

impl Verdict {
    /// The verdict of a measurement without rows.
    #[must_use]
    pub fn unmeasured(goal: Goal) -> Self {
        Self {
            goal,
            sentence: "Nothing was measured, so nothing is recommended.".to_owned(),
            details: Vec::new(),
            reasons: Vec::new(),
            recommended: None,
            undecided: None,
            runner_up: None,
            limits: Vec::new(),
            candidates: Vec::new(),
            batches: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

/// A row of the results.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowReference {
    /// Its place in the results, from 0.
    pub row: usize,
    /// The name of its precision, with its scheme.
    pub name: String,
    /// Images in a batch.
    pub batch: usize,
    /// Which of the result's adapters it was to run on.
    pub adapter: usize,
}

/// That the samples do not settle which of two rows to deploy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Undecided {
    /// The row that may be faster by the least gain, or may not.
    pub other: RowReference,
    /// The share by which their times may differ, either way, at a confidence of 99%; none with too few samples.
    pub within: Option<f64>,
}

/// A row, and why it was excluded from the choice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// The row.
    #[serde(flatten)]
    pub choice: RowReference,
    /// Why it was excluded; none where it was eligible.
    pub excluded: Option<String>,
}

/// A limit and what was measured against it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LimitCheck {
    /// What is limited.
    pub name: LimitName,
    /// What is counted: `points`, `percent`, `ns` or `bytes`.
    pub unit: &'static str,
    /// Whether the user set it; false for a default.
    pub set_by_user: bool,
    /// The most that is allowed; of an accuracy the least.
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
    /// The accuracy lost compared with f32, in percentage points.
    AccuracyDrop,
    /// The accuracy, in percent.
    Accuracy,
    /// The end-to-end time of a batch, in nanoseconds.
    Latency,
    /// All buffers by plan, in bytes; of a row that did not run, parameters and activations by the textbook formula.
    Memory,
}

/// The same goal at one batch size.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AtBatch {
    /// Images in a batch.
    pub batch: usize,
    /// The row to deploy there, if any.
    pub recommended: Option<RowReference>,
    /// What it is undecided from.
    pub undecided: Option<Undecided>,
    /// The decision in one sentence.
    pub sentence: String,
}
