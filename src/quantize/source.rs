//! A model as it was loaded.

use std::path::Path;

use super::calibrate::Sample;
use super::network::QuantizedNetwork;
use super::recipe::{Quantizer, Recipe};
use crate::error::{Error, Result, UsageError};
use crate::mode::Mode;
use crate::model::{Architecture, Network, QUANTIZED, Tensors};

/// A model as it was loaded: with float weights, which run in any mode, or in numbers of its own, which run
/// in no other.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// Float weights.
    Network(Network),
    /// Numbers of its own.
    QuantizedNetwork(QuantizedNetwork),
}

impl Source {
    /// Reads a model file of either kind.
    ///
    /// # Errors
    /// `Error::File` where it is missing, damaged, or not a dense network.
    pub fn load(path: &Path) -> Result<Self> {
        let tensors = Tensors::load(path)?;
        if tensors.metadata.contains_key(QUANTIZED) {
            QuantizedNetwork::from_tensors(tensors).map(Self::QuantizedNetwork)
        } else {
            Network::from_tensors(tensors).map(Self::Network)
        }
    }

    /// The model inside the binary.
    ///
    /// # Errors
    /// Only where the binary itself is damaged.
    pub fn default_model() -> Result<Self> {
        Network::default_model().map(Self::Network)
    }

    /// The model with float weights; none where there are none any more.
    #[must_use]
    pub fn model(&self) -> Option<&Network> {
        match self {
            Self::Network(model) => Some(model),
            Self::QuantizedNetwork(_) => None,
        }
    }

    /// The model without its weights.
    #[must_use]
    pub fn architecture(&self) -> Architecture {
        match self {
            Self::Network(model) => model.architecture(),
            Self::QuantizedNetwork(quantized) => quantized.architecture(),
        }
    }

    /// Its file, `embedded`, or `random weights` with their seed.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Network(model) => &model.path,
            Self::QuantizedNetwork(quantized) => &quantized.path,
        }
    }

    /// SHA-256 of its file, or of random weights; empty where it was made otherwise.
    #[must_use]
    pub fn sha256(&self) -> &str {
        match self {
            Self::Network(model) => &model.sha256,
            Self::QuantizedNetwork(quantized) => &quantized.sha256,
        }
    }

    /// Names of the outputs; empty where the file has none.
    #[must_use]
    pub fn classes(&self) -> &[String] {
        match self {
            Self::Network(model) => &model.classes,
            Self::QuantizedNetwork(quantized) => &quantized.classes,
        }
    }

    /// The name of an output, or its number where the file has no names.
    #[must_use]
    pub fn class_name(&self, label: usize) -> String {
        let name = self.classes().get(label).cloned();
        name.unwrap_or_else(|| label.to_string())
    }

    /// What it is run as unless the user names another mode; none where the file does not say.
    #[must_use]
    pub fn mode(&self) -> Option<Mode> {
        match self {
            Self::Network(model) => model.mode.clone(),
            Self::QuantizedNetwork(quantized) => Some(quantized.mode.clone()),
        }
    }

    /// The model in the numbers of a mode, where images decide by the standard recipe and sample.
    ///
    /// # Errors
    /// `Error::Usage` where it has numbers of its own, and they are others; `Error::File` where images are
    /// needed, and those inside the binary do not fit it; those of [`super::lower`].
    pub fn quantize(&self, mode: &Mode) -> Result<QuantizedNetwork> {
        match self {
            Self::Network(model) => {
                let recipe = Recipe::default();
                let sample = match recipe.needs_images(mode) || recipe.compensates(mode) {
                    true => Some(Sample::standard()?),
                    false => None,
                };
                Quantizer::new(recipe, model, sample.as_ref())
                    .with_stored_ranges()
                    .quantize(mode)
            }
            Self::QuantizedNetwork(quantized) if quantized.mode == *mode => Ok(quantized.clone()),
            Self::QuantizedNetwork(quantized) => Err(Error::Usage(UsageError::AlreadyQuantized {
                model: quantized.path.display().to_string(),
                mode: quantized.mode.to_string(),
            })),
        }
    }
}
