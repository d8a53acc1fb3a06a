//! Activation functions on rows in host memory.

use crate::model::Activation;

/// Applies `activation` to `values: [rows, width]` in place.
pub fn apply(activation: Activation, values: &mut [f32], width: usize) {
    match activation {
        Activation::Relu => values.iter_mut().for_each(|z| *z = z.max(0.0)),
        Activation::Sigmoid => values
            .iter_mut()
            .for_each(|z| *z = 1.0 / (1.0 + (-*z).exp())),
        Activation::Tanh => values.iter_mut().for_each(|z| *z = z.tanh()),
        Activation::Identity => {}
        Activation::Softmax => values.chunks_exact_mut(width).for_each(softmax),
    }
}

/// e^(z − max) over its sum: the shift keeps every term at most 1.
fn softmax(row: &mut [f32]) {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for z in row.iter_mut() {
        *z = (*z - max).exp();
        sum += *z;
    }
    for z in row {
        *z /= sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finite_for_every_finite_input() {
        let extremes = [f32::MAX, -f32::MAX, 0.0, 1e-40, -1e30, 89.0, -89.0, 1.0];
        for activation in Activation::ALL {
            let mut values = extremes;
            apply(activation, &mut values, 4);
            assert!(
                values.iter().all(|value| value.is_finite()),
                "{activation}: {values:?}"
            );
        }
    }
}
