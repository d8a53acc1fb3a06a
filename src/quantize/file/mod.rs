//! Quantized models as safetensors files: the numbers that run, and no float weights.
//!
//! | tensor | type | shape | where |
//! |---|---|---|---|
//! | `layers.N.weight` | F32, F16, BF16 | [in, out] | that precision |
//! | | I8 | [in, out] | int8 quantized values |
//! | | U8 | [ceil(in / 2), out] | int4 quantized values: of rows 2r and 2r + 1 in the low and the high half of a byte, each in two's complement |
//! | `layers.N.weight_scale` | F32 | [1] or [out] | int8 |
//! | | F16 | [ceil(in / 32), out] | int4 |
//! | `layers.N.bias` | F32 | [out] | everywhere |
//! | `layers.N.input_scale` | F32 | [1] | int8 whose input has a scale that is known: static, and pixels / 255 |
//! | `layers.N.input_zero_point` | I8 | [1] | likewise |
//!
//! The metadata have `quantized` (the version of this file format, 1), `inputs` (values of an image), `precision`,
//! `scheme`, `weights` and `layer_precisions` (the mode), the entries of every model, and how the numbers
//! came to be.

mod read;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::input::InputQuantization;
use super::layer::QuantizedLayer;
use super::network::QuantizedNetwork;
use super::weights::float_bytes;
use crate::Scheme;
use crate::atomic_file::AtomicFile;
use crate::error::{CheckError, Error, Result, UsageError};
use crate::mode::Mode;
use crate::model::{QUANTIZED, mode_entries, sort_metadata};

/// The version of the file format.
const VERSION: &str = "1";

/// A tensor that is to be written.
type OutputTensor = (String, Dtype, Vec<usize>, Vec<u8>);

/// Checks that a quantized file can hold a network in this mode.
///
/// # Errors
/// `Error::Usage` for int8 `dynamic-tensor`.
pub fn check_mode(mode: &Mode) -> Result<()> {
    if mode.scheme == Some(Scheme::DynamicTensor) {
        return Err(Error::Usage(UsageError::SchemeUnavailable {
            scheme: "dynamic-tensor",
            reason: "needs float weights and computes its scales from each batch, so it cannot be stored in a quantized file",
        }));
    }
    Ok(())
}

impl QuantizedNetwork {
    /// The bytes of its file: the same for the same model.
    ///
    /// # Errors
    /// `Error::CheckFailed` where parameters leave the range of their type; `Error::Usage` where it has no such
    /// file, `Error::File` where its layers do not follow each other, `Error::Internal` where the format refuses
    /// it, which no checked model makes it do.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.check()?;
        check_mode(&self.mode)?;
        self.graph.check_storable(&self.path)?;
        if let Some(out_of_range) = self.out_of_range {
            return Err(Error::CheckFailed(CheckError::OutOfRange {
                mode: self.mode.to_string(),
                problem: out_of_range.to_string(),
            }));
        }
        let internal = |error| Error::encoding("safetensors", error);
        let tensors: Vec<OutputTensor> = self
            .layers
            .iter()
            .enumerate()
            .flat_map(|(index, layer)| tensors(index, layer))
            .collect();
        let mut views = Vec::new();
        for (name, dtype, shape, bytes) in &tensors {
            let view = TensorView::new(*dtype, shape.clone(), bytes).map_err(internal)?;
            views.push((name.as_str(), view));
        }
        let bytes = safetensors::serialize(views, Some(self.metadata())).map_err(internal)?;
        sort_metadata(&bytes)
    }

    /// Writes its file whole or not at all.
    ///
    /// # Errors
    /// Those of [`QuantizedNetwork::to_bytes`]; `Error::Output` where the folder or the disk does not take it.
    pub fn save(&self, path: &Path) -> Result<()> {
        AtomicFile::create(path)?.commit(&self.to_bytes()?)
    }

    fn metadata(&self) -> HashMap<String, String> {
        let activations: Vec<_> = self.layers.iter().map(|l| l.activation.name()).collect();
        let mut metadata: HashMap<_, _> = self.provenance.clone().into_iter().collect();
        metadata.extend(mode_entries(&self.mode));
        let inputs = self.graph.inputs();
        for (key, value) in [
            (QUANTIZED, VERSION.to_owned()),
            ("inputs", inputs.to_string()),
            ("activations", activations.join(",")),
            ("normalization", self.normalization.to_string()),
            ("int8_clip", self.int8_clip.to_string()),
        ] {
            metadata.insert(key.to_owned(), value);
        }
        if !self.classes.is_empty() {
            metadata.insert("classes".into(), self.classes.join(","));
        }
        metadata
    }
}

fn tensors(index: usize, layer: &QuantizedLayer) -> Vec<OutputTensor> {
    let mut tensors = layer.weights.tensors(layer.shape());
    if let InputQuantization::Static(affine) = layer.input {
        let zero_point = vec![affine.zero_point as u8];
        tensors.extend([
            (
                "input_scale",
                Dtype::F32,
                vec![1],
                float_bytes(&[affine.scale]),
            ),
            ("input_zero_point", Dtype::I8, vec![1], zero_point),
        ]);
    }
    let bias = float_bytes(&layer.bias);
    tensors.push(("bias", Dtype::F32, vec![layer.outputs], bias));
    let named =
        |(part, dtype, shape, bytes)| (format!("layers.{index}.{part}"), dtype, shape, bytes);
    tensors.into_iter().map(named).collect()
}
