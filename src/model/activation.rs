//! Activation functions.

use std::fmt;
use std::str::FromStr;

/// What a layer applies to its sums. Every one is finite for every finite input.
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
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Activation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|activation| activation.name() == text)
            .ok_or_else(|| {
                format!("unknown activation '{text}': use relu, sigmoid, tanh, identity or softmax")
            })
    }
}
