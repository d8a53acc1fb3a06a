//! How float weights become the numbers of a mode, where images decide.

use std::fmt;
use std::str::FromStr;

use super::calibrate::{Calibration, Sample, calibrate};
use super::compensate::compensate;
use super::forward::{deployed_layer, input};
use super::{Deployed, Input, deploy};
use crate::error::{Error, Result};
use crate::mode::Mode;
use crate::model::Model;
use crate::{Precision, Scheme};

/// How int4 weights are rounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rounding {
    /// Each to its nearest code.
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
        named.ok_or_else(|| {
            Error::Usage(format!(
                "unknown rounding '{text}': use nearest or compensated"
            ))
        })
    }
}

/// How a model is put into a mode. The default is what is done where nothing else is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recipe {
    /// How static ranges are chosen.
    pub calibration: Calibration,
    /// How int4 weights are rounded.
    pub rounding: Rounding,
}

impl Recipe {
    /// Whether static ranges are chosen at all.
    #[must_use]
    pub fn calibrates(mode: &Mode) -> bool {
        mode.scheme == Some(Scheme::Static)
    }

    /// Whether errors are compensated at all.
    #[must_use]
    pub fn compensates(self, mode: &Mode) -> bool {
        let int4 = mode.precision == Precision::Int4 || mode.layers.contains(&Precision::Int4);
        int4 && self.rounding == Rounding::Compensated
    }

    /// Whether a mode needs calibration images.
    #[must_use]
    pub fn needs_images(self, mode: &Mode) -> bool {
        Self::calibrates(mode) || self.compensates(mode)
    }

    /// Puts `model` into the numbers of `mode`, with what `sample` decides; it may be none where the mode
    /// does not need images.
    ///
    /// # Errors
    /// Those of [`deploy`]; `Error::File` where the images do not fit the model; `Error::Usage` where there
    /// are none and they are needed.
    pub fn deploy(self, model: &Model, mode: &Mode, sample: Option<&Sample>) -> Result<Deployed> {
        let missing = || Error::Usage(format!("{mode} needs calibration images"));
        let mut ranges = None;
        if Self::calibrates(mode) {
            let sample = sample.ok_or_else(missing)?;
            ranges = Some(calibrate(model, sample, self.calibration)?);
        }
        let mut deployed = deploy(model, mode, ranges.as_ref())?;
        if self.compensates(mode) {
            let sample = sample.ok_or_else(missing)?;
            sample.check(model)?;
            compensate_layers(model, &mut deployed, sample);
            deployed.check()?;
        }
        Ok(deployed)
    }
}

/// Rounds the int4 layers again, each for the values that the layers before it, as they are deployed,
/// hand on.
fn compensate_layers(model: &Model, deployed: &mut Deployed, sample: &Sample) {
    let clip = deployed.int8_clip;
    let last = deployed.layers.len() - 1;
    let mut x = input(model.normalization, &sample.images.pixels);
    for (index, layer) in deployed.layers.iter_mut().enumerate() {
        if layer.precision() == Precision::Int4 {
            debug_assert_eq!(layer.input, Input::Values);
            (layer.weights, layer.bias) = compensate(&model.layers[index], &x);
        }
        if index < last {
            x = deployed_layer(layer, clip, &x);
        }
    }
}
