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
    /// The outputs of each layer, `[images, out]` row-major; none unless they are to be kept.
    pub layers: Option<Vec<Vec<f64>>>,
}

impl Inference {
    /// Notes the pre-activations of a softmax, `z: [images, cols]`.
    pub(super) fn note_logits(&mut self, activation: Activation, z: &[f64], cols: usize) {
        if activation == Activation::Softmax {
            let largest = |row: &[f64]| row.iter().fold(0.0, |max: f64, z| z.abs().max(max));
            self.logits.extend(z.chunks(cols).map(largest));
        }
    }

    /// Keeps the outputs of a layer, `[images, out]`, if they are to be kept.
    pub(super) fn note_layer(&mut self, layer: usize, outputs: &[f64]) {
        if let Some(layers) = &mut self.layers {
            layers[layer].extend(outputs);
        }
    }

    /// Of these images, and of those after them.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.outputs.extend(other.outputs);
        self.labels.extend(other.labels);
        self.logits.extend(other.logits);
        if let (Some(layers), Some(others)) = (&mut self.layers, other.layers) {
            let pairs = layers.iter_mut().zip(others);
            pairs.for_each(|(layer, other)| layer.extend(other));
        }
        self.overflow = match (self.overflow, other.overflow) {
            (Some(one), Some(other)) => Some(one.first(other)),
            (one, other) => one.or(other),
        };
        self
    }
}
