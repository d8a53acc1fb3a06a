//! Calibration images that show too little: warnings, and an answer that is the same for all of them.

use std::path::{Path, PathBuf};

use fmnist_gpu::model::{Network, classifier_activations};
use fmnist_gpu::quantize::QuantizedNetwork;
use serde_json::Value;

use crate::support::{Ended, Fixture, command, has, images_file, labels_file, rows, run, validate};

/// A folder with a training split of 200 images, of which 160 are for calibration: `pixel(image, place)`.
fn split(fixture: &Fixture, pixel: impl Fn(usize, usize) -> u8) -> PathBuf {
    const SIZE: usize = 784;
    let folder = fixture.path("split");
    std::fs::create_dir_all(&folder).expect("a folder");
    let pixels: Vec<u8> = (0..200 * SIZE)
        .map(|at| pixel(at / SIZE, at % SIZE))
        .collect();
    let write =
        |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).expect("a file");
    write(
        "train-images-idx3-ubyte",
        &images_file(200, 28, 28, &pixels),
    );
    write("train-labels-idx1-ubyte", &labels_file(200, &[0; 200]));
    folder
}

/// Quantizes the model inside the program, or another one.
fn quantize(model: Option<&Path>, data: Option<&Path>, output: &Path, more: &[&str]) -> Ended {
    let mut command = command();
    command
        .arg("quantize")
        .args(more)
        .arg("--output")
        .arg(output);
    for (option, path) in [("--model", model), ("--calibration-data", data)] {
        if let Some(path) = path {
            command.arg(option).arg(path);
        }
    }
    run(&mut command)
}

/// A network of random weights for the images inside the program, whose hidden values are all zero.
fn dead() -> Network {
    let activations = classifier_activations(2);
    let mut model = Network::random(&[784, 4, 10], &activations, 1).expect("a network");
    model.layers[0].bias.fill(-1e4);
    model.layers[1].bias[3] = 1.0;
    model
}

#[test]
fn black_images_are_refused() {
    let fixture = Fixture::new();
    let black = split(&fixture, |_, _| 0);
    let output = fixture.path("black.safetensors");
    for (more, mode) in [
        (&[][..], "int8 static"),
        (&["--calibration", "min-max"], "int8 static"),
        (&["--rounding", "nearest"], "int8 static"),
        (&["--precision", "int4"], "int4"),
        (&["--scheme", "dynamic-row"], "int8"),
    ] {
        let error = quantize(None, Some(&black), &output, more).fails(4);
        let start = format!("error: {mode}: all 160 calibration images get the same outputs");
        has(&error, &[&start, "--allow-degenerate"]);
        assert!(!output.exists(), "{mode}");
        let allowed = [more, &["--allow-degenerate"]].concat();
        let end = quantize(None, Some(&black), &output, &allowed);
        assert_eq!(end.code, Some(0), "{}", end.stderr);
        let warning = format!("warning: {mode}: all 160 calibration images get the same outputs");
        has(&end.stderr, &[&warning, "take"]);
        let made = QuantizedNetwork::load(&output).expect("a quantized file");
        has(
            &made.provenance["quantize_command"],
            &["--allow-degenerate"],
        );
        std::fs::remove_file(&output).expect("removed");
    }
    // No image decides anything here.
    for more in [
        &["--precision", "f16"][..],
        &["--scheme", "dynamic-row", "--rounding", "nearest"],
    ] {
        let _ = quantize(None, None, &output, more).good();
    }
}

#[test]
fn calibration_that_shows_too_little_is_reported() {
    let fixture = Fixture::new();
    let output = fixture.path("made.safetensors");
    let few = ["--calibration-images", "5"];
    let end = quantize(None, None, &output, &few);
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    assert_eq!(end.stderr.lines().count(), 1, "{}", end.stderr);
    has(
        &end.stderr,
        &[
            "warning: int8 static: calibrated with 5 images, too few to stand for others; use 100 or more",
        ],
    );
    let _ = quantize(None, None, &output, &["--calibration-images", "100"]).good();
    let model = fixture.save("dead.safetensors", &dead());
    let end = quantize(Some(&model), None, &output, &["--allow-degenerate"]);
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    has(
        &end.stderr,
        &[
            "layers.1 takes nothing but zeros for all calibration images",
            "all 1,000 calibration images get the same outputs (label 3)",
        ],
    );
    // One class, which the network tells apart from others: they get one label, and outputs of their own.
    let mut model = dead();
    model.layers[0].bias.fill(0.0);
    model.layers[1].bias[3] = 1e4;
    let model = fixture.save("one.safetensors", &model);
    let error = quantize(Some(&model), None, &output, &[]).fails(4);
    has(
        &error,
        &[
            "all 1,000 calibration images get the label 3",
            "every class",
        ],
    );
    // So few may have one label by chance.
    let end = quantize(Some(&model), None, &output, &["--calibration-images", "99"]);
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    has(&end.stderr, &["calibrated with 99 images"]);
}

/// The warnings of `bench`, by the names of their rows.
fn warnings(arguments: &[&str]) -> Vec<(String, Vec<String>)> {
    let mut command = command();
    command.args([
        "bench",
        "--adapter",
        "cpu",
        "--runs",
        "2",
        "--warmup",
        "1",
        "--format",
        "json",
    ]);
    let end = run(command.args(arguments));
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    let document: Value = serde_json::from_str(&end.stdout).expect("JSON");
    validate(&document);
    let of_row = |row: &Value| {
        let requested = &row["requested"];
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let name = format!(
            "{} {}",
            word(&requested["precision"]),
            word(&requested["scheme"])
        );
        let list = row["warnings"].as_array().expect("a list").iter();
        let calibration = list.filter(|one| one["kind"] != "few-samples");
        let found = calibration.map(|one| {
            // What a row says is on stderr too.
            has(&end.stderr, &[one["text"].as_str().expect("words")]);
            word(&one["kind"])
        });
        (name, found.collect())
    };
    rows(&document).iter().map(of_row).collect()
}

#[test]
fn rows_warn_of_their_calibration() {
    let fixture = Fixture::new();
    let model = fixture.save("dead.safetensors", &dead());
    let path = model.to_str().expect("UTF-8");
    let all = [
        "--precision",
        "f32,f16,int8,int4",
        "--scheme",
        "all",
        "--batch",
        "100",
    ];
    let found = warnings(&[&all[..], &["--model", path]].concat());
    let names: Vec<&str> = found.iter().map(|(name, _)| name.trim()).collect();
    has(
        &names.join(","),
        &[
            "f16",
            "int8 dynamic-tensor",
            "int8 dynamic-row",
            "int8 static",
            "int4",
        ],
    );
    for (name, kinds) in &found {
        let expected: &[&str] = match name.trim() {
            "int8 static" => &["empty-range", "constant-answer"],
            "int8 dynamic-row" | "int4" => &["constant-input", "constant-answer"],
            _ => &[],
        };
        assert_eq!(kinds, expected, "{name}");
    }
    // A network of random weights is calibrated on the images that it classifies.
    let data = fixture.data().to_str().expect("UTF-8").to_owned();
    let of_layers = |arguments: &[&str]| {
        let arguments = [
            arguments,
            &["--precision", "int8", "--scheme", "static", "--batch", "8"],
        ];
        warnings(&arguments.concat())
    };
    for (name, kinds) in of_layers(&["--layers", "16-12-4", "--data", &data]) {
        assert_eq!(kinds, ["few-calibration-images"], "{name}");
    }
    // Its hidden values are all near each other, but entropy keeps them.
    let sigmoid = [
        "--layers",
        "784-2-10",
        "--activations",
        "sigmoid,softmax",
        "--seed",
        "5",
    ];
    for (name, kinds) in of_layers(&sigmoid) {
        assert!(
            kinds.iter().all(|kind| kind != "saturation"),
            "{name} {kinds:?}"
        );
    }
}

#[test]
fn predict_and_search_warn_of_their_calibration() {
    let fixture = Fixture::new();
    let model = fixture.save("dead.safetensors", &dead());
    let images = fixture.path("image");
    let image = images_file(1, 28, 28, &[0; 784]);
    std::fs::write(&images, image).expect("a file");
    let mut command = command();
    command.args(["predict", "--adapter", "cpu", "--precision", "int8"]);
    command.args(["--scheme", "static", "--format", "json"]);
    let end = run(command
        .arg("--model")
        .arg(&model)
        .arg("--data")
        .arg(&images));
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    has(
        &end.stderr,
        &["warning: int8 static: layers.1 takes nothing but zeros"],
    );
    let document: Value = serde_json::from_str(&end.stdout).expect("JSON");
    let warnings = document["warnings"].as_array().expect("a list").iter();
    let kinds: Vec<&Value> = warnings.map(|one| &one["kind"]).collect();
    assert_eq!(kinds, ["empty-range", "constant-answer"]);

    // Whatever is lost is allowed, so that the smallest network is the best one: int4, which uses the images.
    let mut command = crate::support::command();
    command.args(["search", "--adapter", "cpu", "--goal", "memory"]);
    command.args(["--max-accuracy-drop", "100", "--calibration-images", "5"]);
    command.args(["--batch", "8", "--min-time", "1ms"]);
    command.arg("--data").arg(fixture.data());
    command.arg("--model").arg(fixture.model());
    let end = run(command
        .arg("--output")
        .arg(fixture.path("best.safetensors")));
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    has(
        &end.stderr,
        &["warning: int4: calibrated with 5 images, too few to stand for others; use 100 or more"],
    );
}
