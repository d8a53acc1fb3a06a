//! The verdict of `bench`: in every format, with goals, limits and a gate, and what stands behind it.

use serde_json::Value;

use crate::support::{Ended, Fixture, has, rows, validate};

const CPU: [&str; 4] = ["--adapter", "cpu", "--batch", "8,1"];

fn bench(fixture: &Fixture, more: &[&str]) -> Ended {
    fixture.bench(&[&CPU[..], more].concat())
}

fn document(fixture: &Fixture, more: &[&str]) -> Value {
    let document = bench(fixture, &[more, &["--format", "json"]].concat()).json();
    validate(&document);
    document
}

/// The row that a choice points to.
fn row<'a>(document: &'a Value, choice: &Value) -> &'a Value {
    let at = choice["row"].as_u64().expect("a place") as usize;
    let row = &rows(document)[at];
    assert_eq!(choice["name"], row["name"]);
    assert_eq!(choice["batch"], row["effective"]["batch"]);
    row
}

#[test]
fn it_points_to_rows_of_the_batch_that_the_goal_speaks_of() {
    let fixture = Fixture::new();
    for goal in ["latency", "throughput", "memory", "accuracy"] {
        let document = document(&fixture, &["--goal", goal]);
        let verdict = &document["verdict"];
        assert_eq!(verdict["goal"], goal);
        let chosen = row(&document, &verdict["recommended"]);
        assert_eq!(chosen["status"], "ok");
        let candidates = verdict["candidates"].as_array().expect("candidates");
        assert_eq!(candidates.len(), rows(&document).len());
        assert_eq!(candidates[0]["row"], verdict["recommended"]["row"]);
        for candidate in candidates {
            row(&document, candidate);
        }
        if goal != "throughput" {
            assert_eq!(chosen["effective"]["batch"], 1, "{goal}");
        }
        if goal == "memory" {
            let least = rows(&document)
                .iter()
                .filter(|row| row["name"] != "int8 dynamic-tensor")
                .filter_map(|row| row["memory"]["device_allocated_bytes"].as_u64())
                .min();
            assert_eq!(chosen["memory"]["device_allocated_bytes"].as_u64(), least);
        }
        let batches = verdict["batches"].as_array().expect("batches").iter();
        let batches: Vec<&Value> = batches.map(|at| &at["batch"]).collect();
        assert_eq!(batches, [1, 8]);
    }
}

#[test]
fn the_answer_comes_first_and_verbose_explains_the_rest() {
    let fixture = Fixture::new();
    for (format, mark) in [("table", ""), ("markdown", "**")] {
        let short = bench(&fixture, &["--format", format]).good();
        let first = short.lines().next().expect("a line");
        // Two samples decide nothing.
        let start = format!("{mark}Undecided between f32 and ");
        assert!(first.starts_with(&start), "{first}");
        let (answer, rest) = short.split_once("precision").expect("a table");
        has(answer, &["too few samples", "Accuracy ", "Memory "]);
        has(
            rest,
            &[
                "end to end",
                "Why not faster",
                "The goal was latency",
                "-v explains",
            ],
        );
        assert_eq!(short.matches(" at batch 8: ").count(), 0, "{short}");
        assert!(!short.contains("The other rows"), "{short}");
        let full = bench(&fixture, &["--format", format, "-v"]).good();
        has(
            &full,
            &[
                "The other rows",
                "By batch size: 1: ",
                "Limit met: accuracy loss",
            ],
        );
        for row in ["f32", "f16", "int8", "int8 dynamic-tensor"] {
            for batch in [1, 8] {
                has(&full, &[&format!("{row} at batch {batch}: ")]);
            }
        }
    }
}

#[test]
fn rows_beside_f32_have_intervals_and_a_test_of_their_labels() {
    let document = document(&Fixture::new(), &[]);
    for row in rows(&document) {
        let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{value}: {row}"));
        let accuracy = number(&row["accuracy"]);
        let interval = &row["accuracy_interval"];
        assert!(number(&interval["low"]) <= accuracy && accuracy <= number(&interval["high"]));
        let speed = &row["speed_vs_f32"];
        assert!(number(&speed["low"]) <= number(&speed["value"]));
        assert!(number(&speed["value"]) <= number(&speed["high"]));
        let is_f32 = row["name"] == "f32";
        assert_eq!(row["mcnemar"].is_null(), is_f32);
        if is_f32 {
            assert_eq!(number(&speed["value"]), 1.0);
        }
        let shares = row["why"]["parts"].as_array().expect("parts").iter();
        let sum: f64 = shares.map(|part| number(&part["share"])).sum();
        assert!((sum - 1.0).abs() <= 1e-9, "{row}");
        // A bit for each of the 40 images.
        let bits = row["correct_images"].as_str().expect("bits");
        assert_eq!(bits.len(), 10);
        let ones: u32 = bits
            .chars()
            .filter_map(|digit| digit.to_digit(16))
            .map(u32::count_ones)
            .sum();
        assert_eq!(u64::from(ones), row["correct"].as_u64().expect("a count"));
        let uploads = row["upload_samples_ns"].as_array().expect("uploads");
        let samples = row["wall_ns"]["samples"].as_array().expect("samples");
        assert_eq!(uploads.len(), samples.len());
        // Two samples are not enough to trust.
        let kinds = row["warnings"].as_array().expect("warnings").iter();
        assert!(
            kinds
                .clone()
                .any(|warning| warning["kind"] == "few-samples"),
            "{row}"
        );
    }
}

#[test]
fn every_row_has_its_control_workload_with_a_sample_for_each_of_its_own() {
    let document = document(&Fixture::new(), &[]);
    let control_workloads = document["control_workloads"]
        .as_array()
        .expect("control workloads");
    for row in rows(&document) {
        let beside = |control_workload: &&Value| {
            control_workload["batch"] == row["requested"]["batch"]
                && control_workload["device"] == row["effective"]["device"]
                && control_workload["threads"] == row["effective"]["threads"]
        };
        let found: Vec<&Value> = control_workloads.iter().filter(beside).collect();
        assert_eq!(found.len(), 1, "{row}");
        let count = |value: &Value| value["samples"].as_array().map(Vec::len);
        assert_eq!(count(&found[0]["wall_ns"]), count(&row["wall_ns"]));
    }
}

#[test]
fn many_quick_samples_are_thinned_alike() {
    let arguments = [
        "--min-time",
        "40ms",
        "--batch",
        "1",
        "--adapter",
        "cpu",
        "--format",
        "json",
    ];
    let document = Fixture::new().bench(&arguments).json();
    let control_workloads = document["control_workloads"]
        .as_array()
        .expect("control workloads");
    let count = |value: &Value| {
        value["wall_ns"]["samples"]
            .as_array()
            .expect("samples")
            .len()
    };
    for row in rows(&document) {
        assert!((10..=1000).contains(&count(row)), "{}", count(row));
        assert_eq!(count(row), count(&control_workloads[0]));
        assert_eq!(
            row["upload_samples_ns"].as_array().map(Vec::len),
            Some(count(row))
        );
    }
}

#[test]
fn a_gate_ends_with_4_where_no_precision_meets_the_limits_and_0_where_one_does() {
    let fixture = Fixture::new();
    let impossible = ["--max-latency", "1ns"];
    let document = document(&fixture, &impossible);
    assert_eq!(document["verdict"]["recommended"], Value::Null);
    let (table, error) =
        bench(&fixture, &[&impossible[..], &["--gate"]].concat()).fails_after_output(4);
    has(
        &error,
        &[
            "--max-latency (a batch takes",
            "the limit is 1.00 ns",
            "comes closest",
        ],
    );
    has(&table, &["Limit not met: time of a batch"]);
    let possible = [
        "--max-latency",
        "100s",
        "--max-accuracy-drop",
        "100",
        "--memory-limit",
        "1GiB",
    ];
    let table = bench(&fixture, &[&possible[..], &["--gate"]].concat()).good();
    has(
        &table,
        &[
            "Limit met: time of a batch",
            "Limit met: accuracy loss",
            "Limit met: memory",
        ],
    );
}

/// The images of the fixture are noise to its network.
#[test]
fn the_least_accuracy_is_a_limit_too() {
    let fixture = Fixture::new();
    let most = document(&fixture, &[])["results"][0]["accuracy"]
        .as_f64()
        .expect("an accuracy");
    let above = format!("{}%", 100.0 * most + 5.0);
    let least = ["--min-accuracy", &above, "--gate"];
    let (table, error) = bench(&fixture, &least).fails_after_output(4);
    has(
        &error,
        &[
            "--min-accuracy (its accuracy is",
            &format!("allowed is {above}"),
        ],
    );
    has(&table, &["Limit not met: accuracy", "at least"]);
    let table = bench(&fixture, &["--min-accuracy", "0%", "--gate"]).good();
    has(&table, &["Limit met: accuracy"]);
}

#[test]
fn requests_that_cannot_be_meant_are_usage_errors() {
    let fixture = Fixture::new();
    for (option, value, word) in [
        ("--goal", "speed", "throughput"),
        ("--max-accuracy-drop", "-1", "0.5"),
        ("--max-accuracy-drop", "NaN", "0.5"),
        ("--min-accuracy", "101%", "0% to 100%"),
        ("--min-accuracy", "0.9", "88%"),
        ("--min-gain", "0.1", "5%"),
        ("--max-latency", "5", "250ms"),
        ("--memory-limit", "much", "100KiB"),
        ("--batch-limit", "0", "at least 1"),
    ] {
        let error = bench(&fixture, &[&format!("{option}={value}")]).fails(2);
        has(&error, &[word]);
    }
    // It is about the gate.
    bench(&fixture, &["--allow-unchecked"]).fails(2);
}
