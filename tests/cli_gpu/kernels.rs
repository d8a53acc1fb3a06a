//! Which kernel runs: by name, by path, by tuning, and from the cache.

use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::Adapter;
use crate::support::{Fixture, command, has, run, validate};

/// A small model and images, and a cache folder of its own.
struct Bench {
    fixture: Fixture,
    cache: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self {
            fixture: Fixture::new(),
            cache: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    /// A short `bench` on this adapter.
    fn command(&self, adapter: &Adapter, arguments: &[&str]) -> Command {
        let mut command = command();
        command.env("FMNIST_GPU_CACHE_DIR", self.cache.path());
        command.args(["bench", "--runs", "1", "--warmup", "1", "--format", "json"]);
        command.args(["--adapter", &adapter.index]);
        command.arg("--data").arg(self.fixture.data());
        command.arg("--model").arg(self.fixture.model());
        command.args(arguments);
        command
    }
}

/// What ran in each row: path, kernel, and what chose it.
fn effective(document: &Value) -> Vec<[String; 3]> {
    let results = document["results"].as_array().expect("rows").iter();
    let words = |row: &Value| {
        let field = |name: &str| match &row["effective"][name] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        [field("path"), field("kernel"), field("chosen_by")]
    };
    results.map(words).collect()
}

pub fn a_path_runs_as_named(adapter: &Adapter) {
    let bench = Bench::new();
    for (path, batch) in [("unfused", "8"), ("fused", "8"), ("network", "1")] {
        let modes = ["--precision", "f32,int8", "--scheme", "dynamic-tensor"];
        let arguments = [&["--path", path, "--batch", batch], &modes[..]].concat();
        let document = run(&mut bench.command(adapter, &arguments)).json();
        validate(&document);
        for [ran, _, by] in effective(&document) {
            assert_eq!((ran.as_str(), by == "default"), (path, false), "{document}");
        }
    }
}

pub fn a_kernel_runs_as_named(adapter: &Adapter) {
    let bench = Bench::new();
    let arguments = [
        "--kernel",
        "register-8x8",
        "--batch",
        "8",
        "--precision",
        "f32",
    ];
    let document = run(&mut bench.command(adapter, &arguments)).json();
    let want = ["fused", "register-8x8", "user"].map(str::to_owned);
    assert_eq!(effective(&document), [want]);
    // Nothing was left to tune, so no kernel is remembered. On some adapters transfers are.
    if let Ok(text) = std::fs::read_to_string(bench.cache.path().join("kernels.json")) {
        let kept: Value = serde_json::from_str(&text).expect("JSON");
        let entries = kept["entries"].as_array().expect("entries");
        let transfers = |entry: &Value| entry["host_visible"].is_object();
        assert!(entries.iter().all(transfers), "{text}");
    }
}

pub fn what_cannot_run_is_reported(adapter: &Adapter) {
    let bench = Bench::new();
    for (arguments, words) in [
        (
            ["--kernel", "nosuch", "--batch", "8"],
            "unknown kernel 'nosuch'",
        ),
        (
            ["--kernel", "register-8x8-dot", "--batch", "8"],
            "register-8x8-dot cannot run",
        ),
        (
            ["--kernel", "portable", "--batch", "8"],
            "portable runs only on the CPU path",
        ),
        (
            ["--path", "nosuch", "--batch", "8"],
            "unknown path 'nosuch'",
        ),
        (
            ["--tune", "nosuch", "--batch", "8"],
            "unknown tuning 'nosuch'",
        ),
    ] {
        let mut command = bench.command(adapter, &arguments);
        let error = run(command.args(["--precision", "f32"])).fails(2);
        has(&error, &[words]);
    }
    // In this scheme the images of a batch share their scales: no whole-network kernel may run it.
    let scheme = ["--precision", "int8", "--scheme", "dynamic-tensor"];
    let arguments = [&["--path", "network", "--batch", "8"], &scheme[..]].concat();
    let error = run(&mut bench.command(adapter, &arguments)).fails(2);
    has(&error, &["network path", "int8"]);
    // Its other schemes have no unfused kernels.
    let arguments = ["--path", "unfused", "--batch", "8", "--precision", "int8"];
    let error = run(&mut bench.command(adapter, &arguments)).fails(2);
    has(
        &error,
        &["the unfused path", "int8 dynamic-tensor", "--path"],
    );
}

pub fn one_batch_size_that_cannot_run_leaves_the_others(adapter: &Adapter) {
    let arguments = ["--path", "network", "--batch", "1,8", "--no-fallback"];
    let document = run(&mut Bench::new().command(adapter, &arguments)).json();
    validate(&document);
    for row in document["results"].as_array().expect("rows") {
        let requested = &row["requested"];
        let shared_scales = requested["scheme"] == "dynamic-tensor" && requested["batch"] == 8;
        let lacks_f16 = requested["precision"] == "f16" && !adapter.has("shader-f16");
        let runs = !(shared_scales || lacks_f16);
        assert_eq!(row["status"] == "ok", runs, "{row}");
        assert_eq!(row["status"] == "unsupported", !runs, "{row}");
    }
    // A kernel that runs no batch of int8 finds no batch of it that fits a limit.
    let arguments = ["--kernel", "network-32x64", "--batch", "8"];
    let arguments = [&arguments[..], &["--memory-limit", "1MiB"]].concat();
    let document = run(&mut Bench::new().command(adapter, &arguments)).json();
    validate(&document);
    let rows = document["results"].as_array().expect("rows").iter();
    let mut int8 = rows.filter(|row| row["requested"]["precision"] == "int8");
    assert!(int8.clone().next().is_some());
    assert!(int8.all(|row| row["status"] == "unsupported"));
    let lines = document["memory_limit"]["lines"].as_array().expect("lines");
    let names = lines.iter().map(|line| line["name"].as_str());
    assert!(names.clone().all(|name| name != Some("int8")));
    assert_eq!(names.filter(|name| *name == Some("f32")).count(), 1);
}

pub fn what_was_tuned_is_remembered(adapter: &Adapter) {
    let bench = Bench::new();
    let arguments = ["--batch", "8", "--precision", "f32"];
    let first = run(&mut bench.command(adapter, &arguments)).json();
    let second = run(&mut bench.command(adapter, &arguments)).json();
    let off = [&arguments[..], &["--tune", "off"]].concat();
    let off = run(&mut bench.command(adapter, &off)).json();
    let (first, second, off) = (effective(&first), effective(&second), effective(&off));
    assert_eq!(first[0][2], "measuring");
    let [path, kernel, _] = first[0].clone();
    assert_eq!(second[0], [path, kernel, "cache".to_owned()]);
    assert_eq!(off[0][2], "default");
}

pub fn a_damaged_cache_is_ignored(adapter: &Adapter) {
    let bench = Bench::new();
    let file = bench.cache.path().join("kernels.json");
    std::fs::write(&file, "{ no JSON").expect("a file");
    let arguments = ["--batch", "8", "--precision", "f32"];
    let ended = run(&mut bench.command(adapter, &arguments));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    has(&ended.stderr, &["WARN", "kernels.json"]);
    let document: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(document["results"][0]["status"], "ok");
}

pub fn a_breakdown_has_every_kernel(adapter: &Adapter) {
    let bench = Bench::new();
    let breakdown = |scheme: &str| {
        let arguments = [
            "--batch",
            "8",
            "--precision",
            "int8",
            "--breakdown",
            "--scheme",
            scheme,
        ];
        let document = run(&mut bench.command(adapter, &arguments)).json();
        validate(&document);
        document
    };
    // Without unfused kernels, only the chosen one has its parts.
    let alone = breakdown("dynamic-row");
    let parts = alone["results"][0]["breakdown"].as_array().expect("a list");
    assert_eq!(parts.len(), usize::from(adapter.has("timestamp-query")));
    let document = breakdown("dynamic-tensor");
    let parts = document["results"][0]["breakdown"]
        .as_array()
        .expect("a list");
    if !adapter.has("timestamp-query") {
        assert_eq!(parts.len(), 0);
        return;
    }
    // The chosen kernel, and the unfused kernels beside it.
    let unfused = parts.last().expect("a breakdown");
    assert_eq!(unfused["path"], "unfused");
    let names = unfused["kernels"].as_array().expect("kernels").iter();
    let names: Vec<&str> = names.filter_map(|kernel| kernel["name"].as_str()).collect();
    for name in [
        "pixel_max",
        "layers.0 matmul",
        "layers.0 bias",
        "layers.0 absmax",
    ] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    assert_eq!(
        parts[0]["kernel"],
        document["results"][0]["effective"]["kernel"]
    );
}
