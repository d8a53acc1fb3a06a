//! Reading a quantized file: every name, type, shape and value is checked.

use std::collections::HashMap;
use std::path::Path;

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};

use super::super::convert::{PIXELS, input_of_row};
use super::super::{Affine, Deployed, DeployedLayer, INT4_GROUP, Input, Weights};
use super::{VERSION, unpack};
use crate::Precision;
use crate::dataset::{hex, read_file};
use crate::error::{Error, Result};
use crate::mode::Mode;
use crate::model::{
    Activation, DEFAULT_INT8_CLIP, MODE_KEYS, Normalization, QUANTIZED, entry, stored_mode,
};
use crate::quant::{Scheme, WeightScales};

/// Metadata that are no provenance, beside those of the mode.
const OWN_KEYS: [&str; 6] = [
    QUANTIZED,
    "inputs",
    "activations",
    "normalization",
    "int8_clip",
    "classes",
];

impl Deployed {
    /// Reads a quantized file.
    ///
    /// # Errors
    /// `Error::File` where it is missing, damaged, or not a quantized network.
    pub fn load(path: &Path) -> Result<Self> {
        Self::from_bytes(path, &read_file(path)?)
    }

    /// Reads a quantized model from the bytes of a file; `path` names it in errors and results.
    ///
    /// # Errors
    /// `Error::File` where the bytes are damaged, or not a quantized network.
    pub fn from_bytes(path: impl AsRef<Path>, bytes: &[u8]) -> Result<Self> {
        let path = path.as_ref();
        let damaged = |error| Error::file(path, format!("not a valid safetensors file: {error}"));
        let tensors = SafeTensors::deserialize(bytes).map_err(damaged)?;
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let reader = Reader {
            path,
            tensors: &tensors,
        };
        let model = reader.model(metadata, hex(&Sha256::digest(bytes)))?;
        model.check()?;
        Ok(model)
    }
}

/// An open file.
struct Reader<'a> {
    path: &'a Path,
    tensors: &'a SafeTensors<'a>,
}

/// A tensor that has the type and shape it must have.
struct Checked<'a>(&'a [u8]);

impl Checked<'_> {
    fn words(&self) -> impl Iterator<Item = [u8; 2]> {
        self.0.chunks_exact(2).map(|bytes| [bytes[0], bytes[1]])
    }

    fn floats(&self) -> Vec<f32> {
        let float = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
        self.0.chunks_exact(4).map(float).collect()
    }

    fn codes(&self) -> Vec<i8> {
        self.0.iter().map(|&byte| byte as i8).collect()
    }
}

impl Reader<'_> {
    fn fail<T>(&self, problem: impl Into<String>) -> Result<T> {
        Err(Error::file(self.path, problem))
    }

    fn model(&self, metadata: HashMap<String, String>, sha256: String) -> Result<Deployed> {
        let path = self.path;
        match metadata.get(QUANTIZED).map(String::as_str) {
            Some(VERSION) => {}
            Some(other) => {
                return self.fail(format!(
                    "metadata '{QUANTIZED}' is {other}, and this program reads {VERSION}"
                ));
            }
            None => return self.fail(format!("the metadata have no '{QUANTIZED}'")),
        }
        let required = |key: &str| {
            let value = metadata.get(key);
            value.ok_or_else(|| Error::file(path, format!("the metadata have no '{key}'")))
        };
        let activations: Vec<Activation> = required("activations")?
            .split(',')
            .map(|name| {
                name.trim()
                    .parse()
                    .map_err(|error: String| Error::file(path, error))
            })
            .collect::<Result<_>>()?;
        required("inputs")?;
        let inputs: usize = entry(path, &metadata, "inputs")?.unwrap_or(0);
        let normalization = entry(path, &metadata, "normalization")?.unwrap_or(Normalization::Unit);
        let mode = self.mode(&metadata, activations.len())?;
        let classes = metadata.get("classes").map_or_else(Vec::new, |names| {
            names
                .split(',')
                .map(|name| name.trim().to_owned())
                .collect()
        });
        let int8_clip = entry(path, &metadata, "int8_clip")?.unwrap_or(DEFAULT_INT8_CLIP);
        let layers = self.layers(&mode, &activations, inputs, normalization)?;
        let own = |key: &str| OWN_KEYS.contains(&key) || MODE_KEYS.contains(&key);
        Ok(Deployed {
            mode,
            layers,
            normalization,
            classes,
            int8_clip,
            provenance: metadata.into_iter().filter(|(key, _)| !own(key)).collect(),
            path: path.to_owned(),
            sha256,
            beyond: None,
        })
    }

    fn mode(&self, metadata: &HashMap<String, String>, layers: usize) -> Result<Mode> {
        let Some(mode) = stored_mode(self.path, metadata)? else {
            return self.fail("the metadata have no 'precision'");
        };
        if mode.scheme == Some(Scheme::DynamicTensor) {
            return self.fail(
                "metadata 'scheme' is dynamic-tensor: a quantized file is dynamic-row or static",
            );
        }
        if !mode.layers.is_empty() && mode.layers.len() != layers {
            let told = mode.layers.len();
            return self.fail(format!(
                "metadata 'layer_precisions' tells of {told} layers, 'activations' of {layers}"
            ));
        }
        Ok(mode)
    }

    /// The layers that `activations` counts, and no tensor besides.
    fn layers(
        &self,
        mode: &Mode,
        activations: &[Activation],
        mut inputs: usize,
        normalization: Normalization,
    ) -> Result<Vec<DeployedLayer>> {
        let mut layers = Vec::new();
        let mut read = 0;
        for (index, &activation) in activations.iter().enumerate() {
            let bias = self.any(&format!("layers.{index}.bias"), Dtype::F32)?;
            let outputs = bias.0.len() / 4;
            if inputs == 0 || outputs == 0 {
                return self.fail(format!("layers.{index} is empty: {inputs}×{outputs}"));
            }
            let before = index.checked_sub(1).map(|before| activations[before]);
            let int8 = mode.layer(index) == Precision::Int8;
            let input = match mode.scheme {
                Some(Scheme::Static) if int8 => self.affine(index, normalization)?,
                // Pixels have codes of their own in either scheme.
                _ if int8 && index == 0 && normalization == Normalization::Unit => {
                    self.affine(index, normalization)?
                }
                _ if int8 => input_of_row(before),
                _ => Input::Values,
            };
            let weights = self.weights(mode, index, inputs, outputs)?;
            read += 2;
            read += usize::from(matches!(
                weights,
                Weights::Int8 { .. } | Weights::Int4 { .. }
            ));
            read += 2 * usize::from(matches!(input, Input::Static(_)));
            layers.push(DeployedLayer {
                inputs,
                outputs,
                weights,
                bias: self.tensor(index, "bias", Dtype::F32, &[outputs])?.floats(),
                activation,
                input,
            });
            inputs = outputs;
        }
        if self.tensors.len() != read {
            let held = self.tensors.len();
            return self.fail(format!(
                "holds {held} tensors, but its layers call for {read}"
            ));
        }
        Ok(layers)
    }

    fn weights(&self, mode: &Mode, index: usize, inputs: usize, outputs: usize) -> Result<Weights> {
        let weight = |dtype| self.tensor(index, "weight", dtype, &[inputs, outputs]);
        Ok(match mode.layer(index) {
            Precision::F32 => Weights::F32(weight(Dtype::F32)?.floats()),
            Precision::F16 => {
                let words = weight(Dtype::F16)?;
                Weights::F16(words.words().map(f16::from_le_bytes).collect())
            }
            Precision::Bf16 => {
                let words = weight(Dtype::BF16)?;
                Weights::Bf16(words.words().map(bf16::from_le_bytes).collect())
            }
            Precision::Int8 => {
                let scales = match mode.weights {
                    Some(WeightScales::Tensor) => 1,
                    _ => outputs,
                };
                let scales = self.tensor(index, "weight_scale", Dtype::F32, &[scales])?;
                Weights::Int8 {
                    codes: weight(Dtype::I8)?.codes(),
                    scales: scales.floats(),
                }
            }
            Precision::Int4 => {
                let shape = [inputs.div_ceil(2), outputs];
                let packed = self.tensor(index, "weight", Dtype::U8, &shape)?;
                let (codes, clean) = unpack(packed.0, inputs, outputs);
                if !clean {
                    return self.fail(format!(
                        "layers.{index}.weight holds codes beyond its {inputs} rows"
                    ));
                }
                let shape = [inputs.div_ceil(INT4_GROUP), outputs];
                let scales = self.tensor(index, "weight_scale", Dtype::F16, &shape)?;
                let scales = scales.words().map(f16::from_le_bytes).collect();
                Weights::Int4 { codes, scales }
            }
            Precision::Mixed => return self.fail(format!("layers.{index} has no precision")),
        })
    }

    fn affine(&self, index: usize, normalization: Normalization) -> Result<Input> {
        let scale = self.tensor(index, "input_scale", Dtype::F32, &[1])?;
        let zero_point = self.tensor(index, "input_zero_point", Dtype::I8, &[1])?;
        let affine = Affine {
            scale: scale.floats()[0],
            zero_point: zero_point.codes()[0],
        };
        if index == 0 && normalization == Normalization::Unit && affine != PIXELS {
            return self.fail(format!(
                "layers.0.input_scale and .input_zero_point are {} and {}, not those of pixels / 255, {} and {}",
                affine.scale, affine.zero_point, PIXELS.scale, PIXELS.zero_point
            ));
        }
        Ok(Input::Static(affine))
    }

    /// A tensor of a layer that must have this type and shape.
    fn tensor(
        &self,
        index: usize,
        part: &str,
        dtype: Dtype,
        shape: &[usize],
    ) -> Result<Checked<'_>> {
        let name = format!("layers.{index}.{part}");
        let tensor = self.any(&name, dtype)?;
        let has = self.tensors.tensor(&name).map(|view| view.shape().to_vec());
        match has {
            Ok(has) if has == shape => Ok(tensor),
            _ => self.fail(format!(
                "{name} has the shape {:?}, not {shape:?}",
                has.unwrap_or_default()
            )),
        }
    }

    /// A tensor of this type.
    fn any(&self, name: &str, dtype: Dtype) -> Result<Checked<'_>> {
        let Ok(view) = self.tensors.tensor(name) else {
            return self.fail(format!("has no tensor {name}"));
        };
        if view.dtype() != dtype {
            return self.fail(format!(
                "{name} is of type {:?}, not {dtype:?}",
                view.dtype()
            ));
        }
        Ok(Checked(view.data()))
    }
}
