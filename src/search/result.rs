//! What a search found.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::space::LayerChoice;
use crate::mode::Mode;
use crate::quantize::QuantizedNetwork;
use crate::stats::{Estimate, Interval, paired_difference, wilson};

/// What an assignment was found to do.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Share of the images that are right.
    pub accuracy: f64,
    /// Images whose label is not f32's.
    pub label_changes: usize,
    /// Images of which only f32's label is right.
    pub only_f32: usize,
    /// Images of which only its own label is right.
    pub only_this: usize,
    /// Mean square error of the outputs against f32's.
    pub output_error: f64,
    /// Median time of a batch over f32's.
    pub relative_time: f64,
    /// Bytes of weights, scales and biases.
    pub parameter_bytes: u64,
}

impl Measured {
    /// The accuracy that it loses against f32 on so many images, as a share of them.
    #[must_use]
    pub fn loss(&self, images: usize) -> Estimate {
        paired_difference(self.only_f32 as u64, self.only_this as u64, images as u64)
    }

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
    /// The times of that comparison in nanoseconds, by block; before each block the networks were loaded anew.
    pub blocks: Vec<Vec<u64>>,
}

impl Finalist {
    /// A trial with its times in nanoseconds, by block.
    pub(super) fn new(trial: Trial, blocks: Vec<Vec<u64>>) -> Self {
        let mut all: Vec<u64> = blocks.concat();
        all.sort_unstable();
        let median = all.get(all.len() / 2).copied().unwrap_or_default();
        Self {
            trial,
            time: Duration::from_nanos(median),
            blocks,
        }
    }
}

/// An assignment beside f32 on the confirming images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Confirmation {
    /// How many images there are.
    pub images: u64,
    /// Labels that are right.
    pub correct: u64,
    /// Labels of f32 that are right.
    pub f32_correct: u64,
    /// Images of which only f32's label is right.
    pub only_f32: u64,
    /// Images of which only the assignment's label is right.
    pub only_this: u64,
    /// Images whose label is not f32's.
    pub label_changes: u64,
    /// Whether values leave the range of their type, so that its labels say nothing.
    pub out_of_range: bool,
}

impl Confirmation {
    /// The share of labels that are right.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        self.correct as f64 / self.images.max(1) as f64
    }

    /// The same of f32.
    #[must_use]
    pub fn f32_accuracy(&self) -> f64 {
        self.f32_correct as f64 / self.images.max(1) as f64
    }

    /// The interval of [`Confirmation::accuracy`]: Wilson's.
    #[must_use]
    pub fn interval(&self) -> Interval {
        wilson(self.correct, self.images)
    }

    /// The accuracy that it loses against f32, as a share of the images.
    #[must_use]
    pub fn loss(&self) -> Estimate {
        paired_difference(self.only_f32, self.only_this, self.images)
    }

    /// Whether it loses more than is allowed, by more than chance explains.
    #[must_use]
    pub fn contradicts(&self, max_drop: f64) -> bool {
        self.out_of_range || self.loss().low > max_drop
    }
}

/// A finalist beside the one that it would have to beat.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rival {
    /// Its place among the finalists.
    pub at: usize,
    /// How many times as fast or as small it is, with the interval at 95% confidence.
    pub gain: Estimate,
    /// Whether it gains enough.
    pub verdict: Gain,
}

/// Whether a gain is enough to be chosen for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gain {
    /// It is.
    Enough,
    /// It is not.
    TooLittle,
    /// The measurements do not decide it.
    Undecided,
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
    /// Those of the last comparison, the fastest or smallest first.
    pub finalists: Vec<Finalist>,
    /// The place among the finalists of the best one in the same precision in all layers.
    pub plain: usize,
    /// If that is f32: what seems best of the other plain ones, beside f32.
    pub instead_of_f32: Option<Rival>,
    /// The mix that is the result or seems best, beside `plain`.
    pub mixed: Option<Rival>,
    /// Assignments that seemed better and lose more than is allowed on the confirming images, by more than chance explains.
    pub rejected: Vec<(Mode, Confirmation)>,
    /// What the best does on the confirming images.
    pub confirmation: Confirmation,
    /// The place of the best among the finalists.
    pub best_at: usize,
    /// The best, in the numbers that it runs in.
    pub best: QuantizedNetwork,
}

impl SearchResult {
    /// The finalist that is the result.
    #[must_use]
    pub fn winner(&self) -> &Finalist {
        &self.finalists[self.best_at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_loss_beyond_chance_contradicts() {
        let confirmation = |only_f32, only_this| Confirmation {
            images: 2_500,
            correct: 2_200,
            f32_correct: 2_200,
            only_f32,
            only_this,
            label_changes: only_f32 + only_this,
            out_of_range: false,
        };
        // 8 of 2,500 images are 0.32 points, within chance of 0.1.
        assert!(!confirmation(12, 4).contradicts(0.001));
        assert!(confirmation(40, 4).contradicts(0.001));
        assert!(!confirmation(4, 40).contradicts(0.0));
        let out_of_range = Confirmation {
            out_of_range: true,
            ..confirmation(0, 0)
        };
        assert!(out_of_range.contradicts(1.0));
    }
}
