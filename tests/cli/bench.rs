//! `bench`: what its rows hold, in which order, and in every format.

use fmnist_gpu::bench::{BenchOptions, TIME_TO_COMPARE};
use fmnist_gpu::model::Activation;
use serde_json::Value;

use crate::support::{Fixture, IMAGES, command, has, model, precisions, rows, run, validate};

/// The precisions of the rows of each batch where no option names any: int8 as it is deployed, and its reference scheme.
const DEFAULT: [&str; 4] = ["f32", "f16", "int8", "int8"];

/// `(requested batch, precision)` of every row.
fn requested(document: &Value) -> Vec<(u64, String)> {
    let requested = |row: &Value| {
        let precision = row["requested"]["precision"].as_str().expect("a name");
        let batch = row["requested"]["batch"].as_u64().expect("a batch");
        (batch, precision.to_owned())
    };
    rows(document).iter().map(requested).collect()
}

/// The statistics of samples are those of the samples.
fn check_samples(samples: &Value) {
    let number = |value: &Value| value.as_f64().expect("a number");
    let list = samples["samples"].as_array().expect("samples");
    let mut sorted: Vec<f64> = list.iter().map(number).collect();
    sorted.sort_by(f64::total_cmp);
    let count = sorted.len();
    let median = (sorted[(count - 1) / 2] + sorted[count / 2]) / 2.0;
    let mean = sorted.iter().sum::<f64>() / count as f64;
    assert_eq!(number(&samples["min"]), sorted[0]);
    assert!(
        (number(&samples["median"]) - median).abs() <= 0.5,
        "{samples}"
    );
    assert!(
        (number(&samples["mean"]) - mean).abs() <= 1e-6 * mean,
        "{samples}"
    );
    for quantile in ["p90", "p99"] {
        let value = number(&samples[quantile]);
        let inside = median - 0.5 <= value && value <= sorted[count - 1];
        assert!(inside, "{quantile} of {samples}");
    }
}

/// The figures of a measured row follow from each other.
pub fn check_figures(document: &Value) {
    let layers: Vec<u64> = document["model"]["layers"]
        .as_array()
        .expect("layers")
        .iter()
        .filter_map(Value::as_u64)
        .collect();
    let operations: u64 = layers.windows(2).map(|pair| 2 * pair[0] * pair[1]).sum();
    let images = document["dataset"]["images"].as_u64().expect("images");
    for row in rows(document).iter().filter(|row| row["status"] == "ok") {
        let integer = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("{value} in {row}"));
        let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{value} in {row}"));
        check_samples(&row["wall_ns"]);
        if row["gpu_ns"].is_object() {
            check_samples(&row["gpu_ns"]);
        }
        let requested = integer(&row["requested"]["batch"]);
        let batch = integer(&row["effective"]["batch"]);
        assert_eq!(batch, requested.min(images), "{row}");

        let median = integer(&row["wall_ns"]["median"]);
        let end_to_end = integer(&row["upload_ns"]) + median;
        assert_eq!(integer(&row["end_to_end_ns"]), end_to_end, "{row}");
        let near = |got: f64, want: f64| assert!((got - want).abs() <= 1e-9 * want, "{row}");
        let rate = batch as f64 / (median as f64 / 1e9);
        near(number(&row["images_per_second"]), rate);
        near(
            number(&row["operations_per_second"]),
            rate * operations as f64,
        );

        let correct = integer(&row["correct"]);
        near(number(&row["accuracy"]), correct as f64 / images as f64);
        let kept = images - integer(&row["label_changes"]);
        near(
            number(&row["agreement_with_f32"]),
            kept as f64 / images as f64,
        );
        if row["requested"]["precision"] == "f32" {
            assert_eq!(kept, images, "f32 differs from itself: {row}");
        }

        let requested = &row["requested"];
        let bytes = match requested["precision"].as_str() {
            Some("f32") => Some(4),
            Some("f16") => Some(2),
            Some("int8") => Some(1),
            _ => None,
        };
        let memory = &row["memory"];
        let parameters = integer(&memory["parameters_bytes"]);
        let activations = integer(&memory["activations_bytes"]);
        if let Some(bytes) = bytes {
            let count = integer(&document["model"]["parameters"]);
            assert_eq!(parameters, count * bytes, "{row}");
            let values = layers.iter().sum::<u64>() * batch;
            assert_eq!(activations, values * bytes, "{row}");
        }
        assert_eq!(integer(&memory["total_bytes"]), parameters + activations);
        let planned = integer(&memory["planned_bytes"]);
        let allocated = integer(&memory["device_allocated_bytes"]);
        assert_eq!(planned, allocated, "{row}");
        let adapter = &row["effective"]["adapter"];
        let adapter = &document["adapters"][integer(adapter) as usize];
        let on_cpu = row["effective"]["device"] == "cpu";
        assert_eq!(adapter["kind"] == "cpu", on_cpu, "{row}");
    }
}

#[test]
fn without_a_file_it_measures_the_embedded_model_on_the_embedded_images() {
    let document = fmnist!(
        "bench",
        "--adapter",
        "cpu",
        "--batch",
        "1000",
        "--runs",
        "2",
        "--format",
        "json"
    )
    .json();
    validate(&document);
    check_figures(&document);
    assert_eq!(document["model"]["path"], "embedded");
    assert_eq!(
        document["model"]["layers"],
        serde_json::json!([784, 64, 10])
    );
    assert_eq!(document["model"]["parameters"], 50_890);
    assert_eq!(document["dataset"]["images"], 10_000);
    assert_eq!(document["adapters"][0]["backend"], "cpu");
    // The model holds its calibration, so that int8 is measured as static too.
    let names: Vec<&str> = rows(&document)
        .iter()
        .map(|row| row["name"].as_str().expect("a name"))
        .collect();
    assert_eq!(
        names,
        ["f32", "f16", "int8", "int8 static", "int8 dynamic-tensor"]
    );
    let chosen = &document["verdict"]["recommended"]["name"];
    assert!(
        ["f32", "f16", "int8", "int8 static"]
            .iter()
            .any(|name| chosen == name),
        "{chosen}"
    );
    for row in rows(&document) {
        assert_eq!(row["status"], "ok");
        assert_eq!(row["effective"]["device"], "cpu");
        let accuracy = row["accuracy"].as_f64().expect("a number");
        assert!(accuracy > 0.85, "{accuracy}");
    }
}

#[test]
fn every_precision_is_measured_at_batches_of_falling_size() {
    let document = Fixture::new()
        .bench(&[
            "--adapter",
            "cpu",
            "--batch",
            "3,40,1,3",
            "--format",
            "json",
        ])
        .json();
    validate(&document);
    check_figures(&document);
    let expected: Vec<(u64, String)> = [40, 3, 1]
        .into_iter()
        .flat_map(|batch| DEFAULT.map(|precision| (batch, precision.to_owned())))
        .collect();
    assert_eq!(requested(&document), expected);
}

#[test]
fn precisions_are_measured_as_requested() {
    let fixture = Fixture::new();
    let precisions = |list: &str| {
        let arguments = ["--precision", list, "--batch", "8", "--format", "json"];
        let document = fixture
            .bench(&[&["--adapter", "cpu"], &arguments[..]].concat())
            .json();
        validate(&document);
        check_figures(&document);
        let names = requested(&document).into_iter().map(|(_, name)| name);
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(precisions("int8,f32"), "int8 f32");
    assert_eq!(precisions("f16"), "f16");
    assert_eq!(precisions("i8,float16,fp32"), "int8 f16 f32");
    assert_eq!(precisions("F32,float32"), "f32");
    assert_eq!(precisions("all"), DEFAULT.join(" "));
}

#[test]
fn a_batch_larger_than_the_data_is_the_data() {
    let fixture = Fixture::new();
    let document = fixture
        .bench(&["--batch", "1000", "--format", "json"])
        .json();
    validate(&document);
    check_figures(&document);
    for row in rows(&document) {
        assert_eq!(row["requested"]["batch"], 1000);
        assert_eq!(row["effective"]["batch"], IMAGES);
    }
    let table = fixture.bench(&["--batch", "1000"]).good();
    has(
        &table,
        &["Batch 1,000 was requested; the data set has only 40 images."],
    );
}

#[test]
fn runs_are_the_samples() {
    let fixture = Fixture::new();
    for runs in ["1", "2", "7"] {
        let document = fixture
            .bench(&[
                "--runs",
                runs,
                "--min-time",
                "5s",
                "--batch",
                "4",
                "--format",
                "json",
            ])
            .json();
        validate(&document);
        check_figures(&document);
        for row in rows(&document) {
            let samples = row["wall_ns"]["samples"].as_array().expect("samples");
            assert_eq!(samples.len().to_string(), runs);
        }
    }
}

#[test]
fn a_time_too_long_to_count_and_no_warm_up_are_fine() {
    let most = "18446744073709551615s";
    for runs in ["1", "3"] {
        let arguments = ["--min-time", most, "--runs", runs, "--warmup", "0"];
        let mut command = command();
        command.args(["bench", "--batch", "1000"]);
        run(command.args(arguments)).good();
    }
    let fixture = Fixture::new();
    let time = ["--min-time", most, "--max-time", "100ms", "--batch", "8"];
    fixture
        .bench(&[&time[..], &["--adapter", "cpu"]].concat())
        .good();
}

/// The fewest samples are always taken, and a verdict that they leave open is no failure.
#[test]
fn a_time_that_is_too_short_leaves_the_verdict_open() {
    let fixture = Fixture::new();
    for time in ["0s", "1ms"] {
        let arguments = ["--min-time", "300ms", "--max-time", time, "--batch", "8"];
        let document = fixture
            .bench(&[&arguments[..], &["--adapter", "cpu", "--format", "json"]].concat())
            .json();
        validate(&document);
        for row in rows(&document) {
            let samples = row["wall_ns"]["samples"].as_array().expect("samples");
            assert!((10..30).contains(&samples.len()), "{}", samples.len());
            let blocks = row["blocks"].as_array().expect("blocks").iter();
            let sum: u64 = blocks.map(|count| count.as_u64().expect("a count")).sum();
            assert_eq!(sum, samples.len() as u64);
        }
    }
    // Two samples decide nothing.
    let gate = [
        "--gate",
        "--max-latency",
        "100s",
        "--max-accuracy-drop",
        "100",
    ];
    let document = fixture
        .bench(
            &[
                &gate[..],
                &["--adapter", "cpu", "--batch", "8", "--format", "json"],
            ]
            .concat(),
        )
        .json();
    let verdict = &document["verdict"];
    assert_eq!(verdict["recommended"]["name"], "f32");
    assert!(
        verdict["undecided"]["other"]["name"].is_string(),
        "{verdict}"
    );
    assert_eq!(verdict["undecided"]["within"], Value::Null);
    assert_eq!(verdict["runner_up"], verdict["undecided"]["other"]);
    assert_eq!(
        document["gates"],
        serde_json::json!([{ "name": "--gate", "failure": null }])
    );
    let conflict = fmnist!("bench", "--max-time", "1s", "--runs", "3");
    has(&conflict.fails(2), &["--max-time", "--runs"]);
}

#[test]
fn the_help_shows_the_defaults_of_the_library() {
    let defaults = BenchOptions::default();
    let list = defaults.batches.iter().map(ToString::to_string);
    let list: Vec<String> = list.collect();
    let help = fmnist!("bench", "--help").good();
    // Lines are broken where they are full.
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let time = humantime::format_duration;
    let times = format!(
        "{}; {} with --save or --compare",
        time(defaults.min_time),
        time(TIME_TO_COMPARE)
    );
    for value in [list.join(","), defaults.warmup.to_string(), times] {
        has(&help, &[&format!("[default: {value}]")]);
    }
}

#[test]
fn without_runs_there_are_ten_samples_at_least() {
    let document = Fixture::new()
        .bench(&[
            "--min-time",
            "1ns",
            "--max-time",
            "1s",
            "--batch",
            "4",
            "--format",
            "json",
        ])
        .json();
    for row in rows(&document) {
        let samples = row["wall_ns"]["samples"].as_array().expect("samples");
        assert!(samples.len() >= 10, "{row}");
    }
}

#[test]
fn the_cpu_path_has_no_timestamps_and_needs_no_fallback() {
    let document = Fixture::new()
        .bench(&[
            "--adapter",
            "cpu",
            "--no-fallback",
            "--precision",
            "f16",
            "--format",
            "json",
        ])
        .json();
    validate(&document);
    for row in rows(&document) {
        assert_eq!(row["effective"]["device"], "cpu");
        assert_eq!(row["effective"]["reason"], Value::Null);
        assert_eq!(row["gpu_ns"], Value::Null);
    }
}

/// A table of at most 100 columns, with every precision.
#[track_caller]
pub fn check_table(table: &str) {
    for line in table.lines() {
        let width = line.chars().count();
        assert!(width <= 100, "{width} characters: {line}");
        assert!(!line.ends_with(' '), "a space at the end of: {line}");
    }
    has(
        table,
        &["Network:", "Adapter:", " 1,000 ", "precision", "accuracy"],
    );
    for precision in precisions() {
        let row = |line: &str| line.starts_with(&format!("{precision} "));
        assert!(table.lines().any(row), "no row of {precision} in: {table}");
    }
}

#[test]
fn tables_fit_100_columns() {
    let adapter = ["--adapter", "cpu"];
    let arguments = ["bench", "--batch", "1000", "--runs", "2", "--warmup", "1"];
    let table = run(command().args(arguments).args(adapter)).good();
    check_table(&table);
    has(&table, &["50,890", "10,000", "CPU path", "88."]);
}

#[test]
fn csv_has_a_line_for_each_row_under_a_header() {
    let text = Fixture::new()
        .bench(&["--adapter", "cpu", "--batch", "8,1", "--format", "csv"])
        .good();
    check_csv(&text, 8);
}

/// CSV of `count` measured rows.
pub fn check_csv(text: &str, count: usize) {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().expect("a header").clone();
    let column = |name: &str| {
        let at = header.iter().position(|column| column == name);
        at.unwrap_or_else(|| panic!("no column {name} in {header:?}"))
    };
    let records: Vec<csv::StringRecord> = reader
        .records()
        .collect::<Result<_, _>>()
        .expect("fields as many as columns");
    assert_eq!(records.len(), count);
    for record in &records {
        assert_eq!(&record[column("status")], "ok");
        assert!(precisions().contains(&&record[column("requested_precision")]));
        for name in [
            "requested_batch",
            "wall_median_ns",
            "images_per_second",
            "accuracy",
        ] {
            let value: f64 = record[column(name)].parse().expect("a number");
            assert!(value.is_finite(), "{name} in {record:?}");
        }
    }
}

#[test]
fn markdown_is_a_table_with_as_many_cells_in_each_line() {
    let fixture = Fixture::new();
    for name in ["markdown", "md"] {
        let arguments = ["--adapter", "cpu", "--batch", "8,1", "--format", name];
        let text = fixture.bench(&arguments).good();
        check_markdown(&text);
    }
}

pub fn check_markdown(text: &str) {
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
    assert_eq!(
        rows.len(),
        2 + 2 * 4,
        "header, rule and four rows a batch: {text}"
    );
    let cells = |row: &&str| row.matches('|').count();
    assert!(
        rows.iter().all(|row| cells(row) == cells(&rows[0])),
        "{text}"
    );
    has(text, &["### Why not faster", "| f32", "| int8"]);
}

/// Saturated outputs are ties in f32 and none in the reference's f64; neither is wrong.
#[test]
fn labels_that_only_f64_distinguishes_are_no_failure() {
    let fixture = Fixture::new();
    let mut model = model();
    for last in [Activation::Tanh, Activation::Sigmoid] {
        let layer = model.layers.last_mut().expect("a layer");
        layer.activation = last;
        layer.bias.iter_mut().for_each(|bias| *bias = 30.0);
        let path = fixture.save("saturated.safetensors", &model);
        let mut command = command();
        command.args(["bench", "--adapter", "cpu", "--runs", "2", "--batch", "40"]);
        command.arg("--data").arg(fixture.data());
        run(command.arg("--model").arg(path)).good();
    }
}
