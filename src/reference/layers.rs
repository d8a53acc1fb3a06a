//! The outputs of every layer, which show where a precision loses accuracy.

use super::inference::Inference;
use super::network::infer_all_with;
use crate::quantize::QuantizedNetwork;

/// The outputs of each layer, `[images, out]` row-major, for all of `pixels` in batches of `batch` images: what the next
/// layer takes, before it rounds or quantizes it, and those of the last layer.
///
/// # Panics
/// As [`super::infer`] does.
#[must_use]
pub fn layer_outputs(model: &QuantizedNetwork, pixels: &[u8], batch: usize) -> Vec<Vec<f64>> {
    let keeps_layers = Inference {
        layers: Some(vec![Vec::new(); model.layers.len()]),
        ..Inference::default()
    };
    let inference = infer_all_with(model, pixels, batch, &keeps_layers);
    inference.layers.unwrap_or_default()
}

/// How far outputs are from those that they are compared with: the root of the summed squares of the differences, over
/// that of the values compared with. 0 where all are equal.
#[must_use]
pub fn relative_error(outputs: &[f64], compared_with: &[f64]) -> f64 {
    let squares = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum();
    let pairs = outputs.iter().zip(compared_with);
    let difference: f64 = squares(&mut pairs.map(|(own, other)| own - other));
    let size: f64 = squares(&mut compared_with.iter().copied());
    if difference == 0.0 {
        return 0.0;
    }
    (difference / size).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Activation, Layer, Network};
    use crate::quantize::lower;
    use crate::reference::infer;
    use crate::{Mode, Precision};

    #[test]
    fn an_error_is_relative_to_what_it_is_compared_with() {
        assert_eq!(relative_error(&[3.0, 4.0], &[3.0, 4.0]), 0.0);
        assert_eq!(relative_error(&[3.0, 9.0], &[3.0, 4.0]), 1.0);
        assert_eq!(relative_error(&[0.0, 0.0], &[0.0, 0.0]), 0.0);
        assert_eq!(relative_error(&[1.0], &[0.0]), f64::INFINITY);
    }

    #[test]
    fn every_layer_is_seen_in_every_mode_and_the_last_as_it_leaves() {
        let layer = |inputs: usize, outputs: usize, activation| Layer {
            inputs,
            outputs,
            weights: (0..inputs * outputs)
                .map(|at| (at as f32 * 0.7).sin())
                .collect(),
            bias: vec![0.1; outputs],
            activation,
        };
        let layers = vec![
            layer(6, 5, Activation::Relu),
            layer(5, 4, Activation::Softmax),
        ];
        let network = Network::new(layers).unwrap();
        let pixels: Vec<u8> = (0..6 * 40).map(|at| (at * 37 % 256) as u8).collect();
        let outputs = |mode: &Mode| {
            let model = match mode.scheme {
                // It would need a calibration.
                Some(crate::Scheme::Static) => return None,
                _ => lower(&network, mode, None).unwrap(),
            };
            let layers = layer_outputs(&model, &pixels, 8);
            assert_eq!(layers[1], infer(&model, &pixels, 8).outputs, "{mode}");
            Some(layers)
        };
        let f32 = outputs(&Precision::F32.into()).unwrap();
        assert_eq!((f32[0].len(), f32[1].len()), (200, 160));
        for mode in Mode::every() {
            let Some(layers) = outputs(&mode) else {
                continue;
            };
            for (own, f32) in layers.iter().zip(&f32) {
                let error = relative_error(own, f32);
                let exact = mode.precision == Precision::F32;
                assert!((error == 0.0) == exact && error < 0.3, "{mode}: {error}");
            }
        }
    }
}
