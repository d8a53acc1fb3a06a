//! A model in a mode, ready to be loaded.

use super::{Deployed, Rounding, Source};
use crate::Precision;
use crate::error::Result;
use crate::mode::Mode;
use crate::model::{Architecture, Model};

/// A model in a mode: what an engine loads, and what the oracle tells the answers of.
#[derive(Clone, Debug, PartialEq)]
pub enum Runnable<'a> {
    /// Float weights in a precision of the core, int8 by the reference scheme.
    Core(&'a Model, Precision),
    /// The numbers of any other mode.
    Deployed(Box<Deployed>),
}

impl<'a> Runnable<'a> {
    /// Puts a model into the numbers of a mode, where it needs others than it has.
    ///
    /// # Errors
    /// Those of [`Source::deploy`].
    pub fn new(source: &'a Source, mode: &Mode) -> Result<Self> {
        match source.model() {
            Some(model) if mode.is_core() => Ok(Self::Core(model, mode.precision)),
            _ => Ok(Self::Deployed(Box::new(source.deploy(mode)?))),
        }
    }

    /// What it is run as.
    #[must_use]
    pub fn mode(&self) -> Mode {
        match self {
            Self::Core(_, precision) => (*precision).into(),
            Self::Deployed(deployed) => deployed.mode.clone(),
        }
    }

    /// How its weights were rounded to codes: `compensated` or to `nearest`; none where there are none, by
    /// the reference scheme, and where a file does not say.
    #[must_use]
    pub fn rounding(&self) -> Option<String> {
        match self {
            Self::Core(..) => None,
            Self::Deployed(deployed) => {
                let told = deployed.provenance.get("rounding");
                // The file's word is only a word.
                told.filter(|told| told.parse::<Rounding>().is_ok())
                    .cloned()
            }
        }
    }

    /// The model without its weights.
    #[must_use]
    pub fn architecture(&self) -> Architecture {
        match self {
            Self::Core(model, _) => model.architecture(),
            Self::Deployed(deployed) => deployed.architecture(),
        }
    }

    /// Whether its values can leave the range of their type: false is certain, true only possible.
    #[must_use]
    pub fn may_overflow(&self) -> bool {
        match self {
            Self::Core(model, Precision::F16) => model.may_leave_f16(),
            Self::Core(model, _) => model.may_leave_f32(),
            Self::Deployed(deployed) => deployed.may_overflow(),
        }
    }
}
