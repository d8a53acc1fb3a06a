//! What `peak` writes of an adapter. How fast it is, no test says.

use serde_json::Value;

use crate::Adapter;
use crate::support::{Ended, command, has, run};

/// The command on an adapter, quickly.
fn peak(adapter: &Adapter, arguments: &[&str]) -> Ended {
    let mut command = command();
    command.args(["peak", "--adapter", &adapter.index, "--min-time", "1ms"]);
    run(command.args(arguments))
}

/// The ceilings of a document, with their names.
fn ceilings(document: &Value) -> Vec<(&str, &Value)> {
    let list = document["ceilings"].as_array().expect("ceilings").iter();
    list.map(|line| (line["name"].as_str().expect("a name"), line))
        .collect()
}

pub fn ceilings_are_figures_or_say_why_not(adapter: &Adapter) {
    for mask in [&[][..], &["--mask-features", "shader-f16"]] {
        let document = peak(adapter, &[&["--format", "json"], mask].concat()).json();
        assert_eq!(document["schema"], 2);
        assert_eq!(document["adapter"]["name"], adapter.name);
        assert_eq!(document["adapter"]["backend"], adapter.backend);
        let ceilings = ceilings(&document);
        let names: Vec<&str> = ceilings.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["f32", "f16", "f16-matrix", "int8-dot", "copy"]);
        for (name, line) in ceilings {
            let unit = if name == "copy" {
                "bytes"
            } else {
                "operations"
            };
            assert_eq!(line["unit"], unit);
            let there = match name {
                "f16" => adapter.has("shader-f16"),
                "f16-matrix" => adapter.has_matrix_units(),
                _ => true,
            };
            let hidden = name.starts_with("f16") && !mask.is_empty();
            if hidden || !there {
                is_unsupported(line, name);
            } else {
                is_measured(line);
            }
        }
    }
}

fn is_measured(line: &Value) {
    assert_eq!(
        (&line["status"], &line["detail"]),
        (&"ok".into(), &Value::Null)
    );
    let positive = |value: &Value| value.as_f64().filter(|v| v.is_finite() && *v > 0.0);
    let best = positive(&line["per_second"]).expect("a best");
    let median = positive(&line["median_per_second"]).expect("a median");
    let samples = line["samples"].as_array().expect("samples");
    let samples: Option<Vec<f64>> = samples.iter().map(positive).collect();
    let samples = samples.expect("positive samples");
    assert!(samples.len() >= 10 && median <= best, "{line}");
    assert_eq!(samples.into_iter().fold(0.0, f64::max), best);
    assert!(line["spread"].as_f64().expect("a spread") >= 0.0);
    assert!(line["shape"].is_string(), "{line}");
}

fn is_unsupported(line: &Value, name: &str) {
    assert_eq!(line["status"], "unsupported");
    let reason = line["detail"].as_str().expect("a reason");
    if name == "f16" {
        has(reason, &["shader-f16"]);
    } else {
        has(reason, &["the adapter has no "]);
    }
    for figure in ["per_second", "median_per_second", "spread", "shape"] {
        assert_eq!(line[figure], Value::Null, "{figure}");
    }
    assert_eq!(line["samples"], Value::Array(Vec::new()));
}

pub fn every_format_has_every_ceiling(adapter: &Adapter) {
    let mask = ["--mask-features", "shader-f16"];
    for format in ["table", "markdown", "csv"] {
        let text = peak(adapter, &[&["--format", format], &mask[..]].concat()).good();
        has(&text, &["f32", "f16", "f16-matrix", "int8-dot", "copy"]);
        has(&text, &["unsupported", "the adapter has no shader-f16"]);
        has(&text, &[&adapter.name, &adapter.backend]);
        match format {
            "csv" => assert_eq!(text.lines().count(), 6, "{text}"),
            _ => has(&text, &["GFLOP/s", "GOP/s", "GB/s", "registers only"]),
        }
        if format == "table" {
            let wide = text.lines().find(|line| line.chars().count() > 120);
            assert_eq!(wide, None, "over 120 characters");
        }
    }
}
