//! What the benches of whole networks share.

use fmnist_gpu::model::{Activation, Graph, Layer, Network};
use rand::{RngExt, SeedableRng};

/// A network of 784-1024-1024-10 with random weights: its answers mean nothing, its time does not
/// depend on them.
pub fn wide(model: &Network) -> Network {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let mut layer = |inputs: usize, outputs: usize, activation| {
        let size = (2.0 / inputs as f32).sqrt();
        let mut values = |count: usize| -> Vec<f32> {
            (0..count).map(|_| rng.random_range(-size..size)).collect()
        };
        Layer {
            inputs,
            outputs,
            weights: values(inputs * outputs),
            bias: values(outputs),
            activation,
        }
    };
    let layers = vec![
        layer(784, 1024, Activation::Relu),
        layer(1024, 1024, Activation::Relu),
        layer(1024, 10, Activation::Softmax),
    ];
    Network {
        graph: Graph::chain(layers.iter().map(Layer::shape)),
        layers,
        ..model.clone()
    }
}
