//! How to search.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::quantize::Recipe;
use crate::tune::Tuning;

/// What the result is to have little of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SearchGoal {
    /// Time for a batch.
    #[default]
    Latency,
    /// Bytes of parameters; of equals, time.
    Memory,
}

impl SearchGoal {
    /// The name in every output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::Memory => "memory",
        }
    }
}

impl fmt::Display for SearchGoal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for SearchGoal {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let named = [Self::Latency, Self::Memory];
        let named = named.into_iter().find(|goal| goal.name() == text);
        named.ok_or_else(|| Error::unknown_name("goal", text, ["latency", "memory"]))
    }
}

/// How to search.
#[derive(Clone, Debug)]
pub struct SearchOptions {
    /// The accuracy that may be lost against f32, as a share of all images.
    pub max_drop: f64,
    /// By how much a low precision must be better than f32, and a mix better than any plain precision, as a share.
    pub min_gain: f64,
    /// What is sought.
    pub goal: SearchGoal,
    /// Images of a batch whose time is taken.
    pub batch: usize,
    /// Mixed assignments that are tried at most.
    pub trials: usize,
    /// The time of each finalist in the last comparison.
    pub min_time: Duration,
    /// How the finalists' kernels are chosen; those of the trials are the adapter's defaults.
    pub tuning: Tuning,
    /// How layers are quantized.
    pub recipe: Recipe,
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self {
            max_drop: 0.001,
            min_gain: 0.05,
            goal: SearchGoal::default(),
            batch: 1_000,
            trials: 40,
            min_time: Duration::from_millis(500),
            tuning: Tuning::Quick,
            recipe: Recipe::default(),
        }
    }
}
