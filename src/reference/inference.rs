//! The reference result for some images.

use crate::model::Activation;
use crate::quantize::OutOfRange;

/// What the reference says of some images.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inference {
    /// `[images, out]` row-major.
    pub outputs: Vec<f64>,
    /// `[images]`, the index of each image's first largest output.
    pub labels: Vec<usize>,
    /// `[images]`, the largest magnitude among what the last layer's softmax takes; 0 where it is no softmax.
    pub logits: Vec<f64>,
    /// The input, or the first layer, whose values leave their type's range.
    pub overflow: Option<OutOfRange>,
}

impl Inference {
    /// Notes the pre-activations of a softmax, `z: [images, cols]`.
    pub(super) fn note_logits(&mut self, activation: Activation, z: &[f64], cols: usize) {
        if activation == Activation::Softmax {
            let largest = |row: &[f64]| row.iter().fold(0.0, |max: f64, z| z.abs().max(max));
            self.logits.extend(z.chunks(cols).map(largest));
        }
    }

    /// Of these images, and of those after them.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.outputs.extend(other.outputs);
        self.labels.extend(other.labels);
        self.logits.extend(other.logits);
        self.overflow = match (self.overflow, other.overflow) {
            (Some(one), Some(other)) => Some(one.first(other)),
            (one, other) => one.or(other),
        };
        self
    }
}
