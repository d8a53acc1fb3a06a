//! What a network needs in memory by the textbook, by mode: parameters and activations.
//!
//! In f32, f16 and int8: parameters are count × bytes a value, activations (sum of the layer
//! widths, input included) × batch × bytes a value. In the other modes: each layer's weights, scales and
//! biases as devices hold them, and each layer's input in the form that it takes, with the outputs in
//! f32. What a device needs is in [`crate::engine::Session::planned_bytes`].

use serde::Serialize;

use crate::{Mode, Precision, Scheme, WeightScales};

/// Bytes that a network needs in one mode and batch size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Footprint {
    /// Weights and biases, with their scales.
    pub parameters_bytes: u64,
    /// The input and every layer's output, for one batch.
    pub activations_bytes: u64,
    /// Both.
    pub total_bytes: u64,
}

/// The footprint of a network of these `widths` (input first, for example `[784, 64, 10]`), for one
/// that is in memory, as is its batch. OutOfRange 64 bits, where nothing is, every figure is the largest.
#[must_use]
pub fn footprint(widths: &[usize], mode: impl Into<Mode>, batch: usize) -> Footprint {
    checked_footprint(widths, mode, batch).unwrap_or(Footprint {
        parameters_bytes: u64::MAX,
        activations_bytes: u64::MAX,
        total_bytes: u64::MAX,
    })
}

/// As [`footprint`], for a network that is only spoken of; none where 64 bits do not hold it.
#[must_use]
pub fn checked_footprint(
    widths: &[usize],
    mode: impl Into<Mode>,
    batch: usize,
) -> Option<Footprint> {
    let (parameters_bytes, of_image) = needs(widths, &mode.into())?;
    let activations_bytes = of_image.checked_mul(batch as u64)?;
    Some(Footprint {
        parameters_bytes,
        activations_bytes,
        total_bytes: parameters_bytes.checked_add(activations_bytes)?,
    })
}

/// Bytes of the parameters, and of one image's activations; none where 64 bits do not hold them.
fn needs(widths: &[usize], mode: &Mode) -> Option<(u64, u64)> {
    if by_formula(mode) {
        let bytes = mode.precision.bytes();
        let sum = |sum: u64, &width: &usize| sum.checked_add(width as u64);
        let values = widths.iter().try_fold(0, sum)?;
        return Some((
            parameters(widths)?.checked_mul(bytes)?,
            values.checked_mul(bytes)?,
        ));
    }
    let (mut parameters, mut activations) = (0_u64, 0_u64);
    for (index, pair) in widths.windows(2).enumerate() {
        let (weights, input) = layer_needs(pair[0] as u64, pair[1] as u64, mode, index)?;
        parameters = parameters.checked_add(weights)?;
        activations = activations.checked_add(input)?;
    }
    let outputs = widths
        .last()
        .map_or(Some(0), |&out| (out as u64).checked_mul(4))?;
    Some((parameters, activations.checked_add(outputs)?))
}

/// Whether the textbook's formula holds: one number of bytes for every value, and no scales that count.
fn by_formula(mode: &Mode) -> bool {
    matches!(
        mode.precision,
        Precision::F32 | Precision::F16 | Precision::Int8
    )
}

/// Bytes of a layer's weights, scales and biases, and of its input.
fn layer_needs(inputs: u64, outputs: u64, mode: &Mode, index: usize) -> Option<(u64, u64)> {
    let precision = mode.layer(index);
    let bits = inputs
        .checked_mul(outputs)?
        .checked_mul(u64::from(precision.weight_bits()))?;
    let weights = bits.div_ceil(8);
    let scales = match (precision.group(), precision) {
        (Some(group), _) => {
            let groups = inputs.div_ceil(group as u64);
            groups.checked_mul(outputs)?.checked_mul(2)?
        }
        (None, Precision::Int8) => match mode.weights {
            Some(WeightScales::Tensor) => 4,
            _ => outputs.checked_mul(4)?,
        },
        (None, _) => 0,
    };
    let input = match (precision, mode.scheme) {
        // A row of quantized values has a scale of its own, where it is no row of pixels.
        (Precision::Int8, Some(Scheme::DynamicRow)) if index > 0 => inputs.checked_add(4)?,
        (precision, _) => inputs.checked_mul(precision.bytes())?,
    };
    let bias = outputs.checked_mul(precision.float().bytes())?;
    Some((weights.checked_add(scales)?.checked_add(bias)?, input))
}

/// Weights and biases of a network of these widths; none where 64 bits do not count them.
#[must_use]
pub fn parameters(widths: &[usize]) -> Option<u64> {
    widths.windows(2).try_fold(0_u64, |sum, pair| {
        let weights_and_bias = (pair[0] as u64).checked_add(1)?;
        sum.checked_add(weights_and_bias.checked_mul(pair[1] as u64)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Activation, Layer, Network};
    use crate::quantize::{Ranges, lower};

    #[test]
    fn the_default_network_has_the_published_figures() {
        let widths = [784, 64, 10];
        assert_eq!(parameters(&widths), Some(50_890));
        let kib = |precision, batch| {
            let sizes = footprint(&widths, precision, batch);
            let round = |bytes: u64| (bytes as f64 / 1024.0 * 10.0).round() / 10.0;
            (
                round(sizes.parameters_bytes),
                round(sizes.activations_bytes),
            )
        };
        assert_eq!(kib(Precision::F32, 32), (198.8, 107.3));
        assert_eq!(kib(Precision::F16, 32), (99.4, 53.6));
        assert_eq!(kib(Precision::Int8, 32), (49.7, 26.8));
    }

    /// Every mode that a network of two layers can have.
    fn modes() -> Vec<Mode> {
        let mut modes = Mode::every();
        for scheme in [Scheme::DynamicRow, Scheme::Static] {
            modes.push(Mode::int8(scheme, WeightScales::Tensor));
            for weights in [WeightScales::Tensor, WeightScales::Channel] {
                let layers = vec![Precision::Bf16, Precision::Int8];
                modes.push(Mode::mixed(layers, scheme, weights).unwrap());
            }
        }
        modes
    }

    #[test]
    fn what_is_planned_is_what_a_model_in_that_mode_holds() {
        let layer = |inputs: usize, outputs: usize| Layer {
            inputs,
            outputs,
            weights: vec![0.5; inputs * outputs],
            bias: vec![0.25; outputs],
            activation: Activation::Relu,
        };
        let model = Network::new(vec![layer(67, 5), layer(5, 3)]).unwrap();
        let ranges = Ranges(vec![(0.0, 1.0); 2]);
        for mode in modes().iter().filter(|mode| !by_formula(mode)) {
            let quantized = lower(&model, mode, Some(&ranges)).unwrap();
            let planned = footprint(&[67, 5, 3], mode, 7);
            assert_eq!(
                planned.parameters_bytes,
                quantized.parameter_bytes(),
                "{mode}"
            );
            assert_eq!(
                planned.activations_bytes,
                7 * quantized.activation_bytes(),
                "{mode}"
            );
        }
    }

    #[test]
    fn what_64_bits_do_not_hold_has_no_figure() {
        let most = usize::MAX;
        for widths in [
            vec![most, 1],
            vec![784, most, 10],
            vec![most / 2, 1, most / 2],
        ] {
            for mode in modes() {
                assert_eq!(checked_footprint(&widths, &mode, 1), None, "{mode}");
            }
        }
        assert_eq!(parameters(&[most, 1]), None);
        assert_eq!(parameters(&[1, most]), None);
        let widths = [784, 64, 10];
        assert_eq!(checked_footprint(&widths, Precision::Int8, most), None);
        let small = checked_footprint(&widths, Precision::Int8, 1);
        assert_eq!(small, Some(footprint(&widths, Precision::Int8, 1)));
        // The parameters fit one by one, their bytes do not.
        let wide = [(1 << 32) - 1, 1 << 30];
        assert_eq!(parameters(&wide), Some(1 << 62));
        assert_eq!(checked_footprint(&wide, Precision::F32, 1), None);
        assert!(checked_footprint(&wide, Precision::Int8, 1).is_some());
    }
}
