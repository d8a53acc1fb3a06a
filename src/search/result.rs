//! What a search found.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::space::LayerChoice;
use crate::mode::Mode;
use crate::quantize::QuantizedNetwork;

/// What an assignment was found to do.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Share of the images that are right.
    pub accuracy: f64,
    /// Images whose label is not f32's.
    pub label_changes: usize,
    /// Mean square error of the outputs against f32's.
    pub output_error: f64,
    /// Median time of a batch over f32's.
    pub relative_time: f64,
    /// Bytes of weights, scales and biases.
    pub parameter_bytes: u64,
}

impl Measured {
    /// Whether it can be so; a file may hold anything.
    pub(super) fn is_possible(&self) -> bool {
        (0.0..=1.0).contains(&self.accuracy)
            && (0.0..=f64::MAX).contains(&self.output_error)
            && (0.0..=f64::MAX).contains(&self.relative_time)
    }
}

/// An assignment that was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// The assignment.
    pub mode: Mode,
    /// What it does.
    pub measured: Measured,
}

/// How sensitive a layer is to a choice.
#[derive(Clone, Debug, PartialEq)]
pub struct Sensitivity {
    /// Index of the layer.
    pub layer: usize,
    /// The choice.
    pub choice: LayerChoice,
    /// This layer in it, the others in f32.
    pub only_this: Measured,
    /// All layers but this one in it; none where there is no other.
    pub all_others: Option<Measured>,
}

/// One of those that were compared at the end.
#[derive(Clone, Debug, PartialEq)]
pub struct Finalist {
    /// The assignment.
    pub trial: Trial,
    /// Its median time for a batch in the last comparison.
    pub time: Duration,
}

/// What a search found.
#[derive(Clone, Debug)]
pub struct SearchResult {
    /// f32.
    pub f32: Trial,
    /// Of every layer and choice.
    pub sensitivities: Vec<Sensitivity>,
    /// Every assignment that was measured, uniform ones first.
    pub trials: Vec<Trial>,
    /// Those of the last comparison, the best first.
    pub finalists: Vec<Finalist>,
    /// The best, in the numbers that it runs in.
    pub best: QuantizedNetwork,
}

impl SearchResult {
    /// The accuracy that an assignment loses against f32.
    #[must_use]
    pub fn drop_of(&self, measured: &Measured) -> f64 {
        self.f32.measured.accuracy - measured.accuracy
    }
}
