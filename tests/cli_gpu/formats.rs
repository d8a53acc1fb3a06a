//! What `bench` and `predict` write of an adapter.

use crate::Adapter;
use crate::support::{Fixture, command, has, model, precisions, rows, run, validate};
use fmnist_gpu::model::{Activation, Network};
use fmnist_gpu::quantize::{QuantizedNetwork, Ranges, lower};
use fmnist_gpu::{Mode, Scheme, WeightScales};

pub fn bench_is_as_the_schema_says(adapter: &Adapter) {
    let arguments = [
        "--adapter",
        &adapter.index,
        "--batch",
        "1,8,99",
        "--format",
        "json",
    ];
    let document = Fixture::new().bench(&arguments).json();
    validate(&document);
    assert_eq!(rows(&document).len(), 12);
    let mut batches = Vec::new();
    for row in rows(&document) {
        assert_eq!(row["status"], "ok", "{row}");
        batches.push(row["requested"]["batch"].as_u64().expect("a batch"));
    }
    assert_eq!(batches, [[99; 4], [8; 4], [1; 4]].concat());
}

pub fn bench_in_every_format_is_quiet(adapter: &Adapter) {
    for format in ["table", "csv", "markdown", "json"] {
        let mut command = command();
        command.args(["bench", "--adapter", &adapter.index, "--batch", "1000"]);
        command.args(["--precision", "f32,f16", "--runs", "2", "--warmup", "1"]);
        let text = run(command.args(["--format", format])).good();
        has(&text, &["f32", "f16"]);
        if format == "table" {
            let wide = text.lines().find(|line| line.chars().count() > 100);
            assert_eq!(wide, None, "over 100 characters");
            has(&text, &["at batch 1,000", &adapter.name, &adapter.backend]);
        }
    }
}

/// Static quantized values, and outputs that are scaled sums: not a bit is left to the adapter.
pub fn a_quantized_file_gives_the_cpu_paths_numbers(adapter: &Adapter) {
    let fixture = Fixture::new();
    let mut model = model();
    model.layers[1].activation = Activation::Identity;
    let mode = Mode::int8(Scheme::Static, WeightScales::Channel);
    let ranges = Ranges(vec![(0.0, 1.0), (0.0, 3.0)]);
    let quantized = lower(&model, &mode, Some(&ranges)).expect("a quantized network");
    let file = fixture.write("q.safetensors", &quantized.to_bytes().expect("a file"));
    let numbers = |adapter: &str, batch: &str| {
        let mut command = command();
        command.args([
            "predict",
            "--adapter",
            adapter,
            "--batch",
            batch,
            "--format",
            "csv",
        ]);
        command.arg("--model").arg(&file);
        run(command
            .arg("--data")
            .arg(fixture.data().join("t10k-images-idx3-ubyte")))
        .good()
    };
    let cpu = numbers("cpu", "40");
    assert!(cpu.lines().count() > 40, "{cpu}");
    for batch in ["1", "7", "40"] {
        assert_eq!(numbers(&adapter.index, batch), cpu, "batch {batch}");
    }
}

/// The default model as the command quantizes it. By the scheme static nothing is left to the adapter: the sums are the
/// same to the bit, and so are the outputs where they are these sums, scaled. By row a scale is computed where it
/// runs, and a quantized value may differ at a rounding tie: labels may as often as the reference lets them.
pub fn a_file_made_by_quantize_answers_as_on_the_cpu_path(adapter: &Adapter) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    let mut sums = Network::default_model().expect("the default model");
    sums.layers[1].activation = Activation::Identity;
    sums.save(&path("sums.safetensors")).expect("saved");
    let quantize = |name: &str, arguments: &[&str]| {
        let mut command = command();
        command.arg("quantize").args(arguments);
        run(command.arg("--output").arg(path(name))).good();
    };
    let sums = path("sums.safetensors").display().to_string();
    quantize("static", &["--scheme", "static"]);
    quantize("static-sums", &["--scheme", "static", "--model", &sums]);
    quantize("row", &["--scheme", "dynamic-row"]);
    // Index, label, class and the label's output of 10,000 images.
    let lines = |adapter: &str, name: &str| -> Vec<String> {
        let mut command = command();
        command.args(["predict", "--adapter", adapter, "--format", "csv"]);
        let text = run(command.arg("--model").arg(path(name))).good();
        text.lines().map(str::to_owned).collect()
    };
    let label = |line: &String| line.split(',').nth(1).map(str::to_owned);
    for (name, most) in [("static", 0), ("static-sums", 0), ("row", 5)] {
        let (here, there) = (lines(&adapter.index, name), lines("cpu", name));
        assert_eq!((here.len(), there.len()), (10_001, 10_001));
        let pairs = here.iter().zip(&there);
        let changed = pairs.filter(|(a, b)| label(a) != label(b)).count();
        assert!(changed <= most, "{name}: {changed} labels");
        assert!(name != "static-sums" || here == there, "other sums");
    }
}

/// A search on an adapter finds what runs there.
pub fn a_search_is_measured_on_the_adapter(adapter: &Adapter) {
    let fixture = Fixture::new();
    let output = fixture.path("mixed.safetensors");
    let mut command = command();
    command.args(["search", "--adapter", &adapter.index, "--format", "json"]);
    command.args([
        "--batch",
        "8",
        "--min-time",
        "1ms",
        "--max-accuracy-drop",
        "100",
    ]);
    command.arg("--data").arg(fixture.data());
    command.arg("--model").arg(fixture.model());
    let document = run(command.arg("--output").arg(&output)).json();
    assert_eq!(document["adapter"]["name"], adapter.name.as_str());
    let finalists = document["finalists"].as_array().expect("finalists");
    let named = |name: &str| finalists.iter().any(|row| row["mode"] == name);
    assert!(named("f32") && named("int8 static"), "{document}");
    assert_eq!(named("f16"), adapter.has("shader-f16"));
    let best = QuantizedNetwork::load(&output).expect("a quantized file");
    assert_eq!(document["best"], best.mode.to_string());
    let arguments = [
        "--adapter",
        &adapter.index,
        "--batch",
        "8",
        "--format",
        "json",
    ];
    std::fs::copy(&output, fixture.model()).expect("copied");
    let document = fixture.bench(&arguments).json();
    assert_eq!(rows(&document)[0]["effective"]["device"], "gpu");
}

fn predict(adapter: &str, precision: &str, format: &str) -> String {
    let arguments = ["--precision", precision, "--format", format];
    run(command()
        .args(["predict", "--adapter", adapter])
        .args(arguments))
    .good()
}

pub fn predict_gives_the_same_bytes_twice(adapter: &Adapter) {
    for precision in precisions() {
        let format = if precision == "f16" && !adapter.has("shader-f16") {
            // In CSV there is a note on stderr that it ran elsewhere; see fallback.rs.
            "json"
        } else {
            "csv"
        };
        let first = predict(&adapter.index, precision, format);
        assert!(first.lines().count() > 10_000, "{precision}");
        assert!(
            first == predict(&adapter.index, precision, format),
            "{precision}"
        );
    }
}

/// Of 10,000 labels as many as the reference's tolerance lets differ, on both sides of it.
pub fn predict_labels_are_the_cpu_paths(adapter: &Adapter) {
    for (precision, most) in [("f32", 2), ("f16", 10), ("int8", 20)] {
        let labels = |adapter: &str| -> Vec<serde_json::Value> {
            let text = predict(adapter, precision, "json");
            let document: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            let list = document["predictions"].as_array().expect("predictions");
            list.iter().map(|row| row["label"].clone()).collect()
        };
        let (here, there) = (labels(&adapter.index), labels("cpu"));
        assert_eq!((here.len(), there.len()), (10_000, 10_000));
        let changed = here.iter().zip(&there).filter(|(a, b)| a != b).count();
        assert!(changed <= most, "{precision}: {changed} labels");
    }
}

pub fn timestamps(adapter: &Adapter) {
    let fixture = Fixture::new();
    for masked in [false, true] {
        let mut arguments = vec![
            "--adapter",
            &adapter.index,
            "--batch",
            "8",
            "--format",
            "json",
        ];
        if masked {
            arguments.extend(["--mask-features", "timestamp-query"]);
        }
        let document = fixture.bench(&arguments).json();
        validate(&document);
        let features = document["adapters"][0]["features"]
            .as_array()
            .expect("features");
        let hidden = !features.iter().any(|name| name == "timestamp-query");
        assert_eq!(hidden, masked || !adapter.has("timestamp-query"));
        for row in rows(&document) {
            let on_gpu = row["effective"]["device"] == "gpu";
            assert_eq!(row["gpu_ns"].is_object(), on_gpu && !hidden, "{row}");
        }
    }
}
