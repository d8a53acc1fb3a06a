//! `search`: a precision for each layer, found by measuring; small networks on the CPU path.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use fmnist_gpu::Precision;
use fmnist_gpu::dataset::{HELD_OUT, Holdout};
use fmnist_gpu::model::{Activation, Layer, Network};
use fmnist_gpu::quantize::QuantizedNetwork;

use crate::support::{
    Fixture, TRAINING_IMAGES, command, has, images_file, labels_file, overflowing, rows, run,
    validate,
};

/// A quick search on the small data and model, with further arguments.
fn search(fixture: &Fixture, arguments: &[&str]) -> (PathBuf, Command) {
    let output = fixture.path("mixed.safetensors");
    let mut command = command();
    command.args(["search", "--adapter", "cpu"]);
    for (option, value) in [("--batch", "8"), ("--min-time", "1ms")] {
        if !arguments.contains(&option) {
            command.args([option, value]);
        }
    }
    command.arg("--data").arg(fixture.data());
    command.arg("--model").arg(fixture.model());
    command.arg("--output").arg(&output).args(arguments);
    (output, command)
}

fn state(fixture: &Fixture) -> PathBuf {
    fixture.path("mixed.safetensors.search.json")
}

#[test]
fn the_result_is_within_the_drop_and_runs() {
    let fixture = Fixture::new();
    let (output, mut command) = search(&fixture, &["--goal", "memory", "--format", "json"]);
    let document = run(&mut command).json();
    let sensitivities = document["sensitivities"].as_array().expect("sensitivities");
    // Two layers, five low precisions, each alone and all but it.
    assert_eq!(sensitivities.len(), 20);
    for layer in ["layers.0", "layers.1"] {
        for precision in ["f16", "bf16", "int8", "int8 static", "int4"] {
            let of = |row: &&serde_json::Value| row["layer"] == layer && row["mode"] == precision;
            assert_eq!(
                sensitivities.iter().filter(of).count(),
                2,
                "{layer} {precision}"
            );
        }
    }
    let finalists = document["finalists"].as_array().expect("finalists");
    let number = |row: &serde_json::Value, key: &str| row[key].as_f64().expect("a number");
    let f32 = finalists.iter().find(|row| row["mode"] == "f32");
    let f32 = number(f32.expect("f32 is always one of them"), "accuracy");
    for finalist in finalists {
        assert!(
            number(finalist, "accuracy") >= f32 - 0.001 - 1e-9,
            "{finalist}"
        );
        let (first, bytes) = (&finalists[0], "parameter_bytes");
        assert!(number(first, bytes) <= number(finalist, bytes));
    }
    let best = QuantizedNetwork::load(&output).expect("a quantized file");
    assert_eq!(document["best"], best.mode.to_string());
    let of = |mode: &serde_json::Value| {
        let found = finalists.iter().find(|row| row["mode"] == *mode);
        number(found.expect("a finalist"), "parameter_bytes")
    };
    assert_eq!(of(&document["best"]) as u64, best.parameter_bytes());
    // A mix is at least 5% smaller than the smallest plain precision.
    if !best.mode.layers.is_empty() {
        assert!(of(&document["best"]) * 1.05 <= of(&document["plain"]));
    }
    for key in [
        "search_command",
        "search_adapter",
        "search_accuracy",
        "source_sha256",
    ] {
        assert!(best.provenance.contains_key(key), "{key}");
    }
    assert!(!state(&fixture).exists(), "the state is left behind");
    std::fs::copy(&output, fixture.model()).expect("copied");
    let arguments = ["--adapter", "cpu", "--batch", "8", "--format", "json"];
    let document = fixture.bench(&arguments).json();
    validate(&document);
    assert_eq!(rows(&document)[0]["status"], "ok");
}

#[test]
fn the_best_is_the_fastest_of_the_last_comparison() {
    let fixture = Fixture::new();
    let (_, mut command) = search(&fixture, &["--max-accuracy-drop", "10", "--format", "json"]);
    let document = run(&mut command).json();
    let finalists = document["finalists"].as_array().expect("finalists");
    let time = |row: &serde_json::Value| row["median_ns"].as_u64().expect("a time");
    assert!(finalists.iter().all(|row| time(&finalists[0]) <= time(row)));
    // Whatever is lost is allowed: every uniform precision is compared.
    for name in [
        "f32",
        "f16",
        "bf16",
        "int8",
        "int8, weights by tensor",
        "int8 static",
        "int8 static, weights by tensor",
        "int4",
    ] {
        assert!(finalists.iter().any(|row| row["mode"] == name), "{name}");
    }
}

/// The images that `train` holds back, in halves.
#[test]
fn the_choice_is_confirmed_on_other_images() {
    let fixture = Fixture::new();
    let (_, mut command) = search(&fixture, &["--goal", "memory", "--format", "json"]);
    let document = run(&mut command).json();
    let held = (TRAINING_IMAGES / 5) as u64;
    let images = |name: &str| document[name]["images"].as_u64().expect("a number");
    assert_eq!(images("dataset") + images("confirming"), held);
    assert_ne!(
        document["dataset"]["sha256"],
        document["confirming"]["sha256"]
    );
    let confirmed = &document["confirmed"];
    assert_eq!(confirmed["images"], images("confirming"));
    assert_eq!(confirmed["mode"], document["best"]);
    let number = |pointer: &str| {
        confirmed
            .pointer(pointer)
            .and_then(serde_json::Value::as_f64)
    };
    let [low, accuracy, high] = [
        "/accuracy_interval/low",
        "/accuracy",
        "/accuracy_interval/high",
    ]
    .map(|pointer| number(pointer).expect("a number"));
    assert!(
        low < high && low <= accuracy && accuracy <= high,
        "{confirmed}"
    );
    assert!(number("/loss_points/low") <= number("/loss_points/value"));
    for line in document["finalists"].as_array().expect("finalists") {
        let [low, value, high] = ["loss_points_low", "loss_points", "loss_points_high"]
            .map(|key| line[key].as_f64().expect("a number"));
        assert!(low < high && low <= value && value <= high, "{line}");
    }
}

/// f16 holds the images to choose by, and not those to confirm with: f32 is the result, and the text says why.
#[test]
fn what_is_not_confirmed_is_not_chosen() {
    let fixture = Fixture::new();
    // Of bfloat16's values both weights are nearest to the same one. The outlier, whose pixel is dark in all images, takes
    // the steps of int8 and int4.
    let row = |pixel: usize| match pixel {
        0 => [60_000.0, 60_000.0],
        _ => [6_000.0, 6_024.0],
    };
    let layer = Layer {
        inputs: 16,
        outputs: 2,
        weights: (0..16).flat_map(row).collect(),
        bias: vec![0.0; 2],
        activation: Activation::Softmax,
    };
    let model = Network::new(vec![layer]).expect("a network");
    fixture.save("model.safetensors", &model);
    let count = 200;
    let held = Holdout::new(count, HELD_OUT).validation;
    let bright = |index: usize| match held.iter().position(|&one| one == index) {
        Some(at) if at >= held.len() / 2 => 15,
        _ => 4,
    };
    let pixel = |index: usize, pixel: usize| match pixel {
        0 => 0,
        pixel if pixel <= bright(index) => 255,
        _ => 0,
    };
    let pixels: Vec<u8> = (0..count)
        .flat_map(|index| (0..16).map(move |at| (index, at)))
        .map(|(index, at)| pixel(index, at))
        .collect();
    let images = images_file(count as u32, 4, 4, &pixels);
    fixture.write("train-images-idx3-ubyte", &images);
    let labels = labels_file(count as u32, &vec![1; count]);
    fixture.write("train-labels-idx1-ubyte", &labels);
    let nearest = ["--goal", "memory", "--rounding", "nearest"];
    let (output, mut command) = search(&fixture, &nearest);
    let text = run(&mut command).good();
    has(
        &text,
        &[
            "f16 seemed better, but leaves its range on the images to confirm with",
            "so plain f32 is the result",
            "images that were used only to reject f16, f32 has an accuracy of",
        ],
    );
    let best = QuantizedNetwork::load(&output).expect("a quantized file");
    assert_eq!(best.mode, Precision::F32.into());
}

#[test]
fn it_says_that_no_mix_is_better() {
    let fixture = Fixture::new();
    // int4 in all layers is the smallest that there is.
    let (_, mut command) = search(
        &fixture,
        &["--goal", "memory", "--max-accuracy-drop", "100"],
    );
    has(
        &run(&mut command).good(),
        &[
            "No mix is better than plain int4 here",
            "of the bytes of plain int4",
        ],
    );
}

/// The last line is a command that makes the same network, for a shell.
#[cfg(unix)]
#[test]
fn its_last_line_makes_the_same_network() {
    let fixture = Fixture::new();
    let model = fixture.path("my model.safetensors");
    std::fs::copy(fixture.model(), &model).expect("copied");
    let output = fixture.path("the mix's.safetensors");
    for (goal, more) in [
        ("memory", &[][..]),
        (
            "memory",
            &["--rounding", "nearest", "--calibration-images", "50"],
        ),
        // Whatever is the fastest.
        (
            "latency",
            &["--max-accuracy-drop", "100", "--min-gain", "0%"],
        ),
    ] {
        let mut command = command();
        command.args([
            "search",
            "--adapter",
            "cpu",
            "--batch",
            "8",
            "--min-time",
            "1ms",
        ]);
        command
            .arg("--data")
            .arg(fixture.data())
            .arg("--model")
            .arg(&model);
        command
            .arg("--output")
            .arg(&output)
            .args(["--goal", goal])
            .args(more);
        let end = run(&mut command);
        assert_eq!(end.code, Some(0), "{}", end.stderr);
        let found = QuantizedNetwork::load(&output).expect("a quantized file");
        std::fs::remove_file(&output).expect("removed");
        let line = end.stdout.lines().last().expect("a line");
        let words = line.strip_prefix("fmnist-gpu ").expect("a command");
        let program = crate::support::command();
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("\"$0\" {words}"));
        shell.arg(program.get_program());
        let made = shell.output().expect("a shell");
        assert!(made.status.success(), "{line}: {made:?}");
        let mut made = QuantizedNetwork::load(&output).expect("a quantized file");
        // They say how they were made.
        made.provenance.clone_from(&found.provenance);
        made.sha256.clone_from(&found.sha256);
        assert_eq!(made, found, "{line}");
    }
}

#[test]
fn it_says_whether_the_network_has_seen_the_images() {
    let fixture = Fixture::new();
    let exposure = || {
        let (_, mut command) = search(&fixture, &["--format", "json"]);
        run(&mut command).json()["exposure"].clone()
    };
    assert_eq!(exposure(), "unknown");
    let (_, mut searching) = search(&fixture, &[]);
    has(
        &run(&mut searching).good(),
        &["does not say whether it has learned"],
    );
    let train = || {
        let mut command = command();
        command.args(["train", "--hidden", "12", "--epochs", "1", "--data"]);
        command
            .arg(fixture.data())
            .arg("--output")
            .arg(fixture.model());
        assert_eq!(run(&mut command).code, Some(0));
    };
    train();
    assert_eq!(exposure(), "held-back");
    let labels = labels_file(TRAINING_IMAGES as u32, &[1; TRAINING_IMAGES]);
    fixture.write("train-labels-idx1-ubyte", &labels);
    assert_eq!(exposure(), "other-split");
}

#[test]
fn the_table_names_layers() {
    let fixture = Fixture::new();
    let (_, mut command) = search(&fixture, &[]);
    let table = run(&mut command).good();
    has(
        &table,
        &[
            "16-12-4",
            "layers.0",
            "layers.1",
            "int8 static",
            "points",
            "int8 dynamic-tensor and f16 on matrix units are not among them",
            "mixed.safetensors",
        ],
    );
    let (_, mut command) = search(&fixture, &["--format", "csv"]);
    has(
        &run(&mut command).good(),
        &["what,layer,mode,accuracy", "finalist"],
    );
    let (_, mut command) = search(&fixture, &["--format", "markdown"]);
    has(
        &run(&mut command).good(),
        &["| layers.0", "measured interleaved"],
    );
}

#[test]
fn what_was_measured_is_not_measured_again() {
    let fixture = Fixture::new();
    let begin = || {
        let (_, mut command) = search(&fixture, &["--min-time", "1m"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the binary starts");
        // Killed in the last comparison, if not before: some of it is kept by then.
        let kept =
            || std::fs::read_to_string(state(&fixture)).is_ok_and(|text| text.contains("int4"));
        while !kept() {
            assert!(
                child.try_wait().expect("a child").is_none(),
                "it ended by itself"
            );
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        child.kill().expect("killed");
        child.wait().expect("waited for");
    };
    begin();
    let (output, mut command) = search(&fixture, &[]);
    let end = run(&mut command);
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    has(
        &end.stderr,
        &["measurements of this search", "it continues from there"],
    );
    assert!(output.exists() && !state(&fixture).exists());
    // Of another batch size it is another search.
    begin();
    let (_, mut command) = search(&fixture, &["--batch", "4"]);
    let end = run(&mut command);
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    has(&end.stderr, &["another batch", "starts from the beginning"]);
}

/// Ctrl-C leaves what was measured, and says how to go on.
#[cfg(unix)]
#[test]
fn an_interrupt_says_that_the_same_command_goes_on() {
    let fixture = Fixture::new();
    let (_, mut command) = search(&fixture, &["--min-time", "1m"]);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    while !state(&fixture).exists() {
        assert!(
            child.try_wait().expect("a child").is_none(),
            "it ended by itself"
        );
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let pid = child.id().to_string();
    let kill = Command::new("kill").args(["-INT", &pid]).status();
    assert!(kill.expect("kill").success());
    let end = child.wait_with_output().expect("an end");
    assert_eq!(end.status.code(), Some(130));
    let printed = String::from_utf8(end.stderr).expect("UTF-8");
    has(
        &printed,
        &[
            "interrupted",
            "mixed.safetensors.search.json",
            "run the same command again to continue",
        ],
    );
}

#[test]
fn what_cannot_be_searched_is_refused() {
    let fixture = Fixture::new();
    let fails = |arguments: &[&str], code| run(&mut search(&fixture, arguments).1).fails(code);
    has(&fails(&["--goal", "nosuch"], 2), &["nosuch", "latency"]);
    has(&fails(&["--max-accuracy-drop=-1"], 2), &["points"]);
    has(&fails(&["--max-accuracy-drop", "NaN"], 2), &["points"]);
    let quantized = fixture.path("q.safetensors");
    let lowered =
        fmnist_gpu::quantize::lower(&crate::support::model(), &Precision::Bf16.into(), None);
    lowered
        .expect("a quantized network")
        .save(&quantized)
        .expect("saved");
    let empty = tempfile::tempdir().expect("a temporary folder");
    let output = fixture.path("none.safetensors");
    let error = fmnist!("search", "--model", &quantized, "--output", &output).fails(2);
    has(&error, &["already quantized"]);
    let error = fmnist!("search", "--data", empty.path(), "--output", &output).fails(7);
    has(&error, &["train-images", "dataset-fashion-mnist"]);
    let error = fmnist!("search", "--data", fixture.data(), "--output", &output).fails(7);
    has(&error, &["784", "16"]);
    assert!(!output.exists());
}

/// What overflows is no answer, though an activation behind it gives numbers again: it is tried, and not chosen.
#[test]
fn a_precision_that_overflows_is_never_the_best() {
    {
        let weight = 70_000.0;
        let fixture = Fixture::new();
        fixture.save(
            "model.safetensors",
            &overflowing(weight, Activation::Sigmoid),
        );
        // All images get one label, a quarter of them rightly; without any answer that would be none.
        let drop = ["--max-accuracy-drop", "10", "--format", "json"];
        let (output, mut command) = search(&fixture, &drop);
        // It warns of the one label.
        let end = run(&mut command);
        assert_eq!(end.code, Some(0), "{}", end.stderr);
        let document: serde_json::Value = serde_json::from_str(&end.stdout).expect("JSON");
        let trials = document["trials"].as_array().expect("trials");
        let f16 = trials
            .iter()
            .find(|row| row["mode"] == "f16")
            .expect("f16 is tried");
        assert_eq!(f16["accuracy"], 0.0, "{f16}");
        let best = QuantizedNetwork::load(&output).expect("a quantized file");
        assert_ne!(best.layers[0].precision(), Precision::F16);
    }
}
