//! How much is tuned.

use std::str::FromStr;

use crate::error::{Error, Result};

/// How much is tuned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tuning {
    /// Nothing: sensible defaults by kind of adapter, the same in every run.
    #[default]
    Off,
    /// The likeliest kernels, in a few seconds altogether.
    Quick,
    /// Every kernel that can run, the likeliest first, for [`FULL_EACH`](super::FULL_EACH) at most.
    Full,
}

impl FromStr for Tuning {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "off" => Ok(Self::Off),
            "quick" => Ok(Self::Quick),
            "full" => Ok(Self::Full),
            other => Err(Error::unknown_name(
                "tuning",
                other,
                ["off", "quick", "full"],
            )),
        }
    }
}
