//! `memory`: the textbook's figures, what is planned, and the largest batch under a limit.

use serde_json::{Value, json};

use crate::support::{
    Fixture, command, has, identity, memory_is_what_is_allocated, precisions, run,
    the_largest_batch_runs,
};

#[test]
fn memory_has_the_figures_of_the_default_network() {
    let kib = [("198.8", "107.3"), ("99.4", "53.6"), ("49.7", "26.8")];
    for arguments in [&["memory"][..], &["memory", "--layers", "784-64-10"]] {
        let table = run(command().args(arguments)).good();
        has(&table, &["784-64-10", "50,890", "batch 32"]);
        for (precision, (parameters, activations)) in precisions().into_iter().zip(kib) {
            let row = table.lines().find(|line| line.starts_with(precision));
            let row = row.unwrap_or_else(|| panic!("no row of {precision}: {table}"));
            let cells: Vec<&str> = row.split_whitespace().collect();
            assert_eq!(cells[1..5], [parameters, "KiB", activations, "KiB"]);
        }
    }
    let document = fmnist!("memory", "--format", "json").json();
    assert_eq!(document["parameters"], 50_890);
    assert_eq!(document["batch"], 32);
    for (line, bytes) in document["precisions"]
        .as_array()
        .expect("lines")
        .iter()
        .zip([4, 2, 1])
    {
        assert_eq!(line["parameters_bytes"], 50_890 * bytes);
        assert_eq!(line["activations_bytes"], 858 * 32 * bytes);
        assert_eq!(line["total_bytes"], (50_890 + 858 * 32) * bytes);
        let saving = line["saving"].as_f64().expect("a share");
        assert!(
            (saving - (1.0 - f64::from(bytes) / 4.0)).abs() <= 1e-12,
            "{line}"
        );
        assert_eq!(line["largest_batch"], Value::Null);
    }
    let markdown = fmnist!("memory", "--format", "markdown").good();
    has(&markdown, &["| f32", "198.8 KiB", "26.8 KiB"]);
}

#[test]
fn memory_takes_a_model_and_a_batch() {
    let fixture = Fixture::new();
    let path = fixture.save("identity.safetensors", &identity());
    let document = fmnist!(
        "memory", "--model", path, "--batch", "5", "--format", "json"
    )
    .json();
    assert_eq!(document["layers"], json!([4, 4]));
    assert_eq!(document["parameters"], 20);
    assert_eq!(document["precisions"][0]["activations_bytes"], 8 * 5 * 4);
}

#[test]
fn memory_of_a_network_too_large_to_count_is_a_usage_error() {
    for layers in [
        "18446744073709551615-10",
        "784-18446744073709551615-10",
        "4294967295-1073741824",
    ] {
        let error = fmnist!("memory", "--layers", layers).fails(2);
        has(&error, &[layers, "batch 32", "64 bits"]);
    }
    let most = "18446744073709551615";
    has(&fmnist!("memory", "--batch", most).fails(2), &[most]);
}

#[test]
fn memory_plans_what_bench_allocates() {
    memory_is_what_is_allocated("cpu");
}

#[test]
fn memory_names_the_largest_batch_that_runs() {
    the_largest_batch_runs("cpu");
    // Not even the weights fit.
    let none = ["memory", "--adapter", "cpu", "--limit", "1KiB"];
    let table = run(command().args(none)).good();
    has(
        &table,
        &["1.0 KiB", "largest batch", "none fits", "was run once"],
    );
    let document = run(command().args(none).args(["--format", "json"])).json();
    for line in document["precisions"].as_array().expect("lines") {
        assert_eq!(line["largest_batch"], Value::Null, "{line}");
        assert_eq!(line["largest_batch_allocated_bytes"], Value::Null, "{line}");
    }
}

/// A limit beyond this machine's memory: a smaller batch runs, and the reason is said.
#[test]
fn memory_says_why_a_larger_batch_does_not_run() {
    // Few images fill a large batch's memory where each is large.
    let arguments = ["memory", "--layers", "4000000-1", "--limit", "4TiB"];
    let more = ["--adapter", "cpu", "--precision", "f32", "--format", "json"];
    let document = run(command().args(arguments).args(more)).json();
    let line = &document["precisions"][0];
    assert!(line["largest_batch"].as_u64().is_some(), "{line}");
    let detail = line["detail"].as_str().expect("a reason");
    has(
        detail,
        &["stays within the limit, but does not run", "memory"],
    );
}

/// A network that is too large for random weights still has the textbook's figures.
#[test]
fn memory_of_a_network_that_is_not_made_has_the_textbooks_figures() {
    let arguments = [
        "memory",
        "--layers",
        "784-1000000-1000-10",
        "--adapter",
        "cpu",
    ];
    let document = run(command().args(arguments).args(["--format", "json"])).json();
    let line = &document["precisions"][0];
    assert_eq!(line["planned_bytes"], Value::Null);
    assert!(line["total_bytes"].as_u64() > Some(7_000_000_000), "{line}");
    has(line["detail"].as_str().expect("a reason"), &["parameters"]);
    let table = run(command().args(arguments)).good();
    has(&table, &["–", "parameters"]);
}
