//! Exit code 4: networks that leave the range of a format without an infinite value in sight.

use std::path::{Path, PathBuf};

use fmnist_gpu::model::{Activation, Layer, Network};

use crate::support::{Ended, Fixture, command, has, images_file, labels_file, rows, run, validate};

/// Of these shapes, `[in, out]`, with zeros for biases.
fn network(layers: &[([usize; 2], Vec<f32>, Activation)]) -> Network {
    let layer =
        |([inputs, outputs], weights, activation): &([usize; 2], Vec<f32>, Activation)| Layer {
            inputs: *inputs,
            outputs: *outputs,
            weights: weights.clone(),
            bias: vec![0.0; *outputs],
            activation: *activation,
        };
    Network::new(layers.iter().map(layer).collect()).expect("a network")
}

/// Two white images of `width` pixels with labels, and a model.
fn fixture(width: usize, model: &Network) -> (Fixture, PathBuf) {
    let fixture = Fixture::new();
    let path = fixture.save("model.safetensors", model);
    let images = images_file(2, 1, width as u32, &vec![255; 2 * width]);
    fixture.write("t10k-images-idx3-ubyte", &images);
    fixture.write("t10k-labels-idx1-ubyte", &labels_file(2, &[0, 0]));
    (fixture, path)
}

fn predict(model: &Path, data: Option<&Path>, options: &[&str]) -> Ended {
    let mut command = command();
    command.args(["predict", "--format", "json"]).args(options);
    command.arg("--model").arg(model);
    if let Some(data) = data {
        command.arg("--data").arg(data);
    }
    run(&mut command)
}

/// On the CPU path and on the best adapter it is one error, with these parts.
#[track_caller]
fn refused(model: &Path, data: Option<&Path>, options: &[&str], parts: &[&str]) {
    let on = |adapter: &[&str]| {
        let error = predict(model, data, &[options, adapter].concat()).fails(4);
        has(&error, parts);
        error
    };
    assert_eq!(on(&["--adapter", "cpu"]), on(&[]));
}

/// `bench` gives each of these precisions the status `overflow`, and measures the others.
#[track_caller]
fn marked(fixture: &Fixture, precisions: &[&str], layer: &str) {
    for adapter in [&["--adapter", "cpu"][..], &[]] {
        let all = [
            "--precision",
            "f32,f16,bf16,int8",
            "--batch",
            "2",
            "--format",
            "json",
        ];
        let (text, error) = fixture
            .bench(&[&all, adapter].concat())
            .fails_after_output(4);
        has(&error, &["is out of range", layer]);
        let document = serde_json::from_str(&text).expect("JSON");
        validate(&document);
        for row in rows(&document) {
            let precision = row["requested"]["precision"].as_str().expect("a precision");
            let status = if precisions.contains(&precision) {
                "overflow"
            } else {
                "ok"
            };
            assert_eq!(row["status"], status, "{row}");
            if status == "overflow" {
                has(row["detail"].as_str().expect("words"), &[layer]);
            }
        }
    }
}

/// The default model, the first layer's output times a factor, which the second takes back.
#[test]
fn int4_scales_outside_binary16_are_refused() {
    let mut model = Network::default_model().expect("the model");
    let first = &mut model.layers[0];
    for value in first.weights.iter_mut().chain(&mut first.bias) {
        *value *= 1e-7;
    }
    model.layers[1]
        .weights
        .iter_mut()
        .for_each(|weight| *weight *= 1e7);
    let fixture = Fixture::new();
    let path = fixture.save("scaled.safetensors", &model);
    let parts = [
        "int4 is out of range",
        "layers.0",
        "scale",
        "6.103516e-5 to 65504",
        "use bf16, f32 or int8",
    ];
    refused(&path, None, &["--precision", "int4"], &parts);
    let output = fixture.path("int4.safetensors");
    let mut command = command();
    command
        .args(["quantize", "--precision", "int4", "--model"])
        .arg(&path);
    has(&run(command.arg("--output").arg(&output)).fails(4), &parts);
    assert!(!output.exists());
    for precision in ["f32", "bf16", "int8"] {
        predict(&path, None, &["--precision", precision]).good();
    }
}

#[test]
fn values_below_the_range_of_f16_are_reported() {
    let identity = |factor: f32| {
        (0..16)
            .map(|at| if at % 5 == 0 { factor } else { 0.0 })
            .collect()
    };
    let layer = |factor| ([4, 4], identity(factor), Activation::Relu);
    let model = network(&[layer(1e-4), layer(1e-4), layer(1e4), layer(1e4)]);
    let (fixture, path) = fixture(4, &model);
    let parts = [
        "f16 is out of range",
        "layers.1",
        "e-8",
        "to zero",
        "use bf16 or f32",
    ];
    refused(&path, Some(fixture.data()), &["--precision", "f16"], &parts);
    marked(&fixture, &["f16"], "layers.1");
}

/// The sum is 2, but no order of adding its terms is safe; the activation hides it.
#[test]
fn a_sum_whose_terms_overflow_is_reported_whatever_the_activation_makes_of_it() {
    let hidden = (
        [6, 1],
        vec![-3e38, -3e38, 3e38, 3e38, 1.0, 1.0],
        Activation::Relu,
    );
    let mut model = network(&[hidden, ([1, 3], vec![1.0, 0.0, 0.0], Activation::Softmax)]);
    model.layers[1].bias = vec![0.0, 0.2, 0.1];
    let (fixture, path) = fixture(6, &model);
    for precision in ["f32", "bf16"] {
        let parts = [
            precision,
            "layers.0",
            "e39",
            "3.402823e38",
            "smaller weights",
        ];
        refused(
            &path,
            Some(fixture.data()),
            &["--precision", precision],
            &parts,
        );
    }
    marked(&fixture, &["f32", "bf16", "f16"], "layers.0");
}

/// Zero times infinity is no number; what a path makes of it differs.
#[test]
fn a_product_of_scales_that_f32_cannot_hold_is_one_error_on_every_path() {
    let first = ([6, 4], vec![1e25; 24], Activation::Relu);
    let second = (0..12).map(|at| [1e25, -1e25, 0.0][at % 3]).collect();
    let mut model = network(&[first, ([4, 3], second, Activation::Identity)]);
    model.layers[1].bias = vec![0.1, 0.2, 0.3];
    let (fixture, path) = fixture(6, &model);
    for scheme in ["dynamic-tensor", "dynamic-row"] {
        let options = ["--precision", "int8", "--scheme", scheme];
        let parts = [
            "int8",
            "layers.1",
            "product of the scales",
            "1.175494e-38 to 3.402823e38",
        ];
        refused(&path, Some(fixture.data()), &options, &parts);
    }
}
