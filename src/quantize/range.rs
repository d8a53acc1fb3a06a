//! How large a quantized network's values can get.

use super::layer::QuantizedLayer;
use super::network::QuantizedNetwork;
use super::weights::INT4_LARGEST;
use crate::Precision;
use crate::model::Activation;

/// The largest binary16 number, and the largest of bfloat16, which is all but that of f32.
const F16_MAX: f64 = 65_504.0;
const BF16_MAX: f64 = 3.389_531_389_251_535_5e38;

/// What roundings may add to a value.
const ROUNDING: f64 = 1.02;

impl QuantizedNetwork {
    /// Whether a layer's values can leave the type that they are handed on in, by a bound over all images:
    /// |z| ≤ max|x| · Σ|w| + |b| for each output. False is certain; true only possible.
    #[must_use]
    pub fn may_overflow(&self) -> bool {
        if self.out_of_range.is_some() {
            return true;
        }
        let pixels = (0..=255).map(|pixel| self.normalization.value(pixel).abs());
        let mut largest = pixels.fold(0.0, f64::max);
        let mut most = BF16_MAX;
        for layer in &self.layers {
            most = match layer.precision() {
                Precision::F16 => F16_MAX,
                _ => BF16_MAX,
            };
            if exceeds(largest, most) {
                return true;
            }
            let sums = layer.sums_of_magnitudes();
            let biased = sums.iter().zip(&layer.bias);
            let biased =
                biased.map(|(sum, &bias)| ROUNDING * largest * sum + f64::from(bias.abs()));
            let bound = biased.fold(0.0, f64::max);
            // Kernels multiply int4 sums of quantized values by the scale of their group afterwards.
            let unscaled = match layer.precision() {
                Precision::Int4 => {
                    ROUNDING * largest * layer.inputs as f64 * f64::from(INT4_LARGEST)
                }
                _ => 0.0,
            };
            // Sums are of f32, whatever an activation makes of them.
            if exceeds(bound.max(unscaled), f64::from(f32::MAX)) {
                return true;
            }
            let (low, high) = layer.activation.range();
            let reach = low.abs().max(high.abs());
            // In front of a softmax it is the pre-activation that is rounded.
            let softmax = layer.activation == Activation::Softmax;
            largest = if softmax || reach.is_infinite() {
                bound
            } else {
                reach
            };
        }
        exceeds(largest, most)
    }
}

/// Whether a magnitude, or a bound that is none, is larger than what is allowed.
fn exceeds(largest: f64, most: f64) -> bool {
    !matches!(largest.partial_cmp(&most), Some(order) if order.is_le())
}

impl QuantizedLayer {
    /// Σ|w| of each output.
    fn sums_of_magnitudes(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.outputs];
        for row in self.weight_values().chunks_exact(self.outputs.max(1)) {
            for (sum, weight) in sums.iter_mut().zip(row) {
                *sum += f64::from(weight.abs());
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use crate::mode::Mode;
    use crate::model::{Activation, Layer, Network, Normalization};
    use crate::quantize::{Ranges, lower};
    use crate::{Precision, Scheme, WeightScales};

    /// Two layers of one value each.
    fn overflows(weights: [f32; 2], layers: [Precision; 2]) -> bool {
        let layer = |weight: f32| Layer {
            inputs: 1,
            outputs: 1,
            weights: vec![weight],
            bias: vec![0.0],
            activation: Activation::Relu,
        };
        let model = Network::new(weights.map(layer).to_vec()).unwrap();
        let mode = Mode::mixed(layers.to_vec(), Scheme::Static, WeightScales::Tensor).unwrap();
        let ranges = Ranges(vec![(0.0, 1.0); 2]);
        lower(&model, &mode, Some(&ranges)).unwrap().may_overflow()
    }

    #[test]
    fn a_value_overflows_only_the_type_that_it_is_handed_on_in() {
        use Precision::{Bf16, F16, F32, Int4, Int8};
        for first in [F32, F16, Bf16, Int8, Int4] {
            // 60,000 fits binary16 as it is; squared it does not, but nothing else is left.
            assert!(!overflows([60_000.0, 1.0], [first, F16]), "{first}");
            assert!(!overflows([60_000.0, 60_000.0], [first, F32]), "{first}");
        }
        for first in [F32, Bf16, Int8] {
            assert!(overflows([70_000.0, 1e-3], [first, F16]), "{first}");
            assert!(!overflows([70_000.0, 1e-3], [first, Bf16]), "{first}");
            assert!(overflows([60_000.0, 60_000.0], [first, F16]), "{first}");
        }
        assert!(overflows([3e38, 3e38], [F32, Bf16]));
    }

    #[test]
    fn the_default_model_overflows_nowhere() {
        let model = Network::default_model().unwrap();
        for mode in Precision::EVERY.map(Mode::from) {
            assert!(!lower(&model, &mode, None).unwrap().may_overflow());
        }
    }

    #[test]
    fn the_bound_is_that_of_the_worst_image() {
        let overflows = |weight: f32, bias: f32| {
            let model = Network::new(vec![Layer {
                inputs: 2,
                outputs: 1,
                weights: vec![weight, -weight],
                bias: vec![bias],
                activation: Activation::Identity,
            }])
            .unwrap();
            let mode = Precision::F16.into();
            lower(&model, &mode, None).unwrap().may_overflow()
        };
        // 2% are left for roundings.
        assert!(!overflows(31_000.0, 2_000.0));
        assert!(overflows(31_000.0, 2_500.0));
    }

    #[test]
    fn an_input_outside_the_range_counts_however_small_the_weights() {
        let overflows = |std: f32, precision: Precision| {
            let layer = Layer {
                inputs: 1,
                outputs: 1,
                weights: vec![1e-7],
                bias: vec![0.0],
                activation: Activation::Tanh,
            };
            let mut model = Network::new(vec![layer]).unwrap();
            model.normalization = Normalization::Standard { mean: 0.0, std };
            let mode = precision.into();
            lower(&model, &mode, None).unwrap().may_overflow()
        };
        // binary16 holds numbers below 65,520, which round to its largest, 65,504.
        assert!(overflows(1.5e-5, Precision::F16));
        assert!(!overflows(1.6e-5, Precision::F16));
        assert!(!overflows(1e-6, Precision::F32));
        assert!(!overflows(1e-6, Precision::Int8));
    }
}
