//! A network: its operations and layers, how its input is normalized, and its file format.

mod activation;
mod file;
mod graph;
mod normalization;
mod random;
mod stored;
mod tensors;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use activation::Activation;
pub(crate) use file::{QUANTIZED, sort_metadata};
pub use graph::{Graph, Operation, OperationKind, Shape, ValueId};
pub use normalization::Normalization;
pub use random::{MOST_PARAMETERS, classifier_activations};
pub(crate) use random::{check_parameters, random_layers};
pub(crate) use stored::{
    MODE_KEYS, classes as stored_classes, entry, mode as stored_mode, mode_entries,
};
pub(crate) use tensors::{Element, Tensors};

use crate::Precision;
use crate::error::{Error, Result};
use crate::mode::Mode;

/// The default model: 784-64-10, trained by this project (data/README.md says how).
const DEFAULT_MODEL: &[u8] = include_bytes!("../../data/models/default.safetensors");

/// The largest int8 code that quantization uses unless a model says otherwise.
pub const DEFAULT_INT8_CLIP: u8 = 127;

/// One dense layer: `activation(x·weights + bias)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Values of one input row.
    pub inputs: usize,
    /// Values of one output row.
    pub outputs: usize,
    /// `[inputs, outputs]` row-major.
    pub weights: Vec<f32>,
    /// `[outputs]`
    pub bias: Vec<f32>,
    /// What is applied to the sums.
    pub activation: Activation,
}

impl Layer {
    /// `[inputs, outputs]`
    #[must_use]
    pub fn shape(&self) -> [usize; 2] {
        [self.inputs, self.outputs]
    }
}

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

/// A network and everything that its file says about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// The operations in order: what each reads and writes, with shapes.
    pub graph: Graph,
    /// The layers, whose parameters operations use.
    pub layers: Vec<Layer>,
    /// What turns a pixel into the first layer's input.
    pub normalization: Normalization,
    /// Names of the outputs; empty where the file has none.
    pub classes: Vec<String>,
    /// What the model is run as, unless the user names another mode.
    pub mode: Option<Mode>,
    /// The largest int8 code that its quantization uses, 1 to 127.
    pub int8_clip: u8,
    /// How the model was made: seed, epochs, command, accuracy.
    pub provenance: BTreeMap<String, String>,
    /// Where it was read from; `embedded` for the default.
    pub path: PathBuf,
    /// SHA-256 of the file; empty where the model was not read from one.
    pub sha256: String,
}

impl Network {
    /// A network of `layers`, each of which reads what the one before gives, with everything else at its default.
    ///
    /// # Errors
    /// `Error::File` naming the layer whose shape or values do not fit.
    pub fn new(layers: Vec<Layer>) -> Result<Self> {
        let graph = Graph::chain(layers.iter().map(Layer::shape));
        Self::with_graph(graph, layers)
    }

    /// A network of these operations and layers with everything else at its default.
    ///
    /// # Errors
    /// `Error::File` naming the operation or the layer whose shape or values do not fit.
    pub fn with_graph(graph: Graph, layers: Vec<Layer>) -> Result<Self> {
        let model = Self {
            graph,
            layers,
            normalization: Normalization::Unit,
            classes: Vec::new(),
            mode: None,
            int8_clip: DEFAULT_INT8_CLIP,
            provenance: BTreeMap::new(),
            path: PathBuf::from("unsaved model"),
            sha256: String::new(),
        };
        model.check()?;
        Ok(model)
    }

    /// The model inside the binary.
    ///
    /// # Errors
    /// Only where the binary itself is damaged.
    pub fn default_model() -> Result<Self> {
        Self::from_bytes("embedded", DEFAULT_MODEL)
    }

    /// The model without its weights, in f32.
    #[must_use]
    pub fn architecture(&self) -> Architecture {
        let shape = |layer: &Layer| LayerShape {
            inputs: layer.inputs,
            outputs: layer.outputs,
            activation: layer.activation,
            format: Format::values(Precision::F32),
        };
        Architecture {
            graph: self.graph.clone(),
            layers: self.layers.iter().map(shape).collect(),
            normalization: self.normalization,
            int8_clip: self.int8_clip,
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

    /// Weights and biases.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.layers
            .iter()
            .map(|layer| layer.weights.len() + layer.bias.len())
            .sum()
    }

    /// The name of an output, or its number where the file has no names.
    #[must_use]
    pub fn class_name(&self, label: usize) -> String {
        self.classes
            .get(label)
            .cloned()
            .unwrap_or_else(|| label.to_string())
    }

    /// Holds the model against every promise that the executors rely on.
    fn check(&self) -> Result<()> {
        let fail = |problem: String| Err(Error::file(&self.path, problem));
        if self.layers.is_empty() {
            return fail("has no layer: expected layers.0.weight and layers.0.bias".into());
        }
        let shapes: Vec<[usize; 2]> = self.layers.iter().map(Layer::shape).collect();
        self.graph.check(&shapes).or_else(fail)?;
        for (index, layer) in self.layers.iter().enumerate() {
            let [inputs, outputs] = layer.shape();
            if layer.weights.len() != inputs * outputs || layer.bias.len() != outputs {
                return fail(format!(
                    "layers.{index} does not have {inputs}×{outputs} weights"
                ));
            }
            for (name, values) in [("weight", &layer.weights), ("bias", &layer.bias)] {
                if let Some(at) = values.iter().position(|value| !value.is_finite()) {
                    let value = values[at];
                    return fail(format!(
                        "layers.{index}.{name}[{at}] is {value}, not a finite number"
                    ));
                }
            }
            if layer.activation == Activation::Softmax && !self.graph.is_last(index) {
                return fail(format!(
                    "layers.{index} has the activation softmax, but only the last layer may have it"
                ));
            }
        }
        if !self.classes.is_empty() && self.classes.len() != self.outputs() {
            return fail(format!(
                "has {} class names, but the last layer has {} outputs",
                self.classes.len(),
                self.outputs()
            ));
        }
        if !(1..=127).contains(&self.int8_clip) {
            return fail(format!("int8_clip is {}, not 1 to 127", self.int8_clip));
        }
        let given = self.mode.as_ref().map_or(0, |mode| mode.layers.len());
        if given != 0 && given != self.layers.len() {
            return fail(format!(
                "has layer_precisions for {given} layers, but it has {} layers",
                self.layers.len()
            ));
        }
        Ok(())
    }

    /// Checks that the model can be run in a precision at all.
    ///
    /// # Errors
    /// `Error::File` naming the layer whose shape or values do not fit, or whose int8 sums could leave
    /// int32.
    pub fn check_precision(&self, precision: Precision) -> Result<()> {
        // The fields are public: a model may have been changed since it was loaded, and the kernels
        // rely on its shapes.
        self.check()?;
        if precision != Precision::Int8 {
            return Ok(());
        }
        let q = u64::from(self.int8_clip);
        for (index, layer) in self.layers.iter().enumerate() {
            let largest = layer.inputs as u64 * q * q;
            if largest >= 1 << 31 {
                return Err(Error::file(
                    &self.path,
                    format!(
                        "layers.{index} has {} inputs, so its int8 sums could overflow int32: they could reach \
                         {largest}; use --precision f32 or f16, or a smaller int8_clip",
                        layer.inputs
                    ),
                ));
            }
        }
        Ok(())
    }
}
