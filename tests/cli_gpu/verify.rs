//! `verify` on an adapter: a part of its checks pass, and what is broken on purpose is found.

use serde_json::Value;

use crate::Adapter;
#[cfg(target_os = "linux")]
use crate::support::ended;
use crate::support::{Ended, closed_verify_schema, command, has, run, validate_with};

fn verify(adapter: &Adapter, broken: Option<&str>, only: &str, more: &[&str]) -> Ended {
    let mut command = command();
    command.args(["verify", "--adapter", &adapter.index, "--only", only]);
    if let Some(broken) = broken {
        command.env("FMNIST_GPU_BREAK", broken);
    }
    run(command.args(more))
}

fn rows(document: &Value) -> &[Value] {
    document["results"].as_array().expect("rows")
}

pub fn a_part_passes_as_the_schema_says(adapter: &Adapter) {
    let mut hashes = Vec::new();
    for only in ["sums/", "weights/", "matmul", "33-31-7-5 by default"] {
        let document = verify(
            adapter,
            None,
            only,
            &["--format", "json", "--matrix-units", "off"],
        );
        let document = document.json();
        validate_with(&closed_verify_schema(), &document);
        assert_eq!(document["failed"], 0, "{document:#}");
        assert!(document["broken_on_purpose"].is_null());
        for row in rows(&document) {
            assert_eq!(
                row["status"] == "skipped",
                row["detail"].is_string(),
                "{row}"
            );
        }
        hashes.push(document["int8_sums_sha256"].clone());
        let observations = &document["numerics"]["observations"];
        assert_eq!(observations["dot4i8packed"], "exact");
        let f16 = &observations["f32_to_f16_conversion"];
        assert_eq!(f16.is_string(), adapter.has("shader-f16"), "{f16}");
    }
    // The processor's is the adapter's.
    let mut command = command();
    let cpu = [
        "verify",
        "--adapter",
        "cpu",
        "--only",
        "sums/",
        "--format",
        "json",
    ];
    let cpu = run(command.args(cpu)).json();
    assert_eq!(cpu["int8_sums_sha256"], hashes[0]);
    assert!(hashes[1..].iter().all(Value::is_null));
}

/// What is broken is found by those checks that it concerns, which are named, and the exit code says so.
pub fn what_is_broken_is_found(adapter: &Adapter) {
    // A kernel that shares a tile in workgroup memory, and networks with their weights. Of weights in
    // blocks of four by four, 33-31-7-5 has more than one.
    let staged = "kernels/workgroup-4x4x16:256-f32-pixels-f32-stored-relu f32";
    let tiled = "networks/57-64-21-63 network-32x64 f32";
    for (broken, only, found) in [
        ("tile-edge", staged, staged),
        ("barrier", staged, staged),
        ("tile-edge", tiled, tiled),
        ("barrier", tiled, tiled),
        (
            "transposed",
            "weights/33-31-7-5 f32",
            "weights/33-31-7-5 f32",
        ),
        (
            "transposed",
            "33-31-7-5 by default f32",
            "networks/33-31-7-5 by default f32",
        ),
        ("bit", "weights/33-31-7-5 f32", "weights/33-31-7-5 f32"),
        ("bit", "weights/33-31-7-5 int8", "weights/33-31-7-5 int8"),
        // A matrix, and a maximum.
        ("once", "kernels/matmul-8x8 f32", "kernels/matmul-8x8 f32"),
        ("once", "kernels/absmax int8", "kernels/absmax int8"),
    ] {
        // Broken by nothing, it passes.
        verify(adapter, None, only, &[]).good();
        let ended = verify(adapter, Some(broken), only, &["--format", "json"]);
        let (stdout, stderr) = ended.fails_after_output(4);
        has(&stderr, &["checks failed", found]);
        let document: Value = serde_json::from_str(&stdout).expect("JSON");
        validate_with(&closed_verify_schema(), &document);
        assert_eq!(document["broken_on_purpose"], broken);
        assert!(document["failed"].as_u64() >= Some(1), "{broken}");
        let failed = rows(&document)
            .iter()
            .filter(|row| row["status"] == "failed");
        let names: Vec<String> = failed.map(name).collect();
        assert!(
            names.iter().any(|name| name.starts_with(found)),
            "{broken}: {names:?}"
        );
    }
}

/// If every requested check is skipped, the run fails.
pub fn what_cannot_be_checked_is_not_well(adapter: &Adapter) {
    for format in ["json", "table"] {
        let more = ["--format", format, "--matrix-units", "off"];
        let ended = verify(adapter, None, "kernels/coop", &more);
        let (stdout, stderr) = ended.fails_after_output(3);
        has(&stderr, &["nothing was checked", "--matrix-units off"]);
        if format == "table" {
            has(&stdout, &["Nothing was checked: 0 checks passed"]);
            assert!(!stdout.contains("Passed:"), "{stdout}");
        } else {
            let document: Value = serde_json::from_str(&stdout).expect("JSON");
            validate_with(&closed_verify_schema(), &document);
            assert_eq!(document["checks"], 0);
        }
    }
}

/// A reader who has left, or a full disk, does not hide that a check failed.
#[cfg(target_os = "linux")]
pub fn a_failed_check_counts_more_than_a_lost_output(adapter: &Adapter) {
    use std::process::Stdio;

    let broken = || {
        let mut command = command();
        let only = ["--only", "weights/33-31-7-5 f32"];
        command
            .args(["verify", "--adapter", &adapter.index])
            .args(only);
        command
            .env("FMNIST_GPU_BREAK", "bit")
            .stderr(Stdio::piped());
        command
    };
    let end = |command: &mut std::process::Command| {
        let child = command.spawn().expect("the binary starts");
        let output = child.wait_with_output().expect("an end");
        ended(command, output)
    };
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let error = end(broken().stdout(writer)).fails(4);
    has(&error, &["checks failed"]);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    let error = end(broken().stdout(full.expect("/dev/full"))).fails(4);
    has(&error, &["checks failed", "standard output"]);
}

fn name(row: &Value) -> String {
    let text = |field: &str| row[field].as_str().expect("text").to_owned();
    format!("{}/{} {}", text("group"), text("name"), text("mode"))
}
