//! `bench --compare MODEL`: a retrained model, or a quantized file, beside the model before it.

use std::path::Path;

use fmnist_gpu::model::Network;
use serde_json::Value;

use crate::baseline::{QUICK, bench, kept, spoil};
use crate::support::{Fixture, command, has, model, run, validate};

/// The comparison of the fixture's model, or of `more`'s, with another one.
fn compared(fixture: &Fixture, other: &Path, more: &[&str]) -> Value {
    let other = other.to_str().expect("UTF-8");
    let arguments = [&QUICK[..], &["--compare", other, "--format", "json"], more].concat();
    let document = bench(fixture, None, &arguments).json();
    validate(&document);
    let comparison = document["comparison"].clone();
    assert_eq!(comparison["baseline"], other);
    assert_eq!(comparison["other_model"], true);
    // The result is that of the first model.
    assert_eq!(document["model"]["path"].as_str(), fixture.model().to_str());
    comparison
}

fn changes(comparison: &Value) -> &[Value] {
    comparison["rows"].as_array().expect("rows")
}

/// The fixture's model with the classes of its outputs turned round, so that each label is another.
fn turned() -> Network {
    let mut turned = model();
    let last = turned.layers.last_mut().expect("a layer");
    let outputs = last.outputs;
    last.weights
        .chunks_mut(outputs)
        .for_each(|row| row.rotate_right(1));
    last.bias.rotate_right(1);
    turned
}

#[test]
fn a_model_compared_with_itself_has_not_changed() {
    let fixture = Fixture::new();
    let comparison = compared(&fixture, &fixture.model(), &[]);
    assert_eq!(changes(&comparison).len(), 2);
    for change in changes(&comparison) {
        assert_eq!(change["agreement"], 1.0, "{change}");
        assert_eq!(change["accuracy_points"], 0.0, "{change}");
        assert_eq!(change["memory"], 0.0, "{change}");
        assert!(change["time"]["value"].is_number(), "{change}");
    }
    let other = fixture.model();
    let more = ["--compare", other.to_str().expect("UTF-8")];
    let table = bench(&fixture, None, &[&QUICK[..], &more].concat()).good();
    has(&table, &[", measured in this run", "agreement", "100.00%"]);
}

#[test]
fn labels_that_another_model_gives_are_counted() {
    let fixture = Fixture::new();
    let other = fixture.save("turned.safetensors", &turned());
    let comparison = compared(&fixture, &other, &["--precision", "f32"]);
    let [change] = changes(&comparison) else {
        panic!("{comparison}");
    };
    // No label is the same.
    assert_eq!(change["agreement"], 0.0, "{change}");
    assert_eq!(change["name"], "f32");
}

/// A quantized file has only its own mode, and no f32.
#[test]
fn a_quantized_file_is_compared_with_f32_and_the_other_way_round() {
    let fixture = Fixture::new();
    let quantized = fixture.path("int8.safetensors");
    let mut command = command();
    command
        .args(["quantize", "--calibration-data"])
        .arg(fixture.data());
    command.arg("--model").arg(fixture.model());
    run(command.arg("--output").arg(&quantized)).good();
    // The first model is named after the fixture's here.
    let path = quantized.to_str().expect("UTF-8");
    let mut command = crate::support::command();
    command.args([
        "bench",
        "--adapter",
        "cpu",
        "--batch",
        "8",
        "--format",
        "json",
        "--model",
        path,
    ]);
    command.arg("--data").arg(fixture.data()).args(QUICK);
    let document = run(command.arg("--compare").arg(fixture.model())).json();
    validate(&document);
    let [change] = changes(&document["comparison"]) else {
        panic!("{}", document["comparison"]);
    };
    has(change["name"].as_str().expect("a name"), &["int8"]);
    has(
        change["note"].as_str().expect("a note"),
        &["compared with f32"],
    );
    assert!(change["memory"].as_f64().expect("memory") < 0.0, "{change}");
    assert!(change["time"]["value"].is_number(), "{change}");
    // Limits on the accuracy compare with it too.
    let row = &document["results"][0];
    assert_eq!(row["agreement_with_f32"], change["agreement"], "{row}");
    assert!(row["mcnemar"]["p"].is_number(), "{row}");
    let limit = &document["verdict"]["limits"][0];
    assert_eq!(limit["name"], "accuracy-drop");
    assert!(limit["measured"].is_number(), "{limit}");
    let agreement = change["agreement"].as_f64().expect("a share");
    assert!((0.5..=1.0).contains(&agreement), "{change}");

    let comparison = compared(&fixture, &quantized, &["--precision", "f32,f16"]);
    let [f32, f16] = changes(&comparison) else {
        panic!("{comparison}");
    };
    has(
        f32["note"].as_str().expect("a note"),
        &["compared with int8"],
    );
    // Only f32 is what a quantized file was made from.
    assert_eq!(f16["flags"], serde_json::json!(["unmatched"]));
    assert!(f16["agreement"].is_null(), "{f16}");
}

/// The built-in model beside one that always gives the same label: 10% of the images are of it.
#[test]
fn a_model_that_is_less_accurate_ends_with_5() {
    let fixture = Fixture::new();
    let mut worse = Network::default_model().expect("the model");
    let last = worse.layers.last_mut().expect("a layer");
    last.weights.fill(0.0);
    let worse = fixture.save("worse.safetensors", &worse);
    let mut command = command();
    command.args([
        "bench",
        "--adapter",
        "cpu",
        "--batch",
        "1000",
        "--precision",
        "f32",
    ]);
    command.args(QUICK).arg("--model").arg(&worse);
    command.args(["--compare", "data/models/default.safetensors"]);
    command.args(["--fail-on-regression", "5%"]);
    let (table, error) = run(&mut command).fails_after_output(5);
    has(
        &error,
        &[
            "worse than data/models/default.safetensors",
            "less accurate",
        ],
    );
    has(&table, &["less accurate"]);
}

#[test]
fn a_result_of_another_model_is_refused_unless_that_is_allowed() {
    let fixture = Fixture::new();
    bench(&fixture, None, &[&QUICK[..], &["--save", "first"]].concat()).good();
    spoil(&kept(&fixture, "first"), |document| {
        document["model"]["sha256"] = "0".repeat(64).into();
    });
    let compare = [&QUICK[..], &["--compare", "first", "--format", "json"]].concat();
    let error = bench(&fixture, None, &compare).fails(2);
    has(&error, &["its model is", "--allow-other-model"]);
    let allowed = [&compare[..], &["--allow-other-model"]].concat();
    let document = bench(&fixture, None, &allowed).json();
    validate(&document);
    for change in changes(&document["comparison"]) {
        // A result does not hold the labels.
        assert!(change["agreement"].is_null(), "{change}");
        assert_eq!(change["accuracy_points"], 0.0, "{change}");
    }
}

#[test]
fn a_model_that_cannot_be_compared_is_reported() {
    let fixture = Fixture::new();
    let wide = fixture.save(
        "wide.safetensors",
        &Network::default_model().expect("the model"),
    );
    for (other, words) in [
        (wide.to_str().expect("UTF-8"), "784"),
        ("missing.safetensors", "missing.safetensors"),
    ] {
        has(
            &bench(&fixture, None, &["--compare", other]).fails(7),
            &[words],
        );
    }
    has(
        &bench(&fixture, None, &["--allow-other-model"]).fails(2),
        &["--compare"],
    );
}
