//! A precision that the adapter cannot run: the CPU path with a reason, or an error, or a row.

use serde_json::Value;

use crate::Adapter;
use crate::support::{Fixture, command, has, rows, run, validate};

/// Hides what f16 needs.
const MASK: [&str; 2] = ["--mask-features", "shader-f16"];

/// The only row of f16 on this adapter.
fn f16_row(fixture: &Fixture, adapter: &Adapter, more: &[&str]) -> Value {
    let mut arguments = vec!["--adapter", &adapter.index, "--precision", "f16"];
    arguments.extend(["--batch", "8", "--format", "json"]);
    arguments.extend(more);
    let document = fixture.bench(&arguments).json();
    validate(&document);
    assert_eq!(rows(&document).len(), 1);
    rows(&document)[0].clone()
}

pub fn f16_runs_where_the_list_says(adapter: &Adapter) {
    let row = f16_row(&Fixture::new(), adapter, &[]);
    if adapter.has("shader-f16") {
        assert_eq!(row["effective"]["device"], "gpu");
        assert_eq!(row["effective"]["reason"], Value::Null);
    } else {
        on_cpu(&row);
    }
}

fn on_cpu(row: &Value) {
    assert_eq!(row["status"], "ok");
    assert_eq!(row["effective"]["device"], "cpu");
    assert_eq!(row["gpu_ns"], Value::Null);
    has(
        row["effective"]["reason"].as_str().expect("a reason"),
        &["shader-f16"],
    );
}

pub fn f16_falls_back_with_a_reason(adapter: &Adapter) {
    let fixture = Fixture::new();
    on_cpu(&f16_row(&fixture, adapter, &MASK));

    let mut arguments = vec!["--adapter", &adapter.index, "--batch", "8"];
    arguments.extend(MASK);
    let table = fixture.bench(&arguments).good();
    let row = table.lines().find(|line| line.starts_with("f16 "));
    // A narrow column breaks "CPU path" between its words.
    has(row.expect("a row of f16"), &["CPU"]);
    has(&table, &["f16 ran on the CPU:", "shader-f16"]);
    for other in ["f32", "int8"] {
        let row = table.lines().find(|line| line.starts_with(other));
        assert!(!row.expect("a row").contains("CPU"), "{other}: {table}");
    }

    let predict = |format: &str| {
        let mut command = command();
        command.args(["predict", "--adapter", &adapter.index, "--precision", "f16"]);
        run(command.args(MASK).args(["--format", format]))
    };
    let document = predict("json").json();
    assert_eq!(document["device"], "cpu");
    has(
        document["reason"].as_str().expect("a reason"),
        &["shader-f16"],
    );
    has(&predict("table").good(), &["CPU path", "shader-f16"]);
    // CSV has no column for it.
    let csv = predict("csv");
    assert_eq!((csv.code, csv.stdout.lines().count()), (Some(0), 10_001));
    has(&csv.stderr, &["f16", "CPU path", "shader-f16"]);
}

pub fn a_named_precision_fails(adapter: &Adapter) {
    let fixture = Fixture::new();
    let mut arguments = vec!["--adapter", &adapter.index, "--no-fallback"];
    arguments.extend(MASK);
    for list in ["f16", "f32,f16"] {
        let arguments = [&arguments[..], &["--precision", list]].concat();
        let error = fixture.bench(&arguments).fails(3);
        has(&error, &["f16", "shader-f16", &adapter.name]);
    }
    let mut command = command();
    command
        .arg("predict")
        .args(&arguments)
        .args(["--precision", "f16"]);
    has(&run(&mut command).fails(3), &["f16", "shader-f16"]);
    // What the adapter can run needs no fallback.
    fixture
        .bench(&[&arguments[..], &["--precision", "int8,f32"]].concat())
        .good();
}

pub fn all_has_an_unsupported_row(adapter: &Adapter) {
    let fixture = Fixture::new();
    let mut arguments = vec!["--adapter", &adapter.index, "--no-fallback", "--batch", "8"];
    arguments.extend(MASK);
    for list in [&["--precision", "all"][..], &[]] {
        let arguments = [&arguments[..], list].concat();
        let document = fixture
            .bench(&[&arguments[..], &["--format", "json"]].concat())
            .json();
        validate(&document);
        let status: Vec<&Value> = rows(&document).iter().map(|row| &row["status"]).collect();
        assert_eq!(status, ["ok", "unsupported", "ok", "ok"]);
        let row = &rows(&document)[1];
        assert_eq!(row["requested"]["precision"], "f16");
        has(row["detail"].as_str().expect("a reason"), &["shader-f16"]);
        for figure in [
            "accuracy",
            "correct",
            "wall_ns",
            "gpu_ns",
            "images_per_second",
        ] {
            assert_eq!(row[figure], Value::Null, "{figure}");
        }
        let table = fixture.bench(&arguments).good();
        has(&table, &["f16 did not run:", "shader-f16"]);
    }
}
