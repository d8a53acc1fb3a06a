//! What a model, its data and the options come to: what is stored and used, what nothing uses, and what cannot be.

use fmnist_gpu::{Mode, Scheme, WeightScales};
use serde_json::Value;

use super::{predict, quantize, written};
use crate::support::{Fixture, command, has, images_file, labels_file, model, rows, run};

/// Outputs that no input reaches, as after pruning: their bias alone decides.
#[test]
fn dead_outputs_keep_their_bias() {
    let fixture = Fixture::new();
    let mut model = model();
    // The values between the layers are large, and the last layer's weights and biases small.
    model.layers[0].weights.fill(10.0);
    model.layers[1].weights.fill(0.0);
    model.layers[1].bias = vec![0.01, 0.04, -0.02, 0.03];
    fixture.save("model.safetensors", &model);
    for weights in ["channel", "tensor"] {
        // Whatever the image, the answer is the same.
        let mode = ["--scheme", "static", "--weights", weights];
        let (output, end) = quantize(&fixture, &[&mode[..], &["--allow-degenerate"]].concat());
        assert_eq!(end.code, Some(0), "{}", end.stderr);
        has(
            &end.stderr,
            &["all 128 calibration images get the same outputs"],
        );
        let found = predict(&fixture, &output, &[]).json();
        let wanted = predict(&fixture, &fixture.model(), &[]).json();
        for (found, wanted) in predictions(&found).iter().zip(predictions(&wanted)) {
            assert_eq!(found["label"], wanted["label"], "{weights}");
            let probability = |one: &Value| one["probability"].as_f64().expect("a number");
            let apart = (probability(found) - probability(wanted)).abs();
            assert!(apart <= 1e-6, "{weights}: {apart}");
        }
    }
}

fn predictions(document: &Value) -> &[Value] {
    document["predictions"].as_array().expect("predictions")
}

/// The mode that a model's metadata say is the one that it is run and written in.
#[test]
fn the_scheme_and_the_scales_that_a_model_stores_are_used() {
    let fixture = Fixture::new();
    let mut model = model();
    let stored = Mode::int8(Scheme::DynamicRow, WeightScales::Tensor);
    model.mode = Some(stored.clone());
    fixture.save("model.safetensors", &model);
    let said = |document: &Value| ["scheme", "weights"].map(|field| document[field].clone());
    for (arguments, scheme, weights) in [
        (&[][..], "dynamic-row", "tensor"),
        (&["--precision", "int8"], "dynamic-row", "tensor"),
        (&["--weights", "channel"], "dynamic-row", "channel"),
        (&["--scheme", "dynamic-tensor"], "dynamic-tensor", "tensor"),
    ] {
        let document = predict(&fixture, &fixture.model(), arguments).json();
        assert_eq!(document["precision"], "int8", "{arguments:?}");
        assert_eq!(said(&document), [scheme, weights], "{arguments:?}");
        let mut all = vec!["--adapter", "cpu", "--batch", "8", "--format", "json"];
        all.extend(arguments);
        let document = fixture.bench(&all).json();
        let row = rows(&document)
            .iter()
            .find(|row| row["requested"]["precision"] == "int8");
        let requested = &row.expect("an int8 row")["requested"];
        assert_eq!(said(requested), [scheme, weights], "{arguments:?}");
    }
    assert_eq!(written(&fixture, &[]).1.mode, stored);
    let (_, other) = written(&fixture, &["--scheme", "static", "--weights", "channel"]);
    assert_eq!(
        other.mode,
        Mode::int8(Scheme::Static, WeightScales::Channel)
    );
}

#[test]
fn options_that_nothing_uses_are_reported() {
    let fixture = Fixture::new();
    let model = fixture.model();
    for arguments in [
        &["--scheme", "static"][..],
        &["--weights", "channel"],
        &["--precision", "f16", "--scheme", "dynamic-row"],
        &["--precision", "int4", "--weights", "tensor"],
        &["--layer-precision", "f16,bf16", "--scheme", "static"],
    ] {
        let error = predict(&fixture, &model, arguments).fails(2);
        let option = if arguments.contains(&"--scheme") {
            "--scheme"
        } else {
            "--weights"
        };
        has(&error, &[&format!("{option} is only for int8")]);
    }
    for arguments in [
        &["--precision", "f32", "--scheme", "static"][..],
        &["--precision", "f16,int4", "--scheme", "all"],
        &["--precision", "f32", "--weights", "channel"],
    ] {
        let error = fixture
            .bench(&[&["--adapter", "cpu"], arguments].concat())
            .fails(2);
        has(&error, &["is only for int8; add --precision int8"]);
    }
    let output = fixture.path("none.safetensors");
    for (arguments, words) in [
        (
            &["--precision", "f16", "--scheme", "static"][..],
            "--scheme is only for int8",
        ),
        (
            &["--precision", "f16", "--calibration", "mse"],
            "--calibration is only for",
        ),
        (
            &["--scheme", "dynamic-row", "--calibration", "mse"],
            "--scheme static",
        ),
        (
            &["--precision", "bf16", "--rounding", "nearest"],
            "--rounding is only for",
        ),
        (
            &["--precision", "f32", "--calibration-images", "9"],
            "--calibration-images is only for",
        ),
        (
            &["--precision", "f32", "--calibration-data", "nowhere"],
            "--calibration-data is only for",
        ),
    ] {
        let mut command = command();
        command.arg("quantize").args(arguments);
        let end = run(command
            .arg("--model")
            .arg(&model)
            .arg("--output")
            .arg(&output));
        has(&end.fails(2), &[words]);
        assert!(!output.exists());
    }
    // A quantized file that has no scheme takes none.
    let (file, _) = written(&fixture, &["--precision", "bf16"]);
    has(
        &predict(&fixture, &file, &["--scheme", "static"]).fails(2),
        &["quantized", "bf16"],
    );
}

/// A training split of which nothing is left beside what is held back.
#[test]
fn no_image_to_calibrate_on_is_reported() {
    let fixture = Fixture::new();
    let image = images_file(1, 4, 4, &[7; 16]);
    fixture.write("train-images-idx3-ubyte", &image);
    fixture.write("train-labels-idx1-ubyte", &labels_file(1, &[0]));
    for arguments in [&["--scheme", "static"][..], &["--precision", "int4"]] {
        let (output, end) = quantize(&fixture, arguments);
        has(&end.fails(7), &["none is left for calibration"]);
        assert!(!output.exists());
    }
}

#[test]
fn a_model_that_int4_cannot_hold_is_an_overflow() {
    let fixture = Fixture::new();
    let mut model = model();
    model.layers[1].weights.fill(3e38);
    fixture.save("model.safetensors", &model);
    let (output, end) = quantize(&fixture, &["--precision", "int4"]);
    has(&end.fails(4), &["layers.1"]);
    assert!(!output.exists());
}

#[test]
fn memory_describes_a_quantized_file_as_what_it_is() {
    let fixture = Fixture::new();
    let (output, _) = written(&fixture, &["--scheme", "static", "--weights", "tensor"]);
    let memory = |arguments: &[&str]| {
        let mut command = command();
        command.args(["memory", "--format", "json"]).args(arguments);
        run(command.arg("--model").arg(&output))
    };
    let document = memory(&[]).json();
    let lines = document["precisions"].as_array().expect("lines");
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["precision"], "int8");
    assert_eq!(lines[0]["scheme"], "static");
    assert_eq!(lines[0]["weights"], "tensor");
    has(
        &memory(&["--precision", "f32"]).fails(2),
        &["q.safetensors", "quantized"],
    );
}
