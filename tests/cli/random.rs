//! `bench --layers`: a network of random weights, which has speed, memory and agreement with f32, but no accuracy.

use serde_json::Value;

use crate::support::{Ended, Fixture, command, has, rows, run, validate};

fn bench(arguments: &[&str]) -> Ended {
    let mut command = command();
    command.args(["bench", "--adapter", "cpu", "--runs", "2", "--warmup", "0"]);
    run(command.args(arguments))
}

fn document(arguments: &[&str]) -> Value {
    let document = bench(&[arguments, &["--format", "json"]].concat()).json();
    validate(&document);
    document
}

fn texts<'a>(document: &'a Value, list: &str) -> Vec<&'a str> {
    let list = document.pointer(list).and_then(Value::as_array);
    let list = list.expect("a list").iter();
    list.map(|value| value.as_str().expect("text")).collect()
}

#[test]
fn it_agrees_with_f32_and_has_no_accuracy() {
    let document = document(&["--layers", "784-20-10", "--batch", "300,1"]);
    assert_eq!(document["dataset"]["images"], 1000);
    assert_eq!(document["dataset"]["labelled"], false);
    assert_eq!(document["model"]["path"], "random weights, seed 0");
    assert_eq!(texts(&document, "/model/activations"), ["relu", "softmax"]);
    assert_eq!(rows(&document).len(), 8);
    for row in rows(&document) {
        assert_eq!(row["status"], "ok");
        assert!(row["accuracy"].is_null() && row["confusion"].is_null());
        let agreement = row["agreement_with_f32"].as_f64().expect("an agreement");
        assert!(agreement > 0.5, "{agreement}");
    }
    let limits = document["verdict"]["limits"].as_array().expect("limits");
    assert!(limits.is_empty(), "{limits:?}");
}

#[test]
fn the_same_seed_gives_the_same_network_and_images() {
    let of = |seed: &str| {
        let document = document(&["--layers", "30-8-3", "--batch", "4", "--seed", seed]);
        (
            document["model"]["sha256"].clone(),
            document["dataset"]["sha256"].clone(),
        )
    };
    let (first, again, other) = (of("7"), of("7"), of("8"));
    assert_eq!(first, again);
    assert!(first.0 != other.0 && first.1 != other.1);
}

#[test]
fn any_width_runs_in_every_precision_and_scheme() {
    let every = ["--precision", "every", "--scheme", "all", "--batch", "3"];
    let activations = ["--activations", "tanh,sigmoid,identity"];
    let arguments = [&["--layers", "30-12-9-5"][..], &activations, &every].concat();
    let document = document(&arguments);
    assert_eq!(
        texts(&document, "/model/activations"),
        ["tanh", "sigmoid", "identity"]
    );
    assert_eq!(document["dataset"]["name"], "random pixels, seed 0");
    assert!(rows(&document).len() > 6);
    for row in rows(&document) {
        assert_eq!(row["status"], "ok", "{}: {}", row["name"], row["detail"]);
    }
}

#[test]
fn the_images_of_a_folder_are_used_without_their_labels() {
    let fixture = Fixture::new();
    let folder = fixture.data().to_str().expect("a path");
    let document = document(&["--layers", "16-8-4", "--data", folder, "--batch", "2"]);
    assert_eq!(document["dataset"]["labelled"], false);
    has(
        document["dataset"]["name"].as_str().expect("a name"),
        &["without labels"],
    );
    let message = bench(&["--layers", "17-8-4", "--data", folder]).fails(7);
    has(&message, &["17", "16"]);
}

#[test]
fn no_table_has_a_column_of_accuracies() {
    for (format, columns) in [("table", "end to end"), ("markdown", "| precision ")] {
        let text = bench(&["--layers", "20-8-3", "--batch", "4", "--format", format]).good();
        has(
            &text,
            &[columns, "changed", "at batch 4", "random weights, seed 0"],
        );
        assert!(!text.contains("accuracy loss"), "{text}");
        let title = text.lines().find(|line| line.contains("end to end"));
        assert!(!title.expect("a title").contains("accuracy"), "{text}");
        has(&text, &["no labels", "latency, throughput or memory"]);
    }
    let csv = bench(&["--layers", "20-8-3", "--batch", "4", "--format", "csv"]).good();
    let mut lines = csv.lines().map(|line| line.split(','));
    let title = lines
        .next()
        .expect("a title")
        .position(|name| name == "accuracy");
    for mut line in lines {
        assert_eq!(line.nth(title.expect("a column")), Some(""));
    }
}

#[test]
fn results_of_the_usual_batch_sizes_can_be_compared() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("r.json");
    let file = file.to_str().expect("a path");
    bench(&["--layers", "20-8-3", "--batch", "300,4", "--output", file]).good();
    let text = bench(&["--layers", "20-8-3", "--batch", "4", "--compare", file]).good();
    has(&text, &["Compared"]);
    let other = [
        "--layers",
        "20-8-3",
        "--seed",
        "1",
        "--batch",
        "4",
        "--compare",
        file,
    ];
    has(&bench(&other).fails(2), &["model"]);
}

#[test]
fn a_limit_of_memory_gets_as_many_images_as_there_are() {
    let limited = document(&[
        "--layers",
        "20-8-3",
        "--batch",
        "4",
        "--memory-limit",
        "2KiB",
    ]);
    assert_eq!(limited["dataset"]["images"], 10_000);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let layers = ["--layers", "20-8-3"];
    let refused = |more: &[&str], parts: &[&str]| {
        has(&bench(&[&layers[..], more].concat()).fails(2), parts);
    };
    refused(&["--model", "m.safetensors"], &["--layers", "--model"]);
    refused(
        &["--goal", "accuracy"],
        &["--goal accuracy", "random weights"],
    );
    refused(&["--gate"], &["--gate without another limit", "--model"]);
    refused(&["--max-accuracy-drop", "1"], &["--max-accuracy-drop"]);
    refused(&["--activations", "relu"], &["2 layers", "names 1"]);
    refused(&["--activations", "relu,swish"], &["swish", "sigmoid"]);
    refused(&["--activations", "softmax,relu"], &["softmax", "layer 0"]);
    has(&bench(&["--seed", "1"]).fails(2), &["--layers"]);
    has(&bench(&["--layers", "20"]).fails(2), &["784-64-10"]);
    has(&bench(&["--layers", "20-0-3"]).fails(2), &["784-64-10"]);
    let huge = bench(&["--layers", "784-99999999999-10"]).fails(2);
    has(&huge, &["784-99999999999-10", "268435456", "smaller"]);
}
