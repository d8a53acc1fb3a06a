//! Exit code 4: a model whose values leave binary16.

use fmnist_gpu::model::{Activation, Model};
use serde_json::Value;

use crate::support::{Ended, Fixture, command, has, model, overflowing, rows, run, validate};

/// Runs `predict` on the small images.
fn predict(fixture: &Fixture, model: &Model, adapter: &[&str], precision: &str) -> Ended {
    let path = fixture.save("overflow.safetensors", model);
    let mut command = command();
    command
        .args(["predict", "--precision", precision])
        .args(adapter);
    command
        .arg("--data")
        .arg(fixture.path("t10k-images-idx3-ubyte"));
    run(command.arg("--model").arg(path))
}

/// f16 is refused with the name of the layer; the other precisions run.
#[track_caller]
fn overflows(model: &Model, layer: &str) {
    let fixture = Fixture::new();
    for adapter in [&["--adapter", "cpu"][..], &[]] {
        let error = predict(&fixture, model, adapter, "f16").fails(4);
        has(&error, &["f16", layer, "--precision"]);
        predict(&fixture, model, adapter, "f32").good();
        predict(&fixture, model, adapter, "int8").good();
    }
}

#[test]
fn predict_names_the_layer_that_overflows() {
    overflows(&overflowing(60_000.0, Activation::Relu), "layers.0");
    overflows(&overflowing(70_000.0, Activation::Identity), "layers.0");
}

/// A sigmoid makes 1 of an infinite sum, so that nothing odd is left in the outputs.
#[test]
fn predict_tells_weights_beyond_the_range_that_an_activation_hides() {
    overflows(&overflowing(70_000.0, Activation::Sigmoid), "layers.0");
}

/// A softmax makes 0 of a logit of −∞, so that nothing odd is left in the outputs.
#[test]
fn predict_tells_a_logit_beyond_the_range_that_the_softmax_hides() {
    let mut model = model();
    model.layers[0].weights.fill(100.0);
    model.layers[1].weights.fill(0.25);
    for weight in model.layers[1].weights.iter_mut().step_by(4) {
        *weight = -1000.0;
    }
    overflows(&model, "layers.1");
}

#[test]
fn bench_marks_the_row_and_measures_the_others() {
    let fixture = Fixture::new();
    for (weight, hidden) in [
        (60_000.0, Activation::Relu),
        (70_000.0, Activation::Sigmoid),
    ] {
        fixture.save("model.safetensors", &overflowing(weight, hidden));
        for adapter in [&["--adapter", "cpu"][..], &[]] {
            let mut arguments = vec!["--batch", "8", "--format", "json"];
            arguments.extend(adapter);
            let (text, error) = fixture.bench(&arguments).fails_after_output(4);
            has(&error, &["f16", "layers.0"]);
            check_rows(&serde_json::from_str(&text).expect("JSON"));
        }
    }
}

fn check_rows(document: &Value) {
    validate(document);
    assert_eq!(rows(document).len(), 3);
    for row in rows(document) {
        let overflows = row["requested"]["precision"] == "f16";
        let status = if overflows { "overflow" } else { "ok" };
        assert_eq!(row["status"], status, "{row}");
        assert_eq!(row["wall_ns"].is_null(), overflows, "{row}");
        if overflows {
            has(row["detail"].as_str().expect("words"), &["layers.0"]);
        }
    }
}

#[test]
fn bench_tells_an_overflow_in_its_table_and_its_files() {
    let fixture = Fixture::new();
    fixture.save(
        "model.safetensors",
        &overflowing(60_000.0, Activation::Relu),
    );
    let path = fixture.path("result.json");
    let name = path.to_str().expect("UTF-8");
    let arguments = ["--batch", "8", "--output", name];
    let (table, _) = fixture.bench(&arguments).fails_after_output(4);
    has(&table, &["f16: not timed", "layers.0", "65504"]);
    let text = std::fs::read_to_string(path).expect("a file");
    check_rows(&serde_json::from_str(&text).expect("JSON"));
}
