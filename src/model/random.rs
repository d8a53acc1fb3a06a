//! Networks of random weights, for training and for measuring a shape of which no model exists.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use super::activation::Activation;
use super::network::{Layer, Network};
use crate::dataset::hex;
use crate::error::{Error, Result, UsageError};
use crate::host;
use crate::units::widths as written;

/// The most parameters of a network that this program makes: 1 GiB in f32.
pub const MOST_PARAMETERS: u64 = 1 << 28;

impl Network {
    /// A network of these widths, the input's first, with random weights and zero biases. The same seed gives the
    /// same weights everywhere.
    ///
    /// # Errors
    /// `Error::Usage` where it would have more than [`MOST_PARAMETERS`] parameters, where there is not one activation
    /// for each layer, or softmax is not the last one; `Error::File` where it has no layer, or a width is 0.
    pub fn random(widths: &[usize], activations: &[Activation], seed: u64) -> Result<Self> {
        check_parameters(widths, "--layers")?;
        let layers = widths.len().saturating_sub(1);
        if activations.len() != layers {
            return Err(Error::Usage(UsageError::ActivationsMismatch {
                layers,
                given: activations.len(),
            }));
        }
        let hidden = &activations[..layers.saturating_sub(1)];
        if let Some(at) = hidden.iter().position(|&one| one == Activation::Softmax) {
            return Err(Error::Usage(UsageError::InvalidValue {
                what: format!("the activation of layer {at}"),
                given: Activation::Softmax.name().to_owned(),
                expected: "relu, sigmoid, tanh or identity; softmax is for the last layer"
                    .to_owned(),
            }));
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut model = Self::new(random_layers(widths, activations, &mut rng))?;
        model.path = format!("random weights, seed {seed}").into();
        let mut hash = Sha256::new();
        for layer in &model.layers {
            hash.update(layer.activation.name());
            layer
                .weights
                .iter()
                .for_each(|value| hash.update(value.to_le_bytes()));
        }
        model.sha256 = hex(&hash.finalize());
        Ok(model)
    }
}

/// Layers of these widths, the input's first, with zero biases, and weights that are uniform within ±√(6 / in).
///
/// That keeps the variance through a relu layer (He and others 2015, equation 10: variance 2 / in) and has no outliers
/// that an int8 scale would pay for.
pub(crate) fn random_layers(
    widths: &[usize],
    activations: &[Activation],
    rng: &mut ChaCha8Rng,
) -> Vec<Layer> {
    let layer = |(pair, &activation): (&[usize], &Activation)| {
        let (inputs, outputs) = (pair[0], pair[1]);
        let limit = (6.0 / inputs as f64).sqrt() as f32;
        let draw = |_| rng.random_range(-limit..=limit);
        Layer {
            inputs,
            outputs,
            weights: (0..inputs * outputs).map(draw).collect(),
            bias: vec![0.0; outputs],
            activation,
        }
    };
    widths.windows(2).zip(activations).map(layer).collect()
}

/// The usual activations of a classifier of so many layers: relu, and softmax on the last.
#[must_use]
pub fn classifier_activations(layers: usize) -> Vec<Activation> {
    let mut activations = vec![Activation::Relu; layers];
    if let Some(last) = activations.last_mut() {
        *last = Activation::Softmax;
    }
    activations
}

/// Refuses a network too large to be made, whose widths `option` sets.
pub(crate) fn check_parameters(widths: &[usize], option: &'static str) -> Result<()> {
    let layer = |pair: &[usize]| {
        let [inputs, outputs] = [pair[0] as u64, pair[1] as u64];
        inputs.checked_add(1)?.checked_mul(outputs)
    };
    let mut layers = widths.windows(2).map(layer);
    let sum = layers.try_fold(0_u64, |sum, layer| sum.checked_add(layer?));
    match sum {
        Some(parameters) if parameters <= MOST_PARAMETERS => {
            let network = format!("the network {}", written(widths));
            host::need(&network, parameters * size_of::<f32>() as u64)
        }
        _ => Err(Error::Usage(UsageError::TooManyParameters {
            layers: written(widths),
            limit: MOST_PARAMETERS,
            option,
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_have_the_variance_of_the_formula() {
        let model = Network::random(&[600, 100, 10], &classifier_activations(2), 1).unwrap();
        let weights = &model.layers[0].weights;
        let squares: f64 = weights.iter().map(|&w| f64::from(w) * f64::from(w)).sum();
        let variance = squares / weights.len() as f64;
        assert!((variance * 300.0 - 1.0).abs() <= 0.02, "{variance}");
        let activations = model.layers.iter().map(|layer| layer.activation);
        assert!(activations.eq([Activation::Relu, Activation::Softmax]));
        let mut biases = model.layers.iter().flat_map(|layer| &layer.bias);
        assert!(biases.all(|&bias| bias == 0.0));
    }

    #[test]
    fn the_seed_and_the_activations_decide_the_hash() {
        let of = |activations: &[Activation], seed| {
            Network::random(&[5, 4, 3], activations, seed).unwrap()
        };
        let usual = classifier_activations(2);
        assert_eq!(of(&usual, 1), of(&usual, 1));
        assert_ne!(of(&usual, 1).sha256, of(&usual, 2).sha256);
        let other = [Activation::Tanh, Activation::Softmax];
        assert_ne!(of(&usual, 1).sha256, of(&other, 1).sha256);
    }

    #[test]
    fn what_cannot_be_made_is_refused() {
        let refused = |widths: &[usize], activations: &[Activation]| {
            Network::random(widths, activations, 0).unwrap_err()
        };
        for widths in [
            [1 << 20, 1 << 20, 2],
            [usize::MAX, 2, 2],
            [2, usize::MAX, usize::MAX],
        ] {
            let error = refused(&widths, &classifier_activations(2));
            assert!(
                matches!(error, Error::Usage(UsageError::TooManyParameters { .. })),
                "{error}"
            );
        }
        let error = refused(&[3, 2], &classifier_activations(2));
        assert!(matches!(
            error,
            Error::Usage(UsageError::ActivationsMismatch {
                layers: 1,
                given: 2
            })
        ));
        let softmax_first = [Activation::Softmax, Activation::Relu];
        assert_eq!(refused(&[3, 2, 2], &softmax_first).exit_code(), 2);
        assert_eq!(refused(&[3], &[]).exit_code(), 7);
        assert_eq!(refused(&[0, 2], &classifier_activations(1)).exit_code(), 7);
    }
}
