//! Reading a quantized file: every name, type, shape and value is checked.

use std::collections::HashMap;
use std::path::Path;

use super::super::convert::{input_of_row, of_pixels};
use super::super::input::{Affine, InputQuantization};
use super::super::layer::QuantizedLayer;
use super::super::network::QuantizedNetwork;
use super::super::weights::{ReadTensor, Weights};
use super::VERSION;
use crate::Precision;
use crate::error::{Error, FileError, Result};
use crate::mode::Mode;
use crate::model::{
    Activation, DEFAULT_INT8_CLIP, Element, Graph, MODE_KEYS, Normalization, QUANTIZED, Tensors,
    entry, stored_classes, stored_mode,
};
use crate::scheme::Scheme;

/// Metadata that are no provenance, beside those of the mode.
const OWN_KEYS: [&str; 6] = [
    QUANTIZED,
    "inputs",
    "activations",
    "normalization",
    "int8_clip",
    "classes",
];

impl QuantizedNetwork {
    /// Reads a quantized file.
    ///
    /// # Errors
    /// `Error::File` where it is missing, damaged, or not a quantized network.
    pub fn load(path: &Path) -> Result<Self> {
        Self::from_tensors(Tensors::load(path)?)
    }

    /// Reads a quantized model from the bytes of a file; `path` names it in errors and results.
    ///
    /// # Errors
    /// `Error::File` where the bytes are damaged, or not a quantized network.
    pub fn from_bytes(path: impl AsRef<Path>, bytes: &[u8]) -> Result<Self> {
        Self::from_tensors(Tensors::of_bytes(path.as_ref(), bytes)?)
    }

    /// The quantized model of an open file.
    ///
    /// # Errors
    /// `Error::File` where it is not a quantized network.
    pub(crate) fn from_tensors(mut tensors: Tensors) -> Result<Self> {
        let metadata = std::mem::take(&mut tensors.metadata);
        let path = tensors.path.clone();
        let mut reader = Reader {
            path: &path,
            tensors,
        };
        let model = reader.model(metadata)?;
        model.check()?;
        Ok(model)
    }
}

/// An open file.
struct Reader<'a> {
    path: &'a Path,
    tensors: Tensors,
}

impl Reader<'_> {
    fn fail<T>(&self, problem: impl AsRef<str>) -> Result<T> {
        Err(Error::file(self.path, FileError::quantized_model(problem)))
    }

    fn model(&mut self, metadata: HashMap<String, String>) -> Result<QuantizedNetwork> {
        let path = self.path;
        match metadata.get(QUANTIZED).map(String::as_str) {
            Some(VERSION) => {}
            Some(other) => {
                return self.fail(format!(
                    "metadata '{QUANTIZED}' is {other}, but this program reads {VERSION}"
                ));
            }
            None => return self.fail(format!("the metadata has no '{QUANTIZED}'")),
        }
        let required = |key: &str| {
            let value = metadata.get(key);
            value.ok_or_else(|| {
                Error::file(
                    path,
                    FileError::quantized_model(format!("the metadata has no '{key}'")),
                )
            })
        };
        let activations: Vec<Activation> = required("activations")?
            .split(',')
            .map(|name| {
                name.trim()
                    .parse()
                    .map_err(|error: String| Error::file(path, FileError::quantized_model(error)))
            })
            .collect::<Result<_>>()?;
        required("inputs")?;
        let inputs: usize = entry(path, &metadata, "inputs")?.unwrap_or(0);
        let normalization = entry(path, &metadata, "normalization")?.unwrap_or(Normalization::Unit);
        let mode = self.mode(&metadata, activations.len())?;
        let classes = stored_classes(path, &metadata)?;
        let int8_clip = entry(path, &metadata, "int8_clip")?.unwrap_or(DEFAULT_INT8_CLIP);
        let layers = self.layers(&mode, &activations, inputs, normalization)?;
        let graph = Graph::chain(layers.iter().map(QuantizedLayer::shape));
        let own = |key: &str| OWN_KEYS.contains(&key) || MODE_KEYS.contains(&key);
        Ok(QuantizedNetwork {
            mode,
            graph,
            layers,
            normalization,
            classes,
            int8_clip,
            provenance: metadata.into_iter().filter(|(key, _)| !own(key)).collect(),
            path: path.to_owned(),
            sha256: self.tensors.sha256.clone(),
            out_of_range: None,
            lost_parameters: Vec::new(),
        })
    }

    fn mode(&self, metadata: &HashMap<String, String>, layers: usize) -> Result<Mode> {
        let Some(mode) = stored_mode(self.path, metadata)? else {
            return self.fail("the metadata has no 'precision'");
        };
        if mode.scheme == Some(Scheme::DynamicTensor) {
            return self.fail(
                "metadata 'scheme' is dynamic-tensor, but a quantized file is dynamic-row or static",
            );
        }
        if !mode.layers.is_empty() && mode.layers.len() != layers {
            let given = mode.layers.len();
            return self.fail(format!(
                "metadata 'layer_precisions' has {given} layers, but 'activations' has {layers}"
            ));
        }
        Ok(mode)
    }

    /// The layers that `activations` counts, and no tensor besides.
    fn layers(
        &mut self,
        mode: &Mode,
        activations: &[Activation],
        mut inputs: usize,
        normalization: Normalization,
    ) -> Result<Vec<QuantizedLayer>> {
        let mut layers = Vec::new();
        let mut read = 0;
        for (index, &activation) in activations.iter().enumerate() {
            let name = format!("layers.{index}.bias");
            let (shape, bias) = self.tensors.take(&name)?;
            let outputs = bias.len();
            self.shaped(&name, &shape, &[outputs])?;
            if inputs == 0 || outputs == 0 {
                return self.fail(format!("layers.{index} is empty: {inputs}×{outputs}"));
            }
            let before = index.checked_sub(1).map(|before| activations[before]);
            let int8 = mode.layer(index) == Precision::Int8;
            let input = match mode.scheme {
                Some(Scheme::Static) if int8 => self.affine(index, normalization)?,
                // Pixels have quantized values of their own in either scheme.
                _ if int8 && index == 0 && normalization == Normalization::Unit => {
                    self.affine(index, normalization)?
                }
                _ if int8 => input_of_row(before),
                _ => InputQuantization::Values,
            };
            let mut layer = OfLayer {
                reader: self,
                index,
                read: 1,
            };
            let (shape, scales) = ([inputs, outputs], mode.weights);
            let weights = Weights::read(&mut layer, mode.layer(index), shape, scales)?;
            read += layer.read;
            read += 2 * usize::from(matches!(input, InputQuantization::Static(_)));
            layers.push(QuantizedLayer {
                inputs,
                outputs,
                weights,
                bias,
                activation,
                input,
            });
            inputs = outputs;
        }
        if self.tensors.count != read {
            let held = self.tensors.count;
            return self.fail(format!("has {held} tensors, but its layers need {read}"));
        }
        Ok(layers)
    }

    fn affine(&mut self, index: usize, normalization: Normalization) -> Result<InputQuantization> {
        let scale: Vec<f32> = self.tensor(index, "input_scale", &[1])?;
        let zero_point: Vec<i8> = self.tensor(index, "input_zero_point", &[1])?;
        let affine = Affine {
            scale: scale[0],
            zero_point: zero_point[0],
        };
        let pixels = of_pixels(normalization);
        if index == 0 && affine != pixels {
            return self.fail(format!(
                "layers.0.input_scale and .input_zero_point are {} and {}, but for pixels they must be {} and {}",
                affine.scale, affine.zero_point, pixels.scale, pixels.zero_point
            ));
        }
        Ok(InputQuantization::Static(affine))
    }

    /// A tensor of a layer that must have this type and shape.
    fn tensor<T: Element>(&mut self, index: usize, part: &str, shape: &[usize]) -> Result<Vec<T>> {
        let name = format!("layers.{index}.{part}");
        let (has, values) = self.tensors.take(&name)?;
        self.shaped(&name, &has, shape)?;
        Ok(values)
    }

    fn shaped(&self, name: &str, has: &[usize], wanted: &[usize]) -> Result<()> {
        if has == wanted {
            return Ok(());
        }
        self.fail(format!(
            "{name} has the shape {has:?} instead of {wanted:?}"
        ))
    }
}

/// The tensors of one layer, which it counts.
struct OfLayer<'a, 'b> {
    reader: &'a mut Reader<'b>,
    index: usize,
    read: usize,
}

impl ReadTensor for OfLayer<'_, '_> {
    type Error = Error;

    fn read<T: Element>(&mut self, part: &str, shape: &[usize]) -> Result<Vec<T>> {
        self.read += 1;
        self.reader.tensor(self.index, part, shape)
    }

    fn fail(&self, problem: String) -> Error {
        let problem = format!("layers.{}{problem}", self.index);
        Error::file(self.reader.path, FileError::quantized_model(problem))
    }
}
