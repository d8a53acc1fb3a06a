//! A network without its weights: the shapes and formats of its layers.

use super::activation::Activation;
use super::graph::Graph;
use super::normalization::Normalization;
use crate::Precision;

/// The largest int8 value that quantization uses unless a model says otherwise.
pub const DEFAULT_INT8_CLIP: u8 = 127;

/// The shape of one dense layer, and the numbers that it runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerShape {
    /// Values of one input row.
    pub inputs: usize,
    /// Values of one output row.
    pub outputs: usize,
    /// What is applied to the sums.
    pub activation: Activation,
    /// The numbers of its weights and its input.
    pub format: Format,
}

/// The numbers of one layer, as far as planning needs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Format {
    /// The precision of its weights. Its input has the same, except in int4, where it is f32.
    pub precision: Precision,
    /// How its input is stored.
    pub input: InputFormat,
    /// The largest magnitude that int8 sums, with their offset, can reach; 0 in other precisions.
    pub largest_sum: u64,
}

impl Format {
    /// The format of a layer that takes values, not int8.
    #[must_use]
    pub fn values(precision: Precision) -> Self {
        Self {
            precision,
            input: InputFormat::Values,
            largest_sum: 0,
        }
    }

    /// The format of a layer of `inputs` values where a precision is all that is said: int8 is
    /// `dynamic-tensor` with this clip.
    #[must_use]
    pub fn of(precision: Precision, inputs: usize, clip: u8) -> Self {
        match precision {
            Precision::Int8 => Self::tensor(inputs, clip),
            precision => Self::values(precision),
        }
    }

    /// The format of an int8 layer of `inputs` values in the scheme `dynamic-tensor` with this clip.
    #[must_use]
    pub fn tensor(inputs: usize, clip: u8) -> Self {
        Self {
            precision: Precision::Int8,
            input: InputFormat::Tensor,
            largest_sum: inputs as u64 * u64::from(clip) * u64::from(clip),
        }
    }
}

/// How a layer's input is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InputFormat {
    /// As numbers of its precision; f32 where that is int4.
    Values,
    /// As int8 quantized values with one scale for the whole batch, found at run time.
    Tensor,
    /// As int8 quantized values with a scale for each row, found at run time.
    Rows,
    /// As int8 quantized values with a scale that is known.
    Static,
}

/// A network without its weights: all that planning needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Architecture {
    /// The operations, each of which names its layer.
    pub graph: Graph,
    /// The layers; never empty.
    pub layers: Vec<LayerShape>,
    /// What turns a pixel into the first layer's input.
    pub normalization: Normalization,
    /// The largest int8 quantized value.
    pub int8_clip: u8,
}

impl Architecture {
    /// Layers of which each reads what the one before gives, for pixels / 255 and the default int8 clip.
    #[must_use]
    pub fn chain(layers: Vec<LayerShape>) -> Self {
        Self {
            graph: Graph::chain(layers.iter().map(|layer| [layer.inputs, layer.outputs])),
            layers,
            normalization: Normalization::Unit,
            int8_clip: DEFAULT_INT8_CLIP,
        }
    }

    /// Values of one image.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.graph.inputs()
    }

    /// Values of one output row.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.graph.outputs()
    }

    /// The widths from input to output, for example `[784, 64, 10]`.
    #[must_use]
    pub fn widths(&self) -> Vec<usize> {
        std::iter::once(self.inputs())
            .chain(self.layers.iter().map(|layer| layer.outputs))
            .collect()
    }

    /// The precision of all layers; mixed where they differ.
    #[must_use]
    pub fn precision(&self) -> Precision {
        let mut precisions = self.layers.iter().map(|layer| layer.format.precision);
        let first = precisions.next().unwrap_or(Precision::F32);
        if precisions.all(|precision| precision == first) {
            first
        } else {
            Precision::Mixed
        }
    }

    /// Whether the images of a batch share their scales.
    #[must_use]
    pub fn shares_scales(&self) -> bool {
        let mut inputs = self.layers.iter().map(|layer| layer.format.input);
        inputs.any(|input| input == InputFormat::Tensor)
    }

    /// Operations of one image: 2 · Σ in · out, in every precision.
    #[must_use]
    pub fn operations(&self) -> u64 {
        let products = self
            .layers
            .iter()
            .map(|l| l.inputs as u64 * l.outputs as u64);
        2 * products.sum::<u64>()
    }
}
