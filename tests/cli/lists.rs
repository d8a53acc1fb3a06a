//! `adapters` and `memory`, which adapter a selector means, and what `--help` says.

use fmnist_gpu::Precision;
use serde_json::{Value, json};

use crate::support::{Fixture, command, has, run};

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
