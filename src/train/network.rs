//! The arithmetic of one training step: forward, loss, backward.
//!
//! Each step is a function from matrices to matrices that keeps nothing between calls, so that it
//! can become a pass of a shader. Shapes: `x [batch, in]`, `weights [in, out]`, all row-major.

use crate::cpu::matmul::{MatrixView, product};
use crate::model::{Activation, Layer};

/// The derivatives of the loss by one layer's parameters.
#[derive(Debug)]
pub(super) struct Gradient {
    /// `[in, out]`
    pub weights: Vec<f32>,
    /// `[out]`
    pub bias: Vec<f32>,
}

impl Gradient {
    /// Zeros in the shape of `layer`.
    pub(super) fn new(layer: &Layer) -> Self {
        Self {
            weights: vec![0.0; layer.weights.len()],
            bias: vec![0.0; layer.bias.len()],
        }
    }
}

/// Fills `outputs` with each layer's `[batch, out]`: activations of the hidden layers, and the last
/// layer's *logits*, since the loss takes its softmax itself.
pub(super) fn forward(layers: &[Layer], input: &[f32], batch: usize, outputs: &mut [Vec<f32>]) {
    for (index, layer) in layers.iter().enumerate() {
        let (before, rest) = outputs.split_at_mut(index);
        let x = before.last().map_or(input, Vec::as_slice);
        let y = &mut rest[0];
        y.clear();
        for _ in 0..batch {
            y.extend_from_slice(&layer.bias);
        }
        let x = MatrixView::new(x, batch, layer.inputs);
        let weights = MatrixView::new(&layer.weights, layer.inputs, layer.outputs);
        product(x, weights, y, true);
        if layer.activation != Activation::Softmax {
            layer.activation.apply(y, layer.outputs);
        }
    }
}

/// Sums over images; divide by how many there were.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Score {
    /// Sum of the cross-entropies, in nats.
    pub loss: f64,
    /// How many labels were found.
    pub correct: usize,
}

impl Score {
    /// Share of `images` whose label was found, 0 to 1.
    pub(super) fn accuracy(self, images: usize) -> f64 {
        self.correct as f64 / images as f64
    }
}

impl std::ops::AddAssign for Score {
    fn add_assign(&mut self, other: Self) {
        self.loss += other.loss;
        self.correct += other.correct;
    }
}

/// The loss of `logits: [batch, classes]`, which it replaces by the gradient of the batch's mean
/// loss.
///
/// With p = softmax(z) and the smoothed target t = smoothing / classes, plus 1 − smoothing at the
/// label: loss = −Σ t·ln p = ln Σ e^z − Σ t·z, and its derivative by z is p − t. Taken together the
/// two need no logarithm of a p that may have become 0.
pub(super) fn cross_entropy(logits: &mut [f32], labels: &[u8], smoothing: f32) -> Score {
    let classes = logits.len() / labels.len().max(1);
    let share = 1.0 / labels.len() as f32;
    let others = smoothing / classes as f32;
    let mut score = Score::default();
    for (row, &label) in logits.chunks_exact_mut(classes).zip(labels) {
        let label = usize::from(label);
        let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        // The first of equals, as everywhere a label is read from outputs.
        let found = row.iter().position(|&z| z == max);
        score.correct += usize::from(found == Some(label));

        let sum: f32 = row.iter().map(|&z| (z - max).exp()).sum();
        let mean: f32 = row.iter().map(|&z| z - max).sum::<f32>() * others;
        let expected = (row[label] - max) * (1.0 - smoothing) + mean;
        score.loss += f64::from(sum.ln() - expected);

        for (class, z) in row.iter_mut().enumerate() {
            let target = others + if class == label { 1.0 - smoothing } else { 0.0 };
            *z = ((*z - max).exp() / sum - target) * share;
        }
    }
    score
}

/// Fills `gradients` from `delta`, the gradient of the loss by the last layer's sums
/// `[batch, out]`; `input` and `outputs` are those of the forward pass. `delta` and `scratch` are
/// used up.
///
/// ∂W = xᵀ·δ, ∂b = the sum of δ over the batch, and δ of the layer before = δ·Wᵀ where its relu
/// let something through.
pub(super) fn backward(
    layers: &[Layer],
    input: &[f32],
    outputs: &[Vec<f32>],
    delta: &mut Vec<f32>,
    scratch: &mut Vec<f32>,
    gradients: &mut [Gradient],
) {
    for (index, layer) in layers.iter().enumerate().rev() {
        let batch = delta.len() / layer.outputs;
        let x = if index == 0 {
            input
        } else {
            &outputs[index - 1]
        };
        let gradient = &mut gradients[index];
        let d = MatrixView::new(delta, batch, layer.outputs);
        let x_t = MatrixView::new(x, batch, layer.inputs).transposed();
        product(x_t, d, &mut gradient.weights, false);
        column_sums(delta, &mut gradient.bias);
        if index > 0 {
            scratch.resize(x.len(), 0.0);
            let weights = MatrixView::new(&layer.weights, layer.inputs, layer.outputs);
            product(d, weights.transposed(), scratch, false);
            for (d, &y) in scratch.iter_mut().zip(x) {
                if y <= 0.0 {
                    *d = 0.0;
                }
            }
            std::mem::swap(delta, scratch);
        }
    }
}

/// The sums of `values: [rows, width]` over the rows, into `sums: [width]`.
fn column_sums(values: &[f32], sums: &mut [f32]) {
    sums.fill(0.0);
    for row in values.chunks_exact(sums.len()) {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{classifier_activations, random_layers};
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    const BATCH: usize = 7;
    const WIDTHS: [usize; 4] = [5, 6, 4, 3];

    /// The mean smoothed loss in f64, written a second time without a matrix library or a fused
    /// softmax. `parameters`: each layer's weights, then its biases.
    fn reference_loss(parameters: &[Vec<f64>], x: &[f64], labels: &[u8], smoothing: f64) -> f64 {
        let mut total = 0.0;
        for (row, &label) in x.chunks(WIDTHS[0]).zip(labels) {
            let mut values = row.to_vec();
            for (layer, pair) in parameters.chunks(2).enumerate() {
                let (weights, bias) = (&pair[0], &pair[1]);
                let outputs = WIDTHS[layer + 1];
                let sum = |o: usize| -> f64 {
                    let products = values.iter().enumerate();
                    bias[o]
                        + products
                            .map(|(i, v)| v * weights[i * outputs + o])
                            .sum::<f64>()
                };
                let sums: Vec<f64> = (0..outputs).map(sum).collect();
                let hidden = layer + 2 < WIDTHS.len();
                values = sums
                    .into_iter()
                    .map(|z| if hidden { z.max(0.0) } else { z })
                    .collect();
            }
            let sum: f64 = values.iter().map(|z| z.exp()).sum();
            for (class, z) in values.iter().enumerate() {
                let hit = f64::from(u8::from(class == usize::from(label)));
                let target = smoothing / values.len() as f64 + (1.0 - smoothing) * hit;
                total -= target * (z.exp() / sum).ln();
            }
        }
        total / labels.len() as f64
    }

    #[test]
    fn gradients_agree_with_central_differences_in_f64() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut layers = random_layers(&WIDTHS, &classifier_activations(3), &mut rng);
        for layer in &mut layers {
            layer.bias.fill_with(|| rng.random_range(-0.5_f32..0.5));
        }
        let input: Vec<f32> = (0..BATCH * WIDTHS[0])
            .map(|_| rng.random_range(-1.0..1.0))
            .collect();
        let labels: Vec<u8> = (0..BATCH).map(|row| (row % WIDTHS[3]) as u8).collect();

        for smoothing in [0.0, 0.125] {
            let mut outputs = vec![Vec::new(); layers.len()];
            let mut gradients: Vec<_> = layers.iter().map(Gradient::new).collect();
            forward(&layers, &input, BATCH, &mut outputs);
            let mut delta = outputs[2].clone();
            let score = cross_entropy(&mut delta, &labels, smoothing);
            let scratch = &mut Vec::new();
            backward(
                &layers,
                &input,
                &outputs,
                &mut delta,
                scratch,
                &mut gradients,
            );

            let wide = |values: &[f32]| -> Vec<f64> { values.iter().map(|&v| v.into()).collect() };
            let x = wide(&input);
            let mut parameters: Vec<Vec<f64>> = layers
                .iter()
                .flat_map(|layer| [wide(&layer.weights), wide(&layer.bias)])
                .collect();
            let mut loss = |tensor: usize, at: usize, shift: f64| {
                let kept = parameters[tensor][at];
                parameters[tensor][at] += shift;
                let loss = reference_loss(&parameters, &x, &labels, smoothing.into());
                parameters[tensor][at] = kept;
                loss
            };
            assert!((score.loss / BATCH as f64 - loss(0, 0, 0.0)).abs() <= 1e-6);
            let tensors = gradients.iter().flat_map(|g| [&g.weights, &g.bias]);
            for (tensor, gradient) in tensors.enumerate() {
                for (at, &found) in gradient.iter().enumerate() {
                    let step = 1e-6;
                    let rise = loss(tensor, at, step) - loss(tensor, at, -step);
                    let expected = rise / (2.0 * step);
                    let difference = (f64::from(found) - expected).abs();
                    assert!(
                        difference <= 1e-6,
                        "tensor {tensor}[{at}]: {found} for {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn loss_stays_finite_for_large_logits_and_not_for_nan() {
        let mut logits = [1e30, -1e30, 0.0];
        assert_eq!(cross_entropy(&mut logits, &[0], 0.0).loss, 0.0);
        assert_eq!(logits, [0.0; 3]);
        let mut logits = [1e30, -1e30, 0.0];
        assert_eq!(
            cross_entropy(&mut logits, &[1], 0.0).loss,
            f64::from(2e30_f32)
        );
        for bad in [f32::NAN, f32::INFINITY] {
            let score = cross_entropy(&mut [0.0, bad], &[0], 0.0);
            assert!(!score.loss.is_finite(), "{bad}: {score:?}");
        }
    }
}
