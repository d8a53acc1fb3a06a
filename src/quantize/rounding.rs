//! The ways to round int4 and int8 weights.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// How int4 and int8 weights are rounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rounding {
    /// Each to its nearest quantized value.
    Nearest,
    /// One after another, each making up for the errors of those before it over calibration images.
    #[default]
    Compensated,
}

impl Rounding {
    /// Every one of them.
    pub const ALL: [Self; 2] = [Self::Nearest, Self::Compensated];

    /// The name in every output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nearest => "nearest",
            Self::Compensated => "compensated",
        }
    }
}

impl fmt::Display for Rounding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Rounding {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let named = Self::ALL
            .into_iter()
            .find(|rounding| rounding.name() == text);
        named.ok_or_else(|| Error::unknown_name("rounding", text, Self::ALL.map(Self::name)))
    }
}
