//! `train`: a tiny network, its file, and what can be done with it.

use std::path::Path;

use fmnist_gpu::Precision;
use fmnist_gpu::model::Network;

use crate::support::{Ended, Fixture, PIXELS, command, has, rows, run, validate};

/// Trains in `folder`, so that the command in the metadata is the same in every folder.
fn train(fixture: &Fixture, folder: &Path, arguments: &[&str]) -> Ended {
    let mut command = command();
    command
        .args(["train", "--hidden", "5", "--epochs", "2"])
        .args(arguments);
    command
        .args(["--output", "m.safetensors", "--data"])
        .arg(fixture.data());
    run(command.current_dir(folder))
}

/// The file that such a training left.
fn trained(fixture: &Fixture, arguments: &[&str]) -> (Vec<u8>, Network) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let end = train(fixture, folder.path(), arguments);
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    has(&end.stdout, &["m.safetensors", "accuracy"]);
    let left = std::fs::read_dir(folder.path())
        .expect("the folder")
        .count();
    assert_eq!(left, 1, "one file is left");
    let path = folder.path().join("m.safetensors");
    let bytes = std::fs::read(&path).expect("the model");
    (bytes, Network::load(&path).expect("a valid model"))
}

#[test]
fn a_trained_model_says_how_it_was_made() {
    let fixture = Fixture::new();
    let (_, model) = trained(&fixture, &["--seed", "7"]);
    assert_eq!(model.architecture().widths(), [PIXELS, 5, 4]);
    assert_eq!(model.mode, None);
    assert_eq!(model.int8_clip, 127);
    assert!(model.classes.is_empty(), "these are no clothes");
    let said = |key: &str| {
        let value = model.provenance.get(key);
        value
            .unwrap_or_else(|| panic!("no {key} in {:?}", model.provenance))
            .as_str()
    };
    assert_eq!((said("seed"), said("epochs")), ("7", "2"));
    let data = fixture.data().to_str().expect("UTF-8");
    let parts = [
        "train",
        "--hidden 5",
        "--epochs 2",
        "--seed 7",
        "--data",
        data,
        "--output m.safetensors",
    ];
    has(said("command"), &parts);
}

/// The contract's name for it.
#[test]
fn a_trained_model_says_its_accuracy() {
    let (_, model) = trained(&Fixture::new(), &[]);
    let accuracy = model.provenance.get("accuracy").expect("an accuracy");
    let share: f64 = accuracy.parse().expect("a number");
    assert!((0.0..=1.0).contains(&share), "{accuracy}");
}

#[test]
fn precision_and_clip_are_stored() {
    let fixture = Fixture::new();
    let (_, model) = trained(&fixture, &["--precision", "int8", "--int8-clip", "63"]);
    assert_eq!(model.mode, Some(Precision::Int8.into()));
    assert_eq!(model.int8_clip, 63);
    has(
        &model.provenance["command"],
        &["--precision int8", "--int8-clip 63"],
    );
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_does_not() {
    let fixture = Fixture::new();
    let weights = |model: Network| model.layers[0].weights.clone();
    let (first, model) = trained(&fixture, &["--seed", "3"]);
    let (again, _) = trained(&fixture, &["--seed", "3"]);
    assert!(first == again, "other bytes");
    let (_, other) = trained(&fixture, &["--seed", "4"]);
    assert_ne!(weights(model), weights(other));
}

#[test]
fn a_trained_model_is_measured_and_predicts() {
    let fixture = Fixture::new();
    let (bytes, _) = trained(&fixture, &["--precision", "f16"]);
    fixture.write("model.safetensors", &bytes);
    let arguments = ["--adapter", "cpu", "--batch", "8", "--format", "json"];
    let document = fixture.bench(&arguments).json();
    validate(&document);
    assert!(rows(&document).iter().all(|row| row["status"] == "ok"));
    let images = fixture.path("t10k-images-idx3-ubyte");
    let predicted = fmnist!(
        "predict",
        "--format",
        "json",
        "--adapter",
        "cpu",
        "--model",
        fixture.model(),
        "--data",
        images
    )
    .json();
    assert_eq!(predicted["precision"], "f16");
}

#[test]
fn several_hidden_layers_are_trained() {
    let fixture = Fixture::new();
    let (_, model) = trained(&fixture, &["--seed", "1"]);
    assert_eq!(model.layers.len(), 2);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("deep.safetensors");
    let end = fmnist!(
        "train",
        "--hidden",
        "6,5",
        "--epochs",
        "1",
        "--data",
        fixture.data(),
        "--output",
        &path
    );
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    let model = Network::load(&path).expect("a valid model");
    assert_eq!(model.architecture().widths(), [PIXELS, 6, 5, 4]);
}
