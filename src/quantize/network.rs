//! A network in the numbers that it runs in.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::input::InputQuantization;
use super::layer::QuantizedLayer;
use super::lost::LostParameters;
use super::out_of_range::OutOfRange;
use super::rounding::Rounding;
use crate::mode::Mode;
use crate::model::{Architecture, Format, Graph, InputFormat, LayerShape, Normalization};

/// A model in the numbers that it runs in.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedNetwork {
    /// What it is run as.
    pub mode: Mode,
    /// The operations in order: what each reads and writes, with shapes.
    pub graph: Graph,
    /// The layers, whose parameters operations use.
    pub layers: Vec<QuantizedLayer>,
    /// What turns a pixel into the first layer's input.
    pub normalization: Normalization,
    /// Names of the outputs; empty where the file has none.
    pub classes: Vec<String>,
    /// c, the largest int8 quantized value of weights, and of signed activations by row.
    pub int8_clip: u8,
    /// How it was made.
    pub provenance: BTreeMap<String, String>,
    /// The file of the model, quantized or not.
    pub path: PathBuf,
    /// SHA-256 of that file.
    pub sha256: String,
    /// The first layer whose format cannot hold its weights or biases, where they were made of floats. What comes out of
    /// them is no answer, and no file holds them.
    pub out_of_range: Option<OutOfRange>,
    /// What the range of its format takes from the parameters of each layer; empty where nothing is lost, and where it is not known
    /// what they were made of.
    pub lost_parameters: Vec<LostParameters>,
}

impl QuantizedNetwork {
    /// How its weights were rounded to quantized values: `compensated` or to `nearest`; none where the mode leaves no
    /// choice, and where a file does not say.
    #[must_use]
    pub fn rounding(&self) -> Option<String> {
        let rounding = self.provenance.get("rounding");
        // A file can hold any text there.
        rounding
            .filter(|text| text.parse::<Rounding>().is_ok())
            .cloned()
    }

    /// The model without its weights.
    #[must_use]
    pub fn architecture(&self) -> Architecture {
        let shape = |layer: &QuantizedLayer| LayerShape {
            inputs: layer.inputs,
            outputs: layer.outputs,
            activation: layer.activation,
            format: Format {
                precision: layer.precision(),
                input: match layer.input {
                    InputQuantization::Values => InputFormat::Values,
                    InputQuantization::Tensor => InputFormat::Tensor,
                    InputQuantization::Row { .. } => InputFormat::Rows,
                    InputQuantization::Static(_) => InputFormat::Static,
                },
                largest_sum: layer.largest_sum(self.int8_clip),
            },
        };
        Architecture {
            graph: self.graph.clone(),
            layers: self.layers.iter().map(shape).collect(),
            normalization: self.normalization,
            int8_clip: self.int8_clip,
        }
    }

    /// Bytes of the weights, scales and biases, as files and devices hold them.
    #[must_use]
    pub fn parameter_bytes(&self) -> u64 {
        let layer = |layer: &QuantizedLayer| {
            let of_bias = layer.precision().float().bytes();
            layer.weights.bytes() + of_bias * layer.bias.len() as u64
        };
        self.layers.iter().map(layer).sum()
    }

    /// Bytes of the values that one image has between the layers: each layer's input in the format that it
    /// takes, with the row's scale, and the outputs in f32.
    #[must_use]
    pub fn activation_bytes(&self) -> u64 {
        let input = |layer: &QuantizedLayer| match layer.input {
            InputQuantization::Static(_) | InputQuantization::Tensor => layer.inputs as u64,
            InputQuantization::Row { .. } => layer.inputs as u64 + 4,
            InputQuantization::Values => layer.precision().bytes() * layer.inputs as u64,
        };
        let inputs: u64 = self.layers.iter().map(input).sum();
        inputs + 4 * self.graph.outputs() as u64
    }
}
