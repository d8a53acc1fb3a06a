//! Activation functions: what each is called, what it computes, and what follows from that elsewhere.
//!
//! The reference (`reference/arithmetic.rs`) and the shaders (`shared/activation.wgsl`) compute each of them once more.

use std::fmt;
use std::str::FromStr;

/// What a layer applies to its sums. Every one is finite for every finite input, and none but softmax falls where its
/// input rises: kernels of the scheme `dynamic-tensor` find the largest output from the two extremes of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activation {
    /// max(0, z)
    Relu,
    /// 1 / (1 + e^-z)
    Sigmoid,
    /// tanh z
    Tanh,
    /// z
    Identity,
    /// e^z over the sum of e^z along the row; on the last layer only.
    Softmax,
}

impl Activation {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Relu,
        Self::Sigmoid,
        Self::Tanh,
        Self::Identity,
        Self::Softmax,
    ];

    /// The name in a model's metadata.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::Sigmoid => "sigmoid",
            Self::Tanh => "tanh",
            Self::Identity => "identity",
            Self::Softmax => "softmax",
        }
    }

    /// Its number in the shaders.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::Relu => 0,
            Self::Sigmoid => 1,
            Self::Tanh => 2,
            Self::Identity => 3,
            Self::Softmax => 4,
        }
    }

    /// The least and the largest value that it gives.
    #[must_use]
    pub fn range(self) -> (f64, f64) {
        match self {
            Self::Relu => (0.0, f64::INFINITY),
            Self::Sigmoid | Self::Softmax => (0.0, 1.0),
            Self::Tanh => (-1.0, 1.0),
            Self::Identity => (f64::NEG_INFINITY, f64::INFINITY),
        }
    }

    /// The least value that it gives where it only cuts values off below that, and changes no other.
    #[must_use]
    pub fn floor(self) -> Option<f32> {
        match self {
            Self::Relu => Some(0.0),
            Self::Identity => Some(f32::NEG_INFINITY),
            Self::Sigmoid | Self::Tanh | Self::Softmax => None,
        }
    }

    /// Applies it to `values: [rows, width]` in place.
    pub fn apply(self, values: &mut [f32], width: usize) {
        match self {
            Self::Relu => values.iter_mut().for_each(|z| *z = z.max(0.0)),
            Self::Sigmoid => values
                .iter_mut()
                .for_each(|z| *z = 1.0 / (1.0 + (-*z).exp())),
            Self::Tanh => values.iter_mut().for_each(|z| *z = z.tanh()),
            Self::Identity => {}
            Self::Softmax => values.chunks_exact_mut(width).for_each(softmax),
        }
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

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Activation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|known| known.name() == text);
        known.ok_or_else(|| {
            let (last, others) = (
                Self::Softmax,
                Self::ALL.iter().filter(|a| **a != Self::Softmax),
            );
            let others: Vec<_> = others.map(|known| known.name()).collect();
            format!(
                "unknown activation '{text}'; use {} or {last}",
                others.join(", ")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_within_the_range_and_above_the_floor() {
        for activation in Activation::ALL {
            let (low, high) = activation.range();
            for z in [-1e30, -2.5, -1e-3, 0.0, 0.75, 60.0, 1e30_f32] {
                let mut values = [z, 0.5];
                activation.apply(&mut values, 2);
                let value = f64::from(values[0]);
                assert!(
                    (low..=high).contains(&value),
                    "{activation} of {z}: {value}"
                );
                if let Some(floor) = activation.floor() {
                    assert_eq!(values[0], z.max(floor), "{activation} of {z}");
                }
            }
        }
    }

    #[test]
    fn outputs_never_fall_where_inputs_rise() {
        for activation in Activation::ALL
            .into_iter()
            .filter(|a| *a != Activation::Softmax)
        {
            let mut values: Vec<f32> = (-1000..=1000).map(|i| i as f32 / 100.0).collect();
            activation.apply(&mut values, 1);
            assert!(values.is_sorted(), "{activation}");
        }
    }

    #[test]
    fn finite_for_every_finite_input() {
        let extremes = [f32::MAX, -f32::MAX, 0.0, 1e-40, -1e30, 89.0, -89.0, 1.0];
        for activation in Activation::ALL {
            let mut values = extremes;
            activation.apply(&mut values, 4);
            assert!(
                values.iter().all(|value| value.is_finite()),
                "{activation}: {values:?}"
            );
        }
    }
}
