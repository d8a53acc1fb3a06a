//! A network with float parameters, and what it must be.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::activation::Activation;
use super::architecture::{Architecture, DEFAULT_INT8_CLIP, Format, LayerShape};
use super::graph::Graph;
use super::normalization::Normalization;
use crate::Precision;
use crate::error::{Error, FileError, Result};
use crate::mode::Mode;

/// The default model: 784-64-10, trained by this project (data/README.md says how).
const DEFAULT_MODEL: &[u8] = include_bytes!("../../data/models/default.safetensors");

/// SHA-256 of the built-in model's file before it held its calibration.
const DEFAULT_MODEL_WITHOUT_CALIBRATION: &str =
    "f4cf361bc82f1c0bf7860f7bb03b890c15a25caf2b84f9cb8b74106570020c74";

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
    /// The largest int8 value that its quantization uses, 1 to 127.
    pub int8_clip: u8,
    /// The range of each layer's input over calibration images, `(low, high)` with low ≤ 0 ≤ high, first layer first: its
    /// calibration for int8 `static`. None where the file holds none.
    pub input_ranges: Option<Vec<(f32, f32)>>,
    /// How the model was made: seed, epochs, command, accuracy.
    pub provenance: BTreeMap<String, String>,
    /// Where it was read from; `embedded` for the default, and `random weights` with their seed.
    pub path: PathBuf,
    /// SHA-256 of the file, or of random weights; empty where the model was made otherwise.
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
            input_ranges: None,
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

    /// Whether these are the SHA-256 of the same model. The file of the built-in one changed once: its calibration was
    /// added.
    #[must_use]
    pub fn is_same_file(one: &str, other: &str) -> bool {
        let before = |sha256: &str| sha256 == DEFAULT_MODEL_WITHOUT_CALIBRATION;
        let now = |sha256: &str| Self::default_model().is_ok_and(|model| model.sha256 == sha256);
        one == other || before(one) && now(other) || before(other) && now(one)
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
    pub(super) fn check(&self) -> Result<()> {
        let fail = |problem: String| Err(Error::file(&self.path, FileError::model(problem)));
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
                    FileError::unsuitable(
                        format!(
                            "layers.{index} has {} inputs, so its int8 sums could overflow int32: they could reach \
                             {largest}",
                            layer.inputs
                        ),
                        "use --precision f32 or f16, or a smaller int8_clip",
                    ),
                ));
            }
        }
        Ok(())
    }
}
