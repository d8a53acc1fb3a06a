//! What kernels and networks are tried on: random numbers, the same in every run.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::error::Result;
use crate::model::{Activation, Layer, Network};

/// A generator of the trial `name`, always the same.
#[must_use]
pub fn seeded(name: &str) -> ChaCha8Rng {
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    ChaCha8Rng::seed_from_u64(seed)
}

/// Values spread evenly over −1 to 1.
#[must_use]
pub fn random_values(rng: &mut ChaCha8Rng, count: usize) -> Vec<f32> {
    (0..count).map(|_| rng.random_range(-1.0..1.0)).collect()
}

/// Quantized values from −127 to 127.
#[must_use]
pub fn random_quantized(rng: &mut ChaCha8Rng, count: usize) -> Vec<i8> {
    (0..count).map(|_| rng.random_range(-127..=127)).collect()
}

/// Pixels of which half are zero, as in a picture.
#[must_use]
pub fn random_pixels(rng: &mut ChaCha8Rng, count: usize) -> Vec<u8> {
    (0..count)
        .map(|_| if rng.random() { rng.random() } else { 0 })
        .collect()
}

/// A network of these widths with random weights of a size that keeps its values near 1.
///
/// # Errors
/// Those of [`Network::new`], where the widths or the activations are none of a model.
pub fn random_model(
    rng: &mut ChaCha8Rng,
    widths: &[usize],
    activations: &[Activation],
) -> Result<Network> {
    let layers = widths
        .windows(2)
        .zip(activations)
        .map(|(pair, &activation)| {
            let (inputs, outputs) = (pair[0], pair[1]);
            let size = 2.0 / (inputs as f32).sqrt();
            let weights = random_values(rng, inputs * outputs);
            Layer {
                inputs,
                outputs,
                weights: weights.into_iter().map(|weight| weight * size).collect(),
                bias: random_values(rng, outputs),
                activation,
            }
        });
    Network::new(layers.collect())
}
