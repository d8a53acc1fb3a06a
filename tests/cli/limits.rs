//! `bench --memory-limit` and `--batch-limit`: what is measured, and what the result says of it.

use serde_json::Value;

use crate::support::{Fixture, IMAGES, has, rows, validate};

/// The small network is 16-12-4: 256 parameters, and 32 values an image.
const PARAMETERS: u64 = 16 * 12 + 12 + 12 * 4 + 4;
const VALUES: u64 = 16 + 12 + 4;

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
    // 10 images fit in int8, 1 in f16, none in f32.
    let limit = PARAMETERS * 2 + VALUES * 2;
    let fits = |bytes: u64| limit.saturating_sub(PARAMETERS * bytes) / (VALUES * bytes);
    assert_eq!((fits(4), fits(2), fits(1)), (0, 1, 10));
    let document = document(&["--memory-limit", &limit.to_string(), "--batch", "20"]);
    let all = [
        (20, "f32"),
        (20, "f16"),
        (20, "int8"),
        (20, "int8 dynamic-tensor"),
        (10, "int8"),
        (10, "int8 dynamic-tensor"),
        (1, "f16"),
    ];
    assert_eq!(requested(&document), all);
    let budget = &document["memory_limit"];
    assert_eq!(budget["limit_bytes"], limit);
    let lines = budget["lines"].as_array().expect("lines");
    let of = |name: &str| {
        lines
            .iter()
            .find(|line| line["name"] == name)
            .expect("a line")
    };
    for (name, batch, row, unlimited) in [("f16", 1, 6, 1), ("int8", 10, 4, 2)] {
        let line = of(name);
        assert_eq!(line["batch"], batch);
        assert_eq!(line["bound_by"], "memory");
        assert_eq!(
            (&line["row"], &line["unlimited_row"]),
            (&row.into(), &unlimited.into())
        );
        assert!(line["bytes"].as_u64().expect("bytes") <= limit);
        assert!(line["speed_kept"].as_f64().expect("a share") > 0.0);
    }
    let none = of("f32");
    assert_eq!((&none["batch"], &none["row"]), (&Value::Null, &Value::Null));
    assert_eq!(none["bytes"], 4 * (PARAMETERS + VALUES));
    assert_eq!(none["speed_kept"], Value::Null);
    // What does not fit is not recommended.
    let chosen = document["verdict"]["recommended"]["row"]
        .as_u64()
        .expect("a row") as usize;
    let bytes = rows(&document)[chosen]["memory"]["total_bytes"].as_u64();
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
    let limit = (PARAMETERS * 2 + VALUES * 2).to_string();
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
                "Within 576 B",
                "none fits",
                "not even one image fits",
                "unlimited",
                "█",
            ],
        );
    }
}
