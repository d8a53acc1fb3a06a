//! `search`: a precision for each layer, found by measuring; small networks on the CPU path.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use fmnist_gpu::Precision;
use fmnist_gpu::quantize::QuantizedNetwork;

use crate::support::{Fixture, command, has, overflowing, rows, run, validate};

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
    assert_eq!(finalists[0]["mode"], best.mode.to_string());
    assert_eq!(
        number(&finalists[0], "parameter_bytes") as u64,
        best.parameter_bytes()
    );
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
    use fmnist_gpu::model::Activation;

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
