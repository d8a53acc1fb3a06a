//! `quantize`: files in the numbers that run, what can be done with them, and damaged ones.

mod degenerate;
mod requested;

use std::path::{Path, PathBuf};

use fmnist_gpu::model::Network;
use fmnist_gpu::quantize::{QuantizedNetwork, Weights};
use fmnist_gpu::{Mode, Precision, Scheme, WeightScales};

use serde_json::Value;

use crate::support::{Ended, Fixture, command, has, identity, rows, run, validate};

/// Quantizes the small model on the small training split, where images decide anything.
fn quantize(fixture: &Fixture, arguments: &[&str]) -> (PathBuf, Ended) {
    let output = fixture.path("q.safetensors");
    let mut command = command();
    command.arg("quantize").args(arguments);
    let without = ["f32", "f16", "bf16", "nearest"];
    if !arguments.iter().any(|argument| without.contains(argument)) {
        command.arg("--calibration-data").arg(fixture.data());
    }
    command.arg("--model").arg(fixture.model());
    command.arg("--output").arg(&output);
    (output, run(&mut command))
}

fn written(fixture: &Fixture, arguments: &[&str]) -> (PathBuf, QuantizedNetwork) {
    let (output, end) = quantize(fixture, arguments);
    has(&end.good(), &["q.safetensors", "%"]);
    let quantized = QuantizedNetwork::load(&output).expect("a quantized file");
    (output, quantized)
}

fn predict(fixture: &Fixture, model: &Path, arguments: &[&str]) -> Ended {
    let mut command = command();
    command.args(["predict", "--adapter", "cpu", "--format", "json"]);
    command.args(arguments).arg("--model").arg(model);
    command.arg("--data");
    run(command.arg(fixture.path("t10k-images-idx3-ubyte")))
}

#[test]
fn a_file_says_how_it_was_made() {
    let fixture = Fixture::new();
    let (output, quantized) = written(&fixture, &["--calibration", "entropy"]);
    let mode = Mode::int8(Scheme::Static, WeightScales::Channel);
    assert_eq!(quantized.mode, mode);
    let said = |key: &str| {
        let value = quantized.provenance.get(key);
        value.unwrap_or_else(|| panic!("no {key} in {:?}", quantized.provenance))
    };
    assert_eq!(said("calibration"), "entropy");
    // A fifth of the 160 images is held back.
    assert_eq!(said("calibration_images"), "128");
    assert_eq!(said("calibration_seed"), "0");
    let source = Network::load(&fixture.model()).expect("a model");
    assert_eq!(said("source_sha256"), &source.sha256);
    let parts = [
        "quantize",
        "--scheme static",
        "--calibration entropy",
        "--output",
    ];
    has(said("quantize_command"), &parts);
    // The same command gives the same bytes.
    let bytes = std::fs::read(&output).expect("the file");
    let (again, _) = written(&fixture, &["--calibration", "entropy"]);
    assert!(
        bytes == std::fs::read(again).expect("the file"),
        "other bytes"
    );
}

#[test]
fn every_mode_is_written_and_runs() {
    let fixture = Fixture::new();
    for (arguments, name) in [
        (vec!["--precision", "f32"], "f32"),
        (vec!["--precision", "f16"], "f16"),
        (vec!["--precision", "bf16"], "bf16"),
        (vec!["--precision", "int4"], "int4"),
        (vec!["--precision", "int4", "--rounding", "nearest"], "int4"),
        (
            vec!["--scheme", "dynamic-row", "--rounding", "nearest"],
            "int8",
        ),
        (
            vec!["--scheme", "dynamic-row", "--weights", "tensor"],
            "int8",
        ),
        (
            vec!["--scheme", "static", "--calibration", "min-max"],
            "int8",
        ),
        (vec!["--layer-precision", "f16,int8"], "mixed"),
        (
            vec!["--layer-precision", "int4,int8", "--scheme", "dynamic-row"],
            "mixed",
        ),
    ] {
        let (output, quantized) = written(&fixture, &arguments);
        assert_eq!(quantized.mode.precision.name(), name, "{arguments:?}");
        let document = predict(&fixture, &output, &[]).json();
        assert_eq!(document["precision"], name, "{arguments:?}");
        assert_eq!(document["predictions"].as_array().map(Vec::len), Some(40));
    }
}

#[test]
fn a_quantized_file_is_measured_as_what_it_is_and_as_nothing_else() {
    let fixture = Fixture::new();
    let (output, _) = written(&fixture, &[]);
    std::fs::copy(&output, fixture.model()).expect("copied");
    let arguments = ["--adapter", "cpu", "--batch", "8", "--format", "json"];
    let document = fixture.bench(&arguments).json();
    validate(&document);
    let rows = rows(&document);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["requested"]["precision"], "int8");
    assert_eq!(rows[0]["requested"]["scheme"], "static");
    let error = predict(&fixture, &output, &["--precision", "f32"]).fails(2);
    has(&error, &["q.safetensors", "quantized"]);
    let again = fixture.path("again.safetensors");
    let error = fmnist!("quantize", "--model", &output, "--output", &again).fails(2);
    has(&error, &["already quantized"]);
    assert!(!again.exists());
}

/// The file with other bytes in one of its tensors.
fn with_data(bytes: &[u8], tensor: &str, data: &[u8]) -> Vec<u8> {
    let header = u64::from_le_bytes(bytes[..8].try_into().expect("a length")) as usize;
    let json: Value = serde_json::from_slice(&bytes[8..8 + header]).expect("a header");
    let offset = |end: usize| {
        json[tensor]["data_offsets"][end]
            .as_u64()
            .expect("an offset")
    };
    let (from, to) = (
        8 + header + offset(0) as usize,
        8 + header + offset(1) as usize,
    );
    assert!(data.len() <= to - from, "{tensor} is shorter");
    let mut damaged = bytes.to_vec();
    damaged[from..from + data.len()].copy_from_slice(data);
    damaged
}

#[test]
fn damaged_scales_and_zero_points_are_refused_by_name() {
    let fixture = Fixture::new();
    let (output, _) = written(&fixture, &[]);
    let bytes = std::fs::read(&output).expect("the file");
    let refused = |damaged: &[u8], words: &[&str]| {
        let path = fixture.write("damaged.safetensors", damaged);
        let error = predict(&fixture, &path, &[]).fails(7);
        has(&error, &["damaged.safetensors"]);
        has(&error, words);
    };
    for (value, word) in [
        (0.0, "0"),
        (f32::NAN, "NaN"),
        (f32::INFINITY, "inf"),
        (-1.0, "-1"),
    ] {
        for tensor in ["layers.1.input_scale", "layers.1.weight_scale"] {
            let damaged = with_data(&bytes, tensor, &f32::to_le_bytes(value));
            refused(&damaged, &[tensor, word]);
        }
    }
    let damaged = with_data(&bytes, "layers.1.input_scale", &1e37_f32.to_le_bytes());
    refused(&damaged, &["layers.1.input_scale", "overflow f32"]);
    // The second layer takes what relu gives, of which zero is the least.
    for zero_point in [127_i8, 0, -127] {
        let damaged = with_data(
            &bytes,
            "layers.1.input_zero_point",
            &zero_point.to_le_bytes(),
        );
        refused(
            &damaged,
            &["layers.1.input_zero_point", &zero_point.to_string(), "relu"],
        );
    }
    let damaged = with_data(&bytes, "layers.0.input_zero_point", &[0]);
    refused(&damaged, &["layers.0.input", "pixels"]);
}

#[test]
fn tensors_of_another_length_are_refused_by_name() {
    let fixture = Fixture::new();
    let (_, mut quantized) = written(&fixture, &[]);
    let bytes = quantized.to_bytes().expect("the file again");
    quantized.mode.weights = Some(WeightScales::Tensor);
    for layer in &mut quantized.layers {
        if let Weights::Int8 { scales, .. } = &mut layer.weights {
            scales.truncate(1);
        }
    }
    // A file whose scales are one a matrix, which claims one for each output.
    let other = quantized.to_bytes().expect("a file");
    let claim = |bytes: &[u8], from: &str, to: &str| {
        let header = u64::from_le_bytes(bytes[..8].try_into().expect("a length")) as usize;
        let text = String::from_utf8(bytes[8..8 + header].to_vec()).expect("a header");
        assert!(text.contains(from), "no {from} in {text}");
        let text = text.replace(from, to);
        let mut changed = (text.len() as u64).to_le_bytes().to_vec();
        changed.extend(text.as_bytes());
        changed.extend(&bytes[8 + header..]);
        changed
    };
    let tensor = "\"weights\":\"tensor\"";
    let channel = "\"weights\":\"channel\"";
    for damaged in [
        claim(&other, tensor, channel),
        claim(&bytes, channel, tensor),
    ] {
        let path = fixture.write("damaged.safetensors", &damaged);
        let error = predict(&fixture, &path, &[]).fails(7);
        has(
            &error,
            &["damaged.safetensors", "layers.0.weight_scale", "shape"],
        );
    }
}

#[test]
fn damaged_files_are_refused() {
    let fixture = Fixture::new();
    let (output, quantized) = written(&fixture, &[]);
    let bytes = std::fs::read(&output).expect("the file");
    // The scale of the second layer's input, wherever it lies in the file.
    let fmnist_gpu::quantize::InputQuantization::Static(affine) = quantized.layers[1].input else {
        panic!("not static");
    };
    let scale = affine.scale.to_le_bytes();
    let at = bytes.windows(4).position(|bytes| bytes == scale);
    let at = at.expect("the scale");
    for value in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        let mut damaged = bytes.clone();
        damaged[at..at + 4].copy_from_slice(&value.to_le_bytes());
        let path = fixture.write("damaged.safetensors", &damaged);
        let error = predict(&fixture, &path, &[]).fails(7);
        has(&error, &["damaged.safetensors", "layers.1.input_scale"]);
    }
    for length in [8, 100, bytes.len() - 1] {
        let path = fixture.write("damaged.safetensors", &bytes[..length]);
        has(&predict(&fixture, &path, &[]).fails(7), &["safetensors"]);
    }
    let header = String::from_utf8_lossy(&bytes).into_owned();
    for (text, other, word) in [
        ("\"scheme\":\"static\"", "\"scheme\":\"nosuch\"", "nosuch"),
        ("\"I8\"", "\"U8\"", "U8"),
    ] {
        assert!(header.contains(text), "{text}");
        let mut damaged = bytes.clone();
        let length = text.len();
        for at in 0..damaged.len() - length {
            if &damaged[at..at + length] == text.as_bytes() {
                damaged[at..at + length].copy_from_slice(other.as_bytes());
            }
        }
        let path = fixture.write("damaged.safetensors", &damaged);
        has(
            &predict(&fixture, &path, &[]).fails(7),
            &["damaged.safetensors", word],
        );
    }
}

#[test]
fn the_model_that_is_read_is_not_written_over() {
    let fixture = Fixture::new();
    let model = fixture.path("own.safetensors");
    std::fs::copy(fixture.model(), &model).expect("a copy");
    let before = std::fs::read(&model).expect("the model");
    let link = fixture.path("link.safetensors");
    #[cfg(unix)]
    std::os::unix::fs::symlink(&model, &link).expect("a link");
    #[cfg(not(unix))]
    std::fs::hard_link(&model, &link).expect("a link");
    let to = |output: &Path, more: &[&str]| {
        let mut command = command();
        command.args(["quantize", "--precision", "f16", "--model"]);
        command.arg(&model).arg("--output").arg(output).args(more);
        run(&mut command)
    };
    let links: &[&Path] = if cfg!(unix) { &[&link] } else { &[] };
    for output in [&*model].iter().chain(links) {
        has(
            &to(output, &[]).fails(2),
            &["--force", "float weights would be lost"],
        );
        assert_eq!(std::fs::read(&model).expect("the model"), before);
    }
    has(&to(&model, &["--force"]).good(), &["own.safetensors"]);
    assert_ne!(std::fs::read(&model).expect("the quantized model"), before);
    // A model inside the program has no file.
    let made = fixture.path("made.safetensors");
    let mut command = command();
    command.args(["quantize", "--precision", "f16", "--output"]);
    run(command.arg(&made)).good();
    run(&mut command).good();
}

#[test]
fn what_cannot_be_is_refused() {
    let fixture = Fixture::new();
    let fails = |arguments: &[&str], code| quantize(&fixture, arguments).1.fails(code);
    has(
        &fails(&["--scheme", "dynamic-tensor"], 2),
        &["dynamic-tensor", "float weights"],
    );
    has(
        &fails(&["--calibration", "nosuch"], 2),
        &["nosuch", "entropy"],
    );
    has(
        &fails(&["--rounding", "nosuch"], 2),
        &["nosuch", "compensated"],
    );
    has(
        &fails(&["--calibration-images", "0"], 2),
        &["--calibration-images"],
    );
    has(&fails(&["--layer-precision", "f16"], 2), &["2 layers"]);
    // The images inside the program are of another width.
    let output = fixture.path("none.safetensors");
    let model = fixture.model();
    let error = fmnist!("quantize", "--model", &model, "--output", &output).fails(7);
    has(&error, &["784", "16", "--calibration-data"]);
    assert!(!output.exists());
    let error = predict(
        &fixture,
        &model,
        &["--precision", "int8", "--scheme", "static"],
    )
    .fails(7);
    has(&error, &["784", "--calibration-data"]);
    let missing = fixture.path("missing");
    let error = fmnist!(
        "quantize",
        "--model",
        &model,
        "--calibration-data",
        missing,
        "--output",
        &output
    )
    .fails(7);
    has(&error, &["missing", "there is no such folder"]);
    let embedded = fmnist!(
        "quantize",
        "--calibration-images",
        "1001",
        "--output",
        &output
    );
    has(&embedded.fails(2), &["1001", "1000", "--calibration-data"]);
}

#[test]
fn a_model_with_float_weights_may_carry_a_precision_for_each_layer() {
    let fixture = Fixture::new();
    let mut model = Network::load(&fixture.model()).expect("a model");
    let layers = vec![Precision::Bf16, Precision::Int8];
    let mode = Mode::mixed(layers, Scheme::DynamicRow, WeightScales::Channel).expect("a mode");
    model.mode = Some(mode);
    let path = fixture.save("carries.safetensors", &model);
    let document = predict(&fixture, &path, &[]).json();
    assert_eq!(document["precision"], "mixed");
    assert_eq!(document["layers"], serde_json::json!(["bf16", "int8"]));
    // For a network of another depth it is no good.
    let mut shallow = identity();
    shallow.mode = model.mode;
    let path = fixture.save("shallow.safetensors", &shallow);
    has(
        &predict(&fixture, &path, &[]).fails(7),
        &["layer_precisions", "2 layers"],
    );
}

#[test]
fn the_default_model_is_calibrated_on_what_is_inside() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (arguments, most) in [
        (vec!["--scheme", "static"], 0.27),
        (vec!["--precision", "int4"], 0.16),
    ] {
        let output = folder.path().join("q.safetensors");
        let mut command = command();
        command
            .arg("quantize")
            .args(arguments)
            .arg("--output")
            .arg(&output);
        let _ = run(&mut command).good();
        let bytes = std::fs::metadata(&output).expect("the file").len();
        assert!(bytes as f64 <= most * 204_416.0, "{bytes}");
    }
}
