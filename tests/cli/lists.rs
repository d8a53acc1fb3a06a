//! `adapters` and `memory`, which adapter a selector means, and what `--help` says.

use fmnist_gpu::Precision;
use serde_json::{Value, json};

use crate::support::{Fixture, command, has, identity, precisions, run};

#[test]
fn help_and_version_are_results() {
    has(
        &fmnist!("--help").good(),
        &["adapters", "bench", "predict", "train", "memory", "peak"],
    );
    has(&fmnist!("--version").good(), &[env!("CARGO_PKG_VERSION")]);
    for name in ["adapters", "bench", "predict", "train", "memory", "peak"] {
        has(
            &fmnist!(name, "--help").good(),
            &["Usage: fmnist-gpu", name],
        );
    }
}

#[test]
fn adapters_are_listed_in_every_format() {
    let list = fmnist!("adapters", "--format", "json").json();
    let list = list.as_array().expect("a list");
    let table = fmnist!("adapters").good();
    let markdown = fmnist!("adapters", "--format", "markdown").good();
    assert!(
        table.lines().all(|line| line.chars().count() <= 120),
        "{table}"
    );
    for (at, adapter) in list.iter().enumerate() {
        assert_eq!(adapter["index"], at);
        for field in ["name", "backend", "kind", "driver"] {
            let text = adapter[field].as_str().expect("text");
            has(&markdown, &[text]);
        }
        let names: Vec<&Value> = adapter["precisions"]
            .as_array()
            .expect("precisions")
            .iter()
            .map(|runs_as| &runs_as["precision"])
            .collect();
        assert_eq!(names, Precision::EVERY.map(Precision::name));
        let features = adapter["features"].as_array().expect("features");
        let shader_f16 = features.contains(&json!("shader-f16"));
        let gpu = adapter["kind"] != "cpu";
        let f16 = &adapter["precisions"][1];
        let device = if gpu && shader_f16 { "gpu" } else { "cpu" };
        assert_eq!(f16["device"], device, "{adapter}");
        assert_eq!(f16["reason"].is_string(), gpu && !shader_f16, "{adapter}");
    }
    let last = list.last().expect("the CPU path");
    assert_eq!(
        (&last["backend"], &last["kind"]),
        (&json!("cpu"), &json!("cpu"))
    );
    assert_eq!(
        list.iter()
            .filter(|adapter| adapter["kind"] == "cpu")
            .count(),
        1
    );
}

/// The adapter that ran, and why that one.
fn chosen(arguments: &[&str], variables: &[(&str, &str)]) -> (Value, String) {
    let fixture = Fixture::new();
    let mut command = command();
    command.args([
        "bench", "--runs", "1", "--warmup", "1", "--batch", "8", "--format", "json",
    ]);
    command
        .args(["--precision", "f32", "--data"])
        .arg(fixture.data());
    command.arg("--model").arg(fixture.model());
    let mut document = run(command.args(arguments).envs(variables.iter().copied())).json();
    let mut adapter = document["adapters"][0].take();
    let reason = adapter["reason"].take();
    (adapter, reason.as_str().expect("words").to_owned())
}

#[test]
fn the_cpu_path_is_chosen_by_backend_index_and_name() {
    let list = fmnist!("adapters", "--format", "json").json();
    let index = (list.as_array().expect("a list").len() - 1).to_string();
    for selector in ["cpu", "CPU", "cpu pa", &index] {
        let (adapter, reason) = chosen(&["--adapter", selector], &[]);
        assert_eq!(adapter["kind"], "cpu", "{selector}");
        has(&reason, &[&selector.to_lowercase()]);
    }
    let names = [("WGPU_BACKEND", "gl"), ("WGPU_ADAPTER_NAME", "nosuch")];
    assert_eq!(chosen(&["--adapter", "cpu"], &names).0["kind"], "cpu");
    assert_eq!(
        chosen(&[], &[("WGPU_ADAPTER_NAME", "CPU pa")]).0["kind"],
        "cpu"
    );
    assert_eq!(
        chosen(&["--adapter", "cpu"], &[("WGPU_BACKEND", " ")]).0["kind"],
        "cpu"
    );
}

/// Hides every driver, as on a machine without one.
#[cfg(target_os = "linux")]
#[test]
fn without_any_driver_the_cpu_path_runs_and_says_so() {
    let nowhere = [
        ("VK_ICD_FILENAMES", "/nonexistent"),
        ("VK_DRIVER_FILES", "/nonexistent"),
        ("__EGL_VENDOR_LIBRARY_FILENAMES", "/nonexistent"),
    ];
    let list = run(command().arg("adapters").envs(nowhere)).good();
    has(&list, &["CPU path", "mesa-vulkan-drivers"]);
    let (adapter, reason) = chosen(&[], &nowhere);
    assert_eq!(adapter["kind"], "cpu");
    has(&reason, &["no adapter", "CPU path"]);
    for arguments in [
        ["bench", "--adapter", "vulkan"],
        ["predict", "--adapter", "0x"],
    ] {
        let error = run(command().args(arguments).envs(nowhere)).fails(3);
        has(&error, &[arguments[2], "CPU path", "mesa-vulkan-drivers"]);
    }
}

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
fn memory_finds_the_largest_batch_under_a_limit() {
    let largest = |limit: &str| {
        let document = fmnist!("memory", "--limit", limit, "--format", "json").json();
        let lines = document["precisions"].as_array().expect("lines").clone();
        Value::from_iter(lines.iter().map(|line| line["largest_batch"].clone()))
    };
    // (limit − 50,890 · bytes) / (858 · bytes), rounded down.
    assert_eq!(largest("1MiB"), json!([246, 551, 1162]));
    assert_eq!(largest("100KiB"), json!([null, null, 60]));
    assert_eq!(largest("100"), json!([null, null, null]));
    // The very bytes of one image in f32, and one less.
    assert_eq!(largest("206992")[0], 1);
    assert_eq!(largest("206991")[0], Value::Null);
    let table = fmnist!("memory", "--limit", "100KiB").good();
    has(&table, &["100.0 KiB", "largest batch", "none fits", "60"]);
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
