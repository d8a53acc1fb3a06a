//! What is written reads the same, and nothing that is damaged reads at all.

use std::collections::{BTreeMap, HashMap};

use safetensors::SafeTensors;

use super::*;
use crate::Precision;
use crate::model::{Activation, Layer, Network, Normalization};
use crate::quantize::{Ranges, Source, lower};
use crate::scheme::{Scheme, WeightScales};
use crate::{Mode, reference};

/// 33-5-3: rows that fill no group and no byte.
fn model() -> Network {
    let weights = |count: usize| {
        let weight = |at: usize| (at * 389 % 1009) as f32 / 504.5 - 1.0;
        (0..count).map(weight).collect()
    };
    let layer = |inputs: usize, outputs: usize, activation| Layer {
        inputs,
        outputs,
        weights: weights(inputs * outputs),
        bias: weights(outputs),
        activation,
    };
    let mut model = Network::new(vec![
        layer(33, 5, Activation::Relu),
        layer(5, 3, Activation::Softmax),
    ])
    .unwrap();
    model.classes = ["a", "b", "c"].map(str::to_owned).to_vec();
    model.provenance.insert("seed".into(), "7".into());
    model
}

/// Every mode that a file can have.
fn modes() -> Vec<Mode> {
    let mut modes = [
        Precision::F32,
        Precision::F16,
        Precision::Bf16,
        Precision::Int4,
    ]
    .map(Mode::from)
    .to_vec();
    let layers = [
        vec![Precision::Int8, Precision::Int4],
        vec![Precision::Bf16, Precision::Int8],
    ];
    for scheme in [Scheme::DynamicRow, Scheme::Static] {
        for weights in [WeightScales::Tensor, WeightScales::Channel] {
            modes.push(Mode::int8(scheme, weights));
            for layers in &layers {
                modes.push(Mode::mixed(layers.clone(), scheme, weights).unwrap());
            }
        }
    }
    modes
}

fn quantized(mode: &Mode) -> QuantizedNetwork {
    let ranges = Ranges(vec![(0.0, 1.0), (0.0, 3.0)]);
    lower(&model(), mode, Some(&ranges)).unwrap()
}

fn int8_static() -> Mode {
    Mode::int8(Scheme::Static, WeightScales::Channel)
}

#[test]
fn every_mode_reads_as_it_was_written() {
    for normalization in [
        Normalization::Unit,
        Normalization::Standard {
            mean: 0.25,
            std: 0.5,
        },
    ] {
        for mode in modes() {
            let mut model = model();
            model.normalization = normalization;
            let ranges = Ranges(vec![(0.0, 1.0), (0.0, 3.0)]);
            let mut written = lower(&model, &mode, Some(&ranges)).unwrap();
            let bytes = written.to_bytes().unwrap();
            assert_eq!(bytes, written.to_bytes().unwrap(), "{mode}: other bytes");
            let read = QuantizedNetwork::from_bytes("q", &bytes).unwrap();
            written.path = read.path.clone();
            written.sha256.clone_from(&read.sha256);
            assert_eq!(read, written, "{mode}");
        }
    }
}

#[test]
fn a_source_distinguishes_both_kinds_of_files() {
    let folder = tempfile::tempdir().unwrap();
    let (float, path) = (folder.path().join("m"), folder.path().join("q"));
    model().save(&float).unwrap();
    let written = quantized(&int8_static());
    written.save(&path).unwrap();
    assert!(Source::load(&float).unwrap().model().is_some());
    let source = Source::load(&path).unwrap();
    assert_eq!(source.mode(), Some(int8_static()));
    assert!(source.model().is_none());
    let pixels: Vec<u8> = (0..66).collect();
    let Source::QuantizedNetwork(read) = &source else {
        panic!("float weights");
    };
    assert_eq!(
        reference::sums_of_image(read, &pixels[..33]),
        reference::sums_of_image(&written, &pixels[..33])
    );
    let error = Network::load(&path).unwrap_err();
    assert_eq!(error.exit_code(), 7);
    assert!(error.to_string().contains("quantized"), "{error}");
}

#[test]
fn int8_takes_a_quarter_and_int4_an_eighth() {
    let model = Network::default_model().unwrap();
    let floats = model.to_bytes().unwrap().len() as f64;
    let ranges = Ranges(vec![(0.0, 1.0), (0.0, 8.0)]);
    let share = |mode: &Mode| {
        let bytes = lower(&model, mode, Some(&ranges)).unwrap().to_bytes();
        bytes.unwrap().len() as f64 / floats
    };
    let int8 = share(&int8_static());
    assert!(int8 < 0.27, "{int8}");
    // Half a byte a weight, and half a bit of its scale.
    let int4 = share(&Precision::Int4.into());
    assert!(int4 < 0.16, "{int4}");
}

/// A file's tensors and metadata, to be changed.
struct File {
    tensors: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>,
    metadata: HashMap<String, String>,
}

impl File {
    fn of(mode: &Mode) -> Self {
        let bytes = quantized(mode).to_bytes().unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let tensor = |(name, view): (&str, TensorView<'_>)| {
            let parts = (view.dtype(), view.shape().to_vec(), view.data().to_vec());
            (name.to_owned(), parts)
        };
        Self {
            tensors: tensors.iter().map(tensor).collect(),
            metadata: header.metadata().clone().unwrap(),
        }
    }

    fn data(&mut self, name: &str) -> &mut Vec<u8> {
        &mut self.tensors.get_mut(name).unwrap().2
    }

    fn float(&mut self, name: &str, at: usize, value: f32) {
        self.data(name)[4 * at..4 * at + 4].copy_from_slice(&value.to_le_bytes());
    }

    fn set(&mut self, name: &str, dtype: Dtype, shape: &[usize], bytes: &[u8]) {
        let parts = (dtype, shape.to_vec(), bytes.to_vec());
        self.tensors.insert(name.to_owned(), parts);
    }

    fn set_metadata(&mut self, key: &str, value: &str) {
        self.metadata.insert(key.to_owned(), value.to_owned());
    }

    fn bytes(&self) -> Vec<u8> {
        let mut views = Vec::new();
        for (name, (dtype, shape, bytes)) in &self.tensors {
            let view = TensorView::new(*dtype, shape.clone(), bytes);
            views.push((name.as_str(), view.unwrap()));
        }
        safetensors::serialize(views, Some(self.metadata.clone())).unwrap()
    }
}

/// The file of a mode, changed, is refused, and the error says `words`.
#[track_caller]
fn refused(mode: &Mode, words: &[&str], change: impl FnOnce(&mut File)) {
    let mut file = File::of(mode);
    change(&mut file);
    let error = QuantizedNetwork::from_bytes("q.safetensors", &file.bytes()).unwrap_err();
    assert_eq!(error.exit_code(), 7, "{error}");
    for word in ["q.safetensors"].iter().chain(words) {
        assert!(error.to_string().contains(word), "no '{word}' in: {error}");
    }
}

#[test]
fn scales_that_are_no_positive_numbers_are_refused() {
    for (value, word) in [
        (0.0, "has the value 0"),
        (-1.0, "has the value -1"),
        (f32::NAN, "NaN"),
        (f32::INFINITY, "inf"),
    ] {
        refused(&int8_static(), &["layers.0.weight_scale", word], |file| {
            file.float("layers.0.weight_scale", 3, value);
        });
        let word = word.trim_start_matches("has the value ");
        refused(&int8_static(), &["layers.1.input_scale", word], |file| {
            file.float("layers.1.input_scale", 0, value);
        });
        let half = half::f16::from_f32(value).to_le_bytes();
        refused(
            &Precision::Int4.into(),
            &["layers.1.weight_scale", word],
            |file| {
                file.data("layers.1.weight_scale")[2..4].copy_from_slice(&half);
            },
        );
    }
}

#[test]
fn tensors_of_another_type_length_or_shape_are_refused() {
    let int8 = int8_static();
    refused(&int8, &["weight_scale", "[4]", "[5]"], |file| {
        file.set("layers.0.weight_scale", Dtype::F32, &[4], &[0; 16]);
    });
    refused(&int8, &["weight_scale", "F16", "F32"], |file| {
        file.set("layers.0.weight_scale", Dtype::F16, &[5], &[0; 10]);
    });
    refused(&int8, &["layers.0.weight", "U8", "I8"], |file| {
        file.set("layers.0.weight", Dtype::U8, &[33, 5], &[0; 165]);
    });
    refused(&int8, &["layers.0.weight", "[5, 33]"], |file| {
        file.set("layers.0.weight", Dtype::I8, &[5, 33], &[0; 165]);
    });
    refused(&int8, &["input_zero_point", "I32", "I8"], |file| {
        file.set("layers.1.input_zero_point", Dtype::I32, &[1], &[0, 1, 0, 0]);
    });
    refused(&int8, &["input_zero_point", "[2]"], |file| {
        file.set("layers.1.input_zero_point", Dtype::I8, &[2], &[0; 2]);
    });
    refused(&int8, &["layers.1.weight_scale", "[3]", "[4]"], |file| {
        file.set("layers.1.bias", Dtype::F32, &[4], &[0; 16]);
    });
    refused(
        &Precision::Int4.into(),
        &["layers.0.weight", "[16, 5]"],
        |file| {
            file.set("layers.0.weight", Dtype::U8, &[16, 5], &[0; 80]);
        },
    );
    refused(
        &Precision::F16.into(),
        &["layers.0.weight", "BF16", "F16"],
        |file| {
            file.set("layers.0.weight", Dtype::BF16, &[33, 5], &[0; 330]);
        },
    );
}

#[test]
fn missing_and_further_tensors_are_refused() {
    let int8 = int8_static();
    for name in [
        "layers.0.weight",
        "layers.0.weight_scale",
        "layers.1.bias",
        "layers.1.input_scale",
        "layers.1.input_zero_point",
    ] {
        refused(&int8, &["no tensor", name], |file| {
            file.tensors.remove(name);
        });
    }
    refused(&int8, &["has 11 tensors", "10"], |file| {
        file.set("layers.2.weight", Dtype::F32, &[1], &[0; 4]);
    });
    let row = Mode::int8(Scheme::DynamicRow, WeightScales::Channel);
    refused(&row, &["no tensor layers.1.input_scale"], |file| {
        file.set_metadata("scheme", "static");
    });
}

#[test]
fn quantized_and_values_out_of_range_are_refused() {
    let int8 = int8_static();
    refused(
        &int8,
        &["layers.0.weight has the value -128", "int8_clip 127"],
        |file| {
            file.data("layers.0.weight")[7] = 0x80;
        },
    );
    refused(
        &int8,
        &["layers.0.weight has the value", "int8_clip 63"],
        |file| {
            file.set_metadata("int8_clip", "63");
        },
    );
    refused(&int8, &["layers.1.bias", "finite"], |file| {
        file.float("layers.1.bias", 2, f32::NAN);
    });
    // A bias that leaves int32 in units of the scales.
    refused(&int8, &["layers.1", "int32"], |file| {
        file.float("layers.1.bias", 0, 1e30);
    });
    refused(&int8, &["layers.0.input_scale", "pixels"], |file| {
        file.float("layers.0.input_scale", 0, 0.5);
    });
    refused(&int8, &["layers.0.input_scale", "pixels", "127"], |file| {
        file.data("layers.0.input_zero_point")[0] = 127;
    });
    // What relu gives is never negative, and no quantized value stands for what f32 does not hold.
    refused(
        &int8,
        &["layers.1.input_zero_point", "127", "relu"],
        |file| {
            file.data("layers.1.input_zero_point")[0] = 127;
        },
    );
    refused(&int8, &["layers.1.input_scale", "overflow f32"], |file| {
        file.float("layers.1.input_scale", 0, 1e37);
    });
    let int4 = Precision::Int4.into();
    refused(
        &int4,
        &["layers.1.weight has the value -8", "int4"],
        |file| {
            file.data("layers.1.weight")[0] = 0x08;
        },
    );
    refused(
        &int4,
        &["layers.0.weight", "more values than its 33 rows"],
        |file| {
            *file.data("layers.0.weight").last_mut().unwrap() |= 0x10;
        },
    );
    for precision in [Precision::F32, Precision::F16, Precision::Bf16] {
        refused(&precision.into(), &["layers.0.weight", "finite"], |file| {
            file.data("layers.0.weight")[..4].fill(0xff);
        });
    }
}

#[test]
fn metadata_that_say_nothing_or_something_else_are_refused() {
    let int8 = int8_static();
    refused(&int8, &["scheme", "nosuch"], |file| {
        file.set_metadata("scheme", "nosuch")
    });
    refused(&int8, &["scheme", "dynamic-row or static"], |file| {
        file.set_metadata("scheme", "dynamic-tensor")
    });
    refused(&int8, &["weights", "nosuch"], |file| {
        file.set_metadata("weights", "nosuch")
    });
    refused(&int8, &["weight_scale", "[1]"], |file| {
        file.set_metadata("weights", "tensor")
    });
    refused(&int8, &["quantized", "2"], |file| {
        file.set_metadata("quantized", "2")
    });
    refused(&int8, &["layers.0.weight", "F16"], |file| {
        file.set_metadata("precision", "f16")
    });
    refused(&int8, &["precision", "nosuch"], |file| {
        file.set_metadata("precision", "nosuch")
    });
    refused(&int8, &["inputs"], |file| file.set_metadata("inputs", "-3"));
    refused(&int8, &["layers.0"], |file| {
        file.set_metadata("inputs", "0")
    });
    refused(&int8, &["layers.0.weight"], |file| {
        file.set_metadata("inputs", "34")
    });
    refused(&int8, &["layers.0.weight"], |file| {
        file.set_metadata("inputs", &usize::MAX.to_string());
    });
    refused(&int8, &["softmax"], |file| {
        file.set_metadata("activations", "softmax,softmax")
    });
    refused(&int8, &["nosuch"], |file| {
        file.set_metadata("activations", "relu,nosuch")
    });
    refused(&int8, &["int8_clip"], |file| {
        file.set_metadata("int8_clip", "0")
    });
    refused(&int8, &["normalization"], |file| {
        file.set_metadata("normalization", "0,0")
    });
    refused(&int8, &["2 class names"], |file| {
        file.set_metadata("classes", "a,b")
    });
    for key in ["quantized", "inputs", "activations", "precision"] {
        refused(&int8, &[key], |file| {
            file.metadata.remove(key);
        });
    }
    let layers = vec![Precision::Int8, Precision::Int4];
    let mixed = Mode::mixed(layers, Scheme::Static, WeightScales::Channel).unwrap();
    refused(&mixed, &["layer_precisions", "3 layers"], |file| {
        file.set_metadata("layer_precisions", "int8,int4,f32");
    });
    refused(&mixed, &["no tensor layers.1.input_scale"], |file| {
        file.set_metadata("layer_precisions", "int8,int8");
    });
}

#[test]
fn every_truncation_is_refused() {
    for mode in [int8_static(), Precision::Int4.into()] {
        let bytes = quantized(&mode).to_bytes().unwrap();
        for length in 0..bytes.len() {
            let error = QuantizedNetwork::from_bytes("q", &bytes[..length]).unwrap_err();
            assert_eq!(error.exit_code(), 7, "{length} bytes");
        }
    }
}

/// Whatever byte is another, the file reads or it does not; nothing panics.
#[test]
fn no_damage_panics() {
    for mode in [int8_static(), Precision::Int4.into()] {
        let bytes = quantized(&mode).to_bytes().unwrap();
        for at in 0..bytes.len() {
            for flip in [1, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                if let Err(error) = QuantizedNetwork::from_bytes("q", &damaged) {
                    assert_eq!(error.exit_code(), 7, "byte {at}");
                }
            }
        }
    }
}
