//! Schemes, further precisions and layers of their own: what `bench`, `predict` and `memory` make of them.

use fmnist_gpu::model::Activation;
use serde_json::{Value, json};

use crate::bench::{check_figures, check_table};
use crate::support::{Ended, Fixture, command, has, overflowing, rows, run, validate};

/// The modes of `bench --precision every --scheme all`, as tables name them.
const EVERY: [&str; 9] = [
    "f32",
    "f16",
    "bf16",
    "int8",
    "int8, weights by tensor",
    "int8 static",
    "int8 static, weights by tensor",
    "int8 dynamic-tensor",
    "int4",
];

/// `[precision, scheme, weights]` of every row.
fn requested(document: &Value) -> Vec<[String; 3]> {
    let of_row = |row: &Value| {
        ["precision", "scheme", "weights"].map(|field| {
            let value = &row["requested"][field];
            value.as_str().unwrap_or("").to_owned()
        })
    };
    rows(document).iter().map(of_row).collect()
}

#[test]
fn every_mode_stands_in_one_table() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let mut command = command();
    command.args(["bench", "--adapter", "cpu", "--precision", "every"]);
    command.args(["--scheme", "all", "--batch", "1000", "--runs", "2"]);
    for name in ["all.json", "all.csv", "all.md"] {
        command.arg("--output").arg(path(name));
    }
    let table = run(&mut command).good();
    check_table(&table);
    has(
        &table,
        &["bf16", "dynamic-tensor", "static", "weights by", "int4"],
    );

    let read = |name: &str| std::fs::read_to_string(path(name)).expect("a file");
    let document: Value = serde_json::from_str(&read("all.json")).expect("JSON");
    validate(&document);
    check_figures(&document);
    let row = |precision: &str, scheme: &str, weights: &str| {
        [precision, scheme, weights].map(str::to_owned)
    };
    let expected = [
        row("f32", "", ""),
        row("f16", "", ""),
        row("bf16", "", ""),
        row("int8", "dynamic-row", "channel"),
        row("int8", "dynamic-row", "tensor"),
        row("int8", "static", "channel"),
        row("int8", "static", "tensor"),
        row("int8", "dynamic-tensor", "tensor"),
        row("int4", "", ""),
    ];
    assert_eq!(requested(&document), expected);
    for row in rows(&document) {
        assert_eq!(row["status"], "ok", "{row}");
        let number = |field: &str| row[field].as_f64().expect("a number");
        assert!(number("accuracy") > 0.85, "{row}");
        assert!(number("agreement_with_f32") > 0.9, "{row}");
    }
    let markdown = read("all.md");
    for name in EVERY {
        has(&markdown, &[&format!("| {name} ")]);
    }
    let csv = read("all.csv");
    assert_eq!(csv.lines().count(), 1 + EVERY.len());
    has(
        &csv,
        &["requested_weights", "static,channel", "static,tensor"],
    );
}

#[test]
fn layers_of_their_own_are_a_row_beside_the_others() {
    let fixture = Fixture::new();
    let document = fixture
        .bench(&[
            "--adapter",
            "cpu",
            "--precision",
            "f32",
            "--layer-precision",
            "f16,int8",
            "--batch",
            "8",
            "--format",
            "json",
        ])
        .json();
    validate(&document);
    check_figures(&document);
    let requested = &rows(&document)[1]["requested"];
    let expected = json!({
        "precision": "mixed", "scheme": "dynamic-row", "weights": "channel",
        "layers": ["f16", "int8"], "batch": 8, "adapter": 0
    });
    assert_eq!(requested, &expected);
}

/// `predict` on the small images.
fn predict(fixture: &Fixture, arguments: &[&str]) -> Ended {
    let mut command = command();
    command
        .args(["predict", "--adapter", "cpu"])
        .args(arguments);
    command.arg("--model").arg(fixture.model());
    let images = fixture.path("t10k-images-idx3-ubyte");
    run(command.arg("--data").arg(images))
}

#[test]
fn by_row_an_image_is_classified_alike_in_every_batch() {
    let fixture = Fixture::new();
    for mode in [
        &["--precision", "int8", "--scheme", "dynamic-row"][..],
        &["--precision", "bf16"],
        &["--layer-precision", "int8,f16", "--weights", "tensor"],
    ] {
        let by = |batch| {
            predict(
                &fixture,
                &[mode, &["--batch", batch, "--format", "csv"]].concat(),
            )
        };
        let alone = by("1").good();
        assert_eq!(alone.lines().count(), 41);
        assert_eq!(by("7").good(), alone, "{mode:?}");
        assert_eq!(by("40").good(), alone, "{mode:?}");
    }
}

#[test]
fn predict_says_the_mode_that_ran() {
    let fixture = Fixture::new();
    let layers = ["--layer-precision", "int8,bf16"];
    let table = predict(&fixture, &layers).good();
    has(&table, &["int8,bf16 (dynamic-row), batch 40"]);
    let document = predict(&fixture, &[&layers[..], &["--format", "json"]].concat()).json();
    assert_eq!(document["precision"], "mixed");
    assert_eq!(document["scheme"], "dynamic-row");
    assert_eq!(document["weights"], "channel");
    assert_eq!(document["layers"], json!(["int8", "bf16"]));
}

#[test]
fn what_contradicts_itself_or_the_model_is_a_usage_error() {
    let fixture = Fixture::new();
    let refused = |arguments: &[&str], words: &[&str]| {
        let arguments = [&["--adapter", "cpu"], arguments].concat();
        has(&fixture.bench(&arguments).fails(2), words);
    };
    refused(
        &["--weights", "channel", "--scheme", "dynamic-tensor"],
        &["dynamic-tensor", "--scheme"],
    );
    refused(
        &["--layer-precision", "f16"],
        &["2 layers", "--layer-precision"],
    );
    refused(&["--precision", "mixed"], &["--layer-precision"]);
    refused(&["--layer-precision", "f16,mixed"], &["cannot be mixed"]);
    refused(&["--scheme", "dynamic"], &["dynamic-row", "static"]);
    refused(&["--weights", "row"], &["tensor", "channel"]);
    refused(
        &[
            "--layer-precision",
            "f16,int8",
            "--scheme",
            "dynamic-tensor",
        ],
        &["the same precision in all layers"],
    );
    let error = predict(
        &fixture,
        &["--precision", "f16", "--layer-precision", "f16,f16"],
    );
    has(&error.fails(2), &["--precision mixed"]);
}

/// Sums of 60,000 times a pixel are numbers of f32 and bfloat16, but none of binary16.
#[test]
fn values_that_the_next_layer_cannot_take_are_an_overflow() {
    let fixture = Fixture::new();
    fixture.save(
        "model.safetensors",
        &overflowing(60_000.0, Activation::Relu),
    );
    let error = predict(&fixture, &["--layer-precision", "f32,f16"]).fails(4);
    has(&error, &["f32,f16", "layers.0", "65504"]);
    predict(&fixture, &["--layer-precision", "f16,bf16"]).good();
    predict(&fixture, &["--precision", "bf16"]).good();
    let arguments = [
        "--adapter",
        "cpu",
        "--precision",
        "bf16",
        "--layer-precision",
        "int8,f16",
        "--format",
        "json",
        "--batch",
        "8",
    ];
    let (text, error) = fixture.bench(&arguments).fails_after_output(4);
    has(&error, &["int8,f16", "layers.0"]);
    let document: Value = serde_json::from_str(&text).expect("JSON");
    validate(&document);
    let status: Vec<&Value> = rows(&document).iter().map(|row| &row["status"]).collect();
    assert_eq!(status, ["ok", "overflow"]);
}

#[test]
fn memory_lists_every_mode() {
    let arguments = ["--precision", "every", "--scheme", "all"];
    let table = run(command().arg("memory").args(arguments)).good();
    for name in EVERY {
        has(&table, &[&format!("\n{name}")]);
    }
    let document = run(command()
        .args([
            "memory",
            "--precision",
            "int4",
            "--layer-precision",
            "bf16,int4",
        ])
        .args(["--batch", "1", "--format", "json"]))
    .json();
    let lines = document["precisions"].as_array().expect("lines");
    // Two quantized values a byte, a scale of two bytes for 32 quantized values of a column, biases of four bytes.
    let scales = (784_u64.div_ceil(32) * 64 + 64_u64.div_ceil(32) * 10) * 2;
    assert_eq!(
        lines[0]["parameters_bytes"],
        (784 * 64 + 64 * 10) / 2 + scales + 4 * 74
    );
    assert_eq!(lines[0]["activations_bytes"], 4 * (784 + 64 + 10));
    assert_eq!(lines[1]["precision"], "mixed");
    assert_eq!(lines[1]["layers"], json!(["bf16", "int4"]));
    let error = run(command().args([
        "memory",
        "--layers",
        "784-10",
        "--layer-precision",
        "f16,f16",
    ]));
    has(&error.fails(2), &["784-10 has 1 layers"]);
}
