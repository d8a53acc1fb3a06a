//! `bench --memory-limit` and `--batch-limit`: what is measured, and what the result says of it.

use serde_json::Value;

use crate::support::{Fixture, IMAGES, command, has, rows, run, validate};

/// What each precision of the small network plans for batches of this size, in the order of `all`.
fn planned(batch: u64) -> Vec<u64> {
    let fixture = Fixture::new();
    let mut memory = command();
    memory.arg("memory").arg("--model").arg(fixture.model());
    memory.args(["--adapter", "cpu", "--format", "json", "--batch"]);
    let document = run(memory.arg(batch.to_string())).json();
    let lines = document["precisions"].as_array().expect("lines");
    let bytes = |line: &Value| line["planned_bytes"].as_u64().expect("bytes");
    lines.iter().map(bytes).collect()
}

/// A limit within which an image fits in f16, and none in f32.
fn limit() -> u64 {
    let limit = planned(1)[0] - 1;
    assert!(limit >= planned(1)[1], "f16 needs as much as f32");
    limit
}

fn document(more: &[&str]) -> Value {
    let base = ["--adapter", "cpu", "--format", "json"];
    let document = Fixture::new().bench(&[&base[..], more].concat()).json();
    validate(&document);
    document
}

fn requested(document: &Value) -> Vec<(u64, &str)> {
    let of = |row: &'_ Value| row["requested"]["batch"].as_u64().expect("a batch");
    rows(document)
        .iter()
        .map(|row| (of(row), row["name"].as_str().expect("a name")))
        .collect()
}

#[test]
fn each_precision_is_measured_at_the_largest_batch_that_fits() {
    let limit = limit();
    let document = document(&["--memory-limit", &limit.to_string(), "--batch", "20"]);
    let requested = requested(&document);
    assert_eq!(requested[..2], [(20, "f32"), (20, "f16")]);
    assert!(
        requested
            .iter()
            .all(|&(batch, name)| name != "f32" || batch == 20)
    );
    let budget = &document["memory_limit"];
    assert_eq!(budget["limit_bytes"], limit);
    let lines = budget["lines"].as_array().expect("lines");
    let of = |name: &str| {
        lines
            .iter()
            .find(|line| line["name"] == name)
            .expect("a line")
    };
    let line = of("f16");
    let batch = line["batch"].as_u64().expect("a batch");
    assert!(planned(batch)[1] <= limit && planned(batch + 1)[1] > limit);
    assert_eq!(line["bound_by"], "memory");
    let at = line["row"].as_u64().expect("a row") as usize;
    assert_eq!(requested[at], (batch, "f16"));
    assert_eq!(line["unlimited_row"], 1);
    let row = &rows(&document)[at]["memory"];
    assert_eq!(line["bytes"], row["planned_bytes"]);
    assert!(
        row["device_allocated_bytes"].as_u64() <= Some(limit),
        "{row}"
    );
    assert!(line["speed_kept"].as_f64().expect("a share") > 0.0);
    let none = of("f32");
    assert_eq!((&none["batch"], &none["row"]), (&Value::Null, &Value::Null));
    assert_eq!(none["bytes"], planned(1)[0]);
    assert_eq!(none["speed_kept"], Value::Null);
    // What does not fit is not recommended.
    let chosen = document["verdict"]["recommended"]["row"]
        .as_u64()
        .expect("a row") as usize;
    let bytes = rows(&document)[chosen]["memory"]["planned_bytes"].as_u64();
    assert!(bytes.expect("bytes") <= limit);
}

#[test]
fn the_data_and_the_users_limit_bound_batches_too() {
    let data = document(&["--memory-limit", "1MiB", "--batch", "4"]);
    let batches: Vec<u64> = requested(&data).iter().map(|(batch, _)| *batch).collect();
    assert_eq!(batches, [[40; 4], [4; 4]].concat());
    for line in data["memory_limit"]["lines"].as_array().expect("lines") {
        assert_eq!(
            (&line["batch"], &line["bound_by"]),
            (&IMAGES.into(), &"data".into())
        );
    }
    let user = document(&[
        "--memory-limit",
        "1MiB",
        "--batch",
        "4,30",
        "--batch-limit",
        "7",
    ]);
    let batches: Vec<u64> = requested(&user).iter().map(|(batch, _)| *batch).collect();
    assert_eq!(batches, [[7; 4], [4; 4]].concat());
    for line in user["memory_limit"]["lines"].as_array().expect("lines") {
        assert_eq!(
            (&line["batch"], &line["bound_by"]),
            (&7.into(), &"batch-limit".into())
        );
        assert_eq!(line["row"], line["unlimited_row"]);
    }
    let alone = document(&["--batch", "4,30", "--batch-limit", "7"]);
    assert_eq!(alone["memory_limit"], Value::Null);
    assert_eq!(requested(&alone).len(), 8);
}

#[test]
fn the_table_says_what_fits_and_draws_it() {
    let limit = limit();
    let within = format!("Within {}", fmnist_gpu::units::bytes(limit));
    let limit = limit.to_string();
    let arguments = [
        "--adapter",
        "cpu",
        "--memory-limit",
        &limit,
        "--batch",
        "20",
    ];
    for format in ["table", "markdown"] {
        let text = Fixture::new()
            .bench(&[&arguments[..], &["--format", format]].concat())
            .good();
        has(
            &text,
            &[
                &within,
                "none fits",
                "not even one image fits",
                "unlimited",
                "█",
            ],
        );
    }
}
