//! How large a model's values can get.

use super::{Activation, Layer, Model};

/// The largest binary16 number.
const F16_MAX: f64 = 65_504.0;

/// f32's largest number, less what the roundings of codes may add to a value.
const F32_MAX: f64 = 3.3e38;

/// What the roundings of inputs, weights and sums may add to a value.
const ROUNDING: f64 = 1.02;

impl Model {
    /// Whether the input, a weight, a bias or a layer's output can leave binary16's range, by a bound over
    /// all images: |z| ≤ max|x| · Σ|w| + |b| for each output. False is certain; true only possible.
    #[must_use]
    pub fn may_leave_f16(&self) -> bool {
        self.may_leave(F16_MAX)
    }

    /// The same of f32's range, with the roundings on the way.
    #[must_use]
    pub fn may_leave_f32(&self) -> bool {
        self.may_leave(F32_MAX)
    }

    fn may_leave(&self, most: f64) -> bool {
        let inputs = (0..=255).map(|pixel| self.normalization.value(pixel).abs());
        let mut largest = inputs.fold(0.0, f64::max);
        let fits = largest <= most;
        if !fits {
            return true;
        }
        for layer in &self.layers {
            let bound = bound(layer, largest);
            let parameters = layer.weights.iter().chain(&layer.bias);
            let parameter =
                parameters.fold(0.0, |max: f64, &value| f64::from(value.abs()).max(max));
            let fits = bound.max(parameter) <= most;
            if !fits {
                return true;
            }
            largest = match layer.activation {
                Activation::Relu | Activation::Identity => bound,
                Activation::Sigmoid | Activation::Tanh | Activation::Softmax => 1.0,
            };
        }
        false
    }
}

/// The largest magnitude of a layer's sums where no input's exceeds `largest`.
fn bound(layer: &Layer, largest: f64) -> f64 {
    let mut sums = vec![0.0; layer.outputs];
    for row in layer.weights.chunks_exact(layer.outputs) {
        for (sum, &weight) in sums.iter_mut().zip(row) {
            *sum += f64::from(weight.abs());
        }
    }
    let biased = sums
        .iter()
        .zip(&layer.bias)
        .map(|(sum, &bias)| ROUNDING * (largest * sum + f64::from(bias.abs())));
    biased.fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Normalization;

    #[test]
    fn the_bound_is_that_of_the_worst_image() {
        let model = |weight: f32, bias: f32| {
            Model::new(vec![Layer {
                inputs: 2,
                outputs: 1,
                weights: vec![weight, -weight],
                bias: vec![bias],
                activation: Activation::Identity,
            }])
            .unwrap()
        };
        // 2% are left for roundings.
        assert!(!model(31_000.0, 2_000.0).may_leave_f16());
        assert!(model(31_000.0, 2_500.0).may_leave_f16());
        assert!(!Model::default_model().unwrap().may_leave_f16());
    }

    #[test]
    fn an_input_beyond_the_range_counts_however_small_the_weights() {
        let model = |std: f32| {
            let layer = Layer {
                inputs: 1,
                outputs: 1,
                weights: vec![1e-7],
                bias: vec![0.0],
                activation: Activation::Tanh,
            };
            let mut model = Model::new(vec![layer]).unwrap();
            model.normalization = Normalization::Standard { mean: 0.0, std };
            model
        };
        assert!(!model(1.6e-5).may_leave_f16());
        assert!(model(1.5e-5).may_leave_f16());
        assert!(!model(1e-6).may_leave_f32());
    }
}
