//! The mode that a network runs in: a precision and, for int8, its scheme and weight scales.

use std::fmt;

use crate::Precision;
use crate::error::{Error, Result, UsageError};
use crate::precision::Tolerance;
use crate::scheme::{Scheme, WeightScales};

/// What a whole network is run as.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mode {
    /// The precision.
    pub precision: Precision,
    /// How int8 activations are quantized; none where no layer is int8.
    pub scheme: Option<Scheme>,
    /// How many scales an int8 weight matrix has; none where no layer is int8.
    pub weights: Option<WeightScales>,
    /// The precision of each layer where they differ; empty elsewhere.
    pub layers: Vec<Precision>,
}

impl From<Precision> for Mode {
    /// The precision as it is run where nothing else is said: int8 by `dynamic-row`, with a weight scale for each output.
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::Int8 => Self::int8(Scheme::default(), WeightScales::Channel),
            precision => Self {
                precision,
                scheme: None,
                weights: None,
                layers: Vec::new(),
            },
        }
    }
}

impl From<&Mode> for Mode {
    fn from(mode: &Mode) -> Self {
        mode.clone()
    }
}

impl Mode {
    /// int8 by the reference scheme, `dynamic-tensor`.
    #[must_use]
    pub fn reference_int8() -> Self {
        Self::int8(Scheme::DynamicTensor, WeightScales::Tensor)
    }

    /// Every precision, and int8 by every scheme, with weights by channel where the scheme allows it. The layers of each
    /// have one precision.
    #[must_use]
    pub fn every() -> Vec<Self> {
        let precisions = Precision::EVERY.map(Self::from);
        let fixed = Self::int8(Scheme::Static, WeightScales::Channel);
        precisions
            .into_iter()
            .chain([fixed, Self::reference_int8()])
            .collect()
    }

    /// int8 by a scheme.
    #[must_use]
    pub fn int8(scheme: Scheme, weights: WeightScales) -> Self {
        Self {
            precision: Precision::Int8,
            scheme: Some(scheme),
            weights: Some(weights),
            layers: Vec::new(),
        }
    }

    /// Each layer in a precision of its own; `scheme` and `weights` are those of its int8 layers.
    ///
    /// # Errors
    /// `Error::Usage` where a layer would be mixed itself, or int8 by the reference scheme, which is
    /// given for whole networks only.
    pub fn mixed(layers: Vec<Precision>, scheme: Scheme, weights: WeightScales) -> Result<Self> {
        if layers.contains(&Precision::Mixed) {
            return Err(Error::Usage(UsageError::MixedUnavailable {
                what: "a layer",
            }));
        }
        let int8 = layers.contains(&Precision::Int8);
        if int8 && scheme == Scheme::DynamicTensor {
            return Err(Error::Usage(UsageError::SchemeUnavailable {
                scheme: "dynamic-tensor",
                reason: "needs the same precision in all layers",
            }));
        }
        Ok(Self {
            precision: Precision::Mixed,
            scheme: int8.then_some(scheme),
            weights: int8.then_some(weights),
            layers,
        })
    }

    /// The precisions that its layers have.
    #[must_use]
    pub fn precisions(&self) -> &[Precision] {
        match self.layers.as_slice() {
            [] => std::slice::from_ref(&self.precision),
            layers => layers,
        }
    }

    /// The precision of a layer.
    #[must_use]
    pub fn layer(&self, index: usize) -> Precision {
        self.layers.get(index).copied().unwrap_or(self.precision)
    }

    /// What a network's outputs in this mode may differ from the reference's.
    #[must_use]
    pub fn tolerance(&self) -> Tolerance {
        let of_layer = |precision: Precision| match (precision, self.scheme) {
            // The sums are exact, and pre-activations are not quantized on its way to the activation: a row agrees to
            // f32's accuracy, but where an activation's value lies on a rounding tie of the next layer's
            // quantized values, and of such rows there may be a few. A quantized value that differs by one moves an output less
            // than the steps of pre-activations do in the reference scheme, and hardly ever a label.
            (Precision::Int8, Some(Scheme::DynamicRow | Scheme::Static)) => Tolerance {
                labels_equal: 0.9995,
                ..Precision::Int8.tolerance()
            },
            (precision, _) => precision.tolerance(),
        };
        // Where layers differ, what the loosest of them allows.
        let layers = self.layers.iter().map(|&layer| of_layer(layer));
        let loosest = layers.reduce(Tolerance::looser);
        loosest.unwrap_or_else(|| of_layer(self.precision))
    }

    /// Whether an image's outputs depend on the images beside it.
    #[must_use]
    pub fn depends_on_batch(&self) -> bool {
        self.scheme.is_some_and(Scheme::depends_on_batch)
    }
}

/// `f32`, `int8` (by the default scheme), `int8 static`, `int8 static, weights by tensor`, `f16,int8 static`.
impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut name = if self.layers.is_empty() {
            self.precision.name().to_owned()
        } else {
            let names: Vec<&str> = self.layers.iter().map(|layer| layer.name()).collect();
            names.join(",")
        };
        // The default scheme goes without saying, and the reference scheme has no other scales.
        let scheme = self.scheme.unwrap_or_default();
        if scheme != Scheme::default() {
            name = format!("{name} {scheme}");
        }
        if self.weights == Some(WeightScales::Tensor) && scheme != Scheme::DynamicTensor {
            name.push_str(", weights by tensor");
        }
        f.pad(&name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_not_the_default() {
        assert_eq!(Mode::from(Precision::Int8).to_string(), "int8");
        let named = |scheme, weights| Mode::int8(scheme, weights).to_string();
        assert_eq!(named(Scheme::DynamicRow, WeightScales::Channel), "int8");
        assert_eq!(named(Scheme::Static, WeightScales::Channel), "int8 static");
        assert_eq!(
            named(Scheme::DynamicRow, WeightScales::Tensor),
            "int8, weights by tensor"
        );
        assert_eq!(Mode::reference_int8().to_string(), "int8 dynamic-tensor");
        let layers = vec![Precision::F16, Precision::Int8];
        let mixed = Mode::mixed(layers.clone(), Scheme::DynamicRow, WeightScales::Channel).unwrap();
        assert_eq!(mixed.to_string(), "f16,int8");
        assert!(Mode::mixed(layers, Scheme::DynamicTensor, WeightScales::Tensor).is_err());
    }

    #[test]
    fn a_mixed_network_may_differ_as_its_loosest_layer() {
        let mixed = |layers: &[Precision]| {
            Mode::mixed(layers.to_vec(), Scheme::Static, WeightScales::Channel)
                .unwrap()
                .tolerance()
        };
        let int8 = Mode::int8(Scheme::Static, WeightScales::Channel).tolerance();
        assert_eq!(mixed(&[Precision::F32, Precision::Int8]), int8);
        assert_eq!(mixed(&[Precision::F16; 2]), Precision::F16.tolerance());
        let both = mixed(&[Precision::F16, Precision::Int8]);
        assert_eq!(both.relative, Precision::F16.tolerance().relative);
        assert_eq!(both.rows_outside, int8.rows_outside);
    }
}
