//! The calibration methods.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// How the range of a layer's static quantized values is chosen from the values that it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Calibration {
    /// All values.
    MinMax,
    /// All but the largest 0.01%.
    Percentile,
    /// The range whose quantized values have the least mean square error.
    MeanSquareError,
    /// The range whose quantized values diverge least from the values' distribution: the default, for the accuracy that
    /// data/README.md shows.
    #[default]
    Entropy,
}

impl Calibration {
    /// Every one of them.
    pub const ALL: [Self; 4] = [
        Self::MinMax,
        Self::Percentile,
        Self::MeanSquareError,
        Self::Entropy,
    ];

    /// The name in every output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MinMax => "min-max",
            Self::Percentile => "percentile",
            Self::MeanSquareError => "mse",
            Self::Entropy => "entropy",
        }
    }
}

impl fmt::Display for Calibration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Calibration {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let named = Self::ALL.into_iter().find(|method| method.name() == text);
        named.ok_or_else(|| Error::unknown_name("calibration", text, Self::ALL.map(Self::name)))
    }
}
