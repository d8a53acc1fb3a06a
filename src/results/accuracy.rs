//! Accuracy compared with f32, for the whole data set and for each class.

use serde::Serialize;

/// McNemar's test of a precision against f32: the images that only one of the two labels correctly.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Mcnemar {
    /// Images that only f32 labels correctly.
    pub f32_only: u64,
    /// Images that only this precision labels correctly.
    pub this_only: u64,
    /// The probability of a split at least as uneven if both are equally accurate, 0 to 1.
    pub p: f64,
}

/// How many more images of a class get a label than in f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ConfusionChange {
    /// The class.
    pub class: usize,
    /// The label.
    pub label: usize,
    /// How many more; fewer where it is negative, and never 0.
    pub more: i64,
}

/// The images of one class.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ClassAccuracy {
    /// How many there are.
    pub images: usize,
    /// How many of them are labelled correctly.
    pub correct: usize,
    /// The share that is labelled correctly; none for a class without images.
    pub accuracy: Option<f64>,
    /// How many more of them are labelled correctly than in f32; none where f32 has no labels.
    pub more_than_f32: Option<i64>,
}
