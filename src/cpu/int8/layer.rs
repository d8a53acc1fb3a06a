//! A layer of int8 `dynamic-tensor`.

use crate::cpu::aligned::Aligned;
use crate::cpu::integer::IntegerWeights;
use crate::cpu::simd::stride;
use crate::model::Activation;

/// A layer with its weights packed for the processor's vectors.
#[derive(Debug)]
pub(super) struct Int8Layer {
    pub weights: IntegerWeights,
    pub scale: f32,
    pub bias: Aligned<f32>,
    pub activation: Activation,
}

impl Int8Layer {
    /// Values of a row of its scaled sums.
    pub(super) fn width(&self) -> usize {
        self.weights.shape().padded_outputs()
    }

    /// Groups from one row of quantized values to the next.
    pub(super) fn stride(&self) -> usize {
        stride(self.weights.shape().groups())
    }
}
