//! Models as safetensors files: `layers.N.weight` `[in, out]` and `layers.N.bias` `[out]`, float32,
//! with the rest in the metadata. Every name, shape, type and value is checked at load.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::activation::Activation;
use super::architecture::DEFAULT_INT8_CLIP;
use super::graph::Graph;
use super::network::{Layer, Network};
use super::normalization::Normalization;
use super::stored::{MODE_KEYS, classes, entry, mode, mode_entries};
use super::tensors::Tensors;
use crate::atomic_file::AtomicFile;
use crate::error::{Error, FileError, Result};

/// The metadata entry that marks a quantized file; a model with float weights has none.
pub(crate) const QUANTIZED: &str = "quantized";

/// The metadata entry with the calibration of int8 `static`: `low:high` of each layer's input, with commas between them.
const INPUT_RANGES: &str = "input_ranges";

/// Metadata that the model itself uses, with those of its mode; all other entries are its provenance.
const OWN_KEYS: [&str; 5] = [
    "activations",
    "normalization",
    "classes",
    "int8_clip",
    INPUT_RANGES,
];

impl Network {
    /// Reads a model file.
    ///
    /// # Errors
    /// `Error::File` where it is missing, damaged, or not a dense network.
    pub fn load(path: &Path) -> Result<Self> {
        Self::from_tensors(Tensors::load(path)?)
    }

    /// Reads a model from the bytes of a file; `path` names it in errors and results.
    ///
    /// # Errors
    /// `Error::File` where the bytes are damaged, or not a dense network.
    pub fn from_bytes(path: impl AsRef<Path>, bytes: &[u8]) -> Result<Self> {
        Self::from_tensors(Tensors::of_bytes(path.as_ref(), bytes)?)
    }

    /// The model of an open file.
    ///
    /// # Errors
    /// `Error::File` where it is not a dense network with float weights.
    pub(crate) fn from_tensors(mut tensors: Tensors) -> Result<Self> {
        let (path, metadata) = (tensors.path.clone(), std::mem::take(&mut tensors.metadata));
        let fail = |problem: String| Error::file(&path, FileError::model(problem));
        if metadata.contains_key(QUANTIZED) {
            let problem = "is quantized, but float weights are needed here";
            let remedy = "use the model that it was made from";
            return Err(Error::file(&path, FileError::unsuitable(problem, remedy)));
        }
        let activations: Vec<Activation> = metadata
            .get("activations")
            .ok_or_else(|| {
                fail("the metadata has no 'activations' (for example relu,softmax)".into())
            })?
            .split(',')
            .map(|name| name.trim().parse().map_err(fail))
            .collect::<Result<_>>()?;
        let layers = read_layers(&mut tensors, &activations)?;
        let classes = classes(&path, &metadata)?;
        let own = |key: &str| OWN_KEYS.contains(&key) || MODE_KEYS.contains(&key);
        let model = Self {
            graph: Graph::chain(layers.iter().map(Layer::shape)),
            layers,
            normalization: entry(&path, &metadata, "normalization")?.unwrap_or(Normalization::Unit),
            classes,
            mode: mode(&path, &metadata)?,
            int8_clip: entry(&path, &metadata, "int8_clip")?.unwrap_or(DEFAULT_INT8_CLIP),
            input_ranges: match metadata.get(INPUT_RANGES) {
                Some(text) => Some(parse_input_ranges(text, activations.len()).map_err(fail)?),
                None => None,
            },
            provenance: metadata.into_iter().filter(|(key, _)| !own(key)).collect(),
            path,
            sha256: tensors.sha256,
        };
        model.check()?;
        Ok(model)
    }

    /// The bytes of the model's file.
    ///
    /// # Errors
    /// `Error::File` where its layers do not follow each other; `Error::Internal` where the format refuses the
    /// model, which no checked model makes it do.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.graph.check_storable(&self.path)?;
        let internal = |error| Error::encoding("safetensors", error);
        let mut views = Vec::new();
        for (index, layer) in self.layers.iter().enumerate() {
            let weights = bytemuck::cast_slice(&layer.weights);
            let shape = vec![layer.inputs, layer.outputs];
            let view = TensorView::new(Dtype::F32, shape, weights).map_err(internal)?;
            views.push((format!("layers.{index}.weight"), view));
            let bias = bytemuck::cast_slice(&layer.bias);
            let view = TensorView::new(Dtype::F32, vec![layer.outputs], bias).map_err(internal)?;
            views.push((format!("layers.{index}.bias"), view));
        }
        let bytes = safetensors::serialize(views, Some(self.metadata())).map_err(internal)?;
        sort_metadata(&bytes)
    }

    /// Writes the model's file whole or not at all: beside its place first, then moved there.
    ///
    /// # Errors
    /// Those of [`Network::to_bytes`]; `Error::Output` where the folder or the disk does not take it.
    pub fn save(&self, path: &Path) -> Result<()> {
        AtomicFile::create(path)?.commit(&self.to_bytes()?)
    }

    fn metadata(&self) -> HashMap<String, String> {
        let names: Vec<_> = self
            .layers
            .iter()
            .map(|layer| layer.activation.name())
            .collect();
        let mut metadata: HashMap<_, _> = self.provenance.clone().into_iter().collect();
        metadata.insert("activations".into(), names.join(","));
        metadata.insert("normalization".into(), self.normalization.to_string());
        metadata.insert("int8_clip".into(), self.int8_clip.to_string());
        if !self.classes.is_empty() {
            metadata.insert("classes".into(), self.classes.join(","));
        }
        if let Some(mode) = &self.mode {
            metadata.extend(mode_entries(mode));
        }
        if let Some(ranges) = &self.input_ranges {
            // The shortest digits that read back as the same number.
            let texts: Vec<String> = ranges
                .iter()
                .map(|(low, high)| format!("{low}:{high}"))
                .collect();
            metadata.insert(INPUT_RANGES.into(), texts.join(","));
        }
        metadata
    }
}

/// The ranges of `layers` layers, or what is wrong with them.
fn parse_input_ranges(text: &str, layers: usize) -> Result<Vec<(f32, f32)>, String> {
    let wrong = |problem: &str| format!("metadata '{INPUT_RANGES}' {problem}");
    let range = |range: &str| {
        let (low, high) = range.split_once(':')?;
        let (low, high) = (low.trim().parse().ok()?, high.trim().parse().ok()?);
        let good = (f32::MIN..=0.0).contains(&low) && (0.0..=f32::MAX).contains(&high);
        good.then_some((low, high))
    };
    let ranges: Option<Vec<(f32, f32)>> = text.split(',').map(range).collect();
    match ranges {
        None => Err(wrong(
            "has a range that is not low:high around zero, for example 0:1",
        )),
        Some(ranges) if ranges.len() != layers => Err(wrong(&format!(
            "has {} ranges, but the model has {layers} layers",
            ranges.len()
        ))),
        Some(ranges) => Ok(ranges),
    }
}

/// Rewrites a safetensors header with its keys in order.
///
/// The library keeps metadata in a hash map, whose order changes from run to run; the same model
/// must give the same bytes.
pub(crate) fn sort_metadata(bytes: &[u8]) -> Result<Vec<u8>> {
    let internal = |problem: &str| Error::encoding("safetensors", problem);
    let (length, rest) = bytes
        .split_at_checked(8)
        .ok_or_else(|| internal("too short"))?;
    let length = u64::from_le_bytes(length.try_into().map_err(|_| internal("too short"))?);
    let (header, data) = usize::try_from(length)
        .ok()
        .and_then(|length| rest.split_at_checked(length))
        .ok_or_else(|| internal("longer than the file"))?;
    // serde_json's own map keeps its keys sorted.
    let header: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(header).map_err(|error| internal(&error.to_string()))?;
    let mut header = serde_json::to_vec(&header).map_err(|error| internal(&error.to_string()))?;
    // The data begins at a multiple of eight bytes, as the format asks.
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut sorted = (header.len() as u64).to_le_bytes().to_vec();
    sorted.append(&mut header);
    sorted.extend_from_slice(data);
    Ok(sorted)
}

/// The layers that `activations` counts, and no tensor besides.
fn read_layers(tensors: &mut Tensors, activations: &[Activation]) -> Result<Vec<Layer>> {
    let mut layers = Vec::new();
    for (index, &activation) in activations.iter().enumerate() {
        let (shape, weights) = tensors.take(&format!("layers.{index}.weight"))?;
        let (bias_shape, bias) = tensors.take(&format!("layers.{index}.bias"))?;
        let &[inputs, outputs] = shape.as_slice() else {
            let problem = format!("layers.{index}.weight has shape {shape:?}, not [in, out]");
            return Err(Error::file(&tensors.path, FileError::model(problem)));
        };
        if bias_shape == [inputs] && inputs != outputs {
            let problem = format!(
                "layers.{index}.weight has shape {shape:?}, and its bias {bias_shape:?}; expected [in, out]"
            );
            let remedy = "transpose the weight, which PyTorch stores as [out, in]";
            return Err(Error::file(
                &tensors.path,
                FileError::unsuitable(problem, remedy),
            ));
        }
        if bias_shape != [outputs] {
            let problem = format!("layers.{index}.bias has shape {bias_shape:?}, not [{outputs}]");
            return Err(Error::file(&tensors.path, FileError::model(problem)));
        }
        layers.push(Layer {
            inputs,
            outputs,
            weights,
            bias,
            activation,
        });
    }
    if tensors.count != 2 * layers.len() {
        return Err(Error::file(
            &tensors.path,
            FileError::model(format!(
                "has {} tensors, but a model with {} activations has {}: layers.0.weight, layers.0.bias, …",
                tensors.count,
                layers.len(),
                2 * layers.len()
            )),
        ));
    }
    Ok(layers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Precision;

    fn model() -> Network {
        let layer = |inputs: usize, outputs: usize, activation| Layer {
            inputs,
            outputs,
            weights: (0..inputs * outputs).map(|i| i as f32 / 7.0).collect(),
            bias: vec![0.5; outputs],
            activation,
        };
        let mut model = Network::new(vec![
            layer(3, 4, Activation::Tanh),
            layer(4, 2, Activation::Softmax),
        ])
        .unwrap();
        model.classes = vec!["a".into(), "b".into()];
        model.mode = Some(Precision::F16.into());
        model.int8_clip = 63;
        model.normalization = Normalization::Standard {
            mean: 0.25,
            std: 0.5,
        };
        model.input_ranges = Some(vec![(-1.0, 3.1), (-0.1, 0.0)]);
        model.provenance.insert("seed".into(), "7".into());
        model
    }

    #[test]
    fn a_saved_model_loads_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.safetensors");
        let mut model = model();
        model.save(&path).unwrap();
        let loaded = Network::load(&path).unwrap();
        model.path = path;
        model.sha256.clone_from(&loaded.sha256);
        assert_eq!(loaded, model);
        assert_eq!(loaded.to_bytes().unwrap(), model.to_bytes().unwrap());
    }

    #[test]
    fn files_of_other_kinds_are_named() {
        for (bytes, words) in [
            (
                &b"\x1f\x8b\x08\0\0\0\0\0\0\x03"[..],
                "a gzip file, not safetensors; unpack it first",
            ),
            (b"\x80\x02}q\0.", "a Python pickle"),
            (b"\x08\x07\x12\x07pytorch", "an ONNX file"),
            (b"\0\0\x08\x03\0\0\x27\x10\0\0\0\x1c", "--data"),
            (b"{\"schema\": 2}", "a JSON file"),
        ] {
            let error = Network::from_bytes("m", bytes).unwrap_err();
            assert_eq!(error.exit_code(), 7);
            assert!(error.to_string().contains(words), "{error}");
        }
        // The beginning of a model is a damaged model, whatever its length looks like.
        let mut bytes = model().to_bytes().unwrap();
        bytes[0] = b'{';
        let error = Network::from_bytes("m", &bytes).unwrap_err().to_string();
        assert!(error.contains("not a valid safetensors file"), "{error}");
    }

    #[test]
    fn a_key_that_stands_twice_is_named() {
        for (twice, key) in [
            (
                r#"{"__metadata__":{"int8_clip":"63","int8_clip":"127"}}"#,
                "int8_clip",
            ),
            (
                r#"{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#,
                "a",
            ),
            (
                r#"{"a":{"dtype":"U8","dtype":"I8","shape":[0],"data_offsets":[0,0]}}"#,
                "dtype",
            ),
        ] {
            let file = [&(twice.len() as u64).to_le_bytes()[..], twice.as_bytes()].concat();
            let error = Network::from_bytes("m", &file).unwrap_err().to_string();
            let words = format!("its header has the key '{key}' twice");
            assert!(error.contains(&words), "{error}");
        }
    }

    #[test]
    fn every_truncation_is_refused() {
        let bytes = model().to_bytes().unwrap();
        for length in 0..bytes.len() {
            let error = Network::from_bytes("m", &bytes[..length]).unwrap_err();
            assert_eq!(error.exit_code(), 7, "{length} bytes");
        }
    }

    /// The message for a model changed by `change`, written and read again.
    fn refused(change: impl FnOnce(&mut Network)) -> String {
        let mut model = model();
        change(&mut model);
        let error = Network::from_bytes("m", &model.to_bytes().unwrap()).unwrap_err();
        assert_eq!(error.exit_code(), 7);
        error.to_string()
    }

    #[test]
    fn bad_values_are_named() {
        let message = refused(|model| model.layers[1].weights[5] = f32::NAN);
        assert!(message.contains("layers.1.weight[5] is NaN"), "{message}");
        let message = refused(|model| model.layers[0].bias[1] = f32::INFINITY);
        assert!(message.contains("layers.0.bias[1] is inf"), "{message}");
        let message = refused(|model| model.int8_clip = 0);
        assert!(message.contains("int8_clip"), "{message}");
        let message = refused(|model| model.layers[0].activation = Activation::Softmax);
        assert!(message.contains("softmax"), "{message}");
        for (ranges, words) in [
            (vec![(0.0, 1.0)], "1 ranges"),
            (vec![(0.5, 1.0), (0.0, 1.0)], "around zero"),
            (vec![(0.0, f32::NAN), (0.0, 1.0)], "around zero"),
            (vec![(f32::NEG_INFINITY, 0.0), (0.0, 1.0)], "around zero"),
        ] {
            let message = refused(|model| model.input_ranges = Some(ranges));
            assert!(
                message.contains("'input_ranges'") && message.contains(words),
                "{message}"
            );
        }
        let message = refused(|model| model.classes.truncate(1));
        assert!(message.contains("has 1 class names"), "{message}");
        let message = refused(|model| {
            model.layers[1].inputs = 2;
            model.layers[1].weights.truncate(4);
        });
        assert!(message.contains("layers.1"), "{message}");
    }

    #[test]
    fn int8_sums_that_could_overflow_are_refused() {
        let wide = |inputs| {
            Network::new(vec![Layer {
                inputs,
                outputs: 1,
                weights: vec![0.0; inputs],
                bias: vec![0.0],
                activation: Activation::Identity,
            }])
            .unwrap()
        };
        // 133,144 · 127² is the largest multiple of 127² under 2³¹.
        assert!(wide(133_144).check_precision(Precision::Int8).is_ok());
        let error = wide(133_145).check_precision(Precision::Int8).unwrap_err();
        assert_eq!(error.exit_code(), 7);
        assert!(wide(133_145).check_precision(Precision::F32).is_ok());
    }
}
