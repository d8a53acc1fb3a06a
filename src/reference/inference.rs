//! The reference result for some images.

use std::fmt;

use crate::Precision;
use crate::model::Activation;

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
    pub overflow: Option<Overflow>,
}

/// Values that leave the range of the type that they are rounded to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overflow {
    /// Index of the layer; none of the network's input.
    pub layer: Option<usize>,
    /// The largest magnitude before it was rounded.
    pub largest: f64,
    /// The precision whose type it is.
    pub precision: Precision,
}

impl fmt::Display for Overflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layer, largest, .. } = self;
        let range = self.precision.largest_number();
        match layer {
            Some(layer) => write!(f, "layers.{layer}")?,
            None => f.write_str("the normalized input")?,
        }
        write!(f, " reaches {largest:.6e}, more than {range}")
    }
}

impl Overflow {
    /// Of two, that of the earlier layer; of one layer, the larger.
    pub(super) fn first(self, other: Self) -> Self {
        if (other.layer, -other.largest) < (self.layer, -self.largest) {
            other
        } else {
            self
        }
    }
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
