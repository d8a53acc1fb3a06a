//! How `bench` ends where several things decide it: a closed standard output, gates, and a baseline to keep.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::baseline::{QUICK, bench, bench_command, kept, spoil};
use crate::support::{Ended, Fixture, ended, has, rows, validate};

/// Runs where nobody reads standard output.
fn unread(command: &mut Command) -> Ended {
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.expect("the binary starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("an end");
    ended(command, output)
}

fn save(fixture: &Fixture) -> Vec<u8> {
    bench(fixture, None, &[&QUICK[..], &["--save", "first"]].concat()).good();
    std::fs::read(kept(fixture, "first")).expect("a kept result")
}

/// Whether a result says that it is whole, which is so exactly where nothing is missing.
fn is_whole(document: &Value) -> bool {
    validate(document);
    let missing = document["missing_batches"].as_array().expect("a list");
    assert_eq!(missing.is_empty(), document["incomplete"].is_null());
    missing.is_empty()
}

#[test]
fn a_baseline_is_whole_though_nobody_reads_the_table() {
    let fixture = Fixture::new();
    let arguments = [&QUICK[..], &["--batch", "8,4,1", "--save", "first"]].concat();
    let end = unread(&mut bench_command(&fixture, None, &arguments));
    assert_eq!((end.code, end.stderr.as_str()), (Some(0), ""));
    let text = std::fs::read_to_string(kept(&fixture, "first")).expect("a kept result");
    let document: Value = serde_json::from_str(&text).expect("JSON");
    assert!(is_whole(&document));
    assert_eq!(rows(&document).len(), 6);
}

/// The file is written while nobody reads the table; then its length does not show whether the run ended early.
#[test]
fn what_is_whole_has_no_missing_batches() {
    let fixture = Fixture::new();
    let path = fixture.path("result.json");
    let output = ["--output", path.to_str().expect("UTF-8")];
    let limited = ["--batch", "8,4,1", "--batch-limit", "4"];
    for more in [&["--batch", "8,1"][..], &limited] {
        bench(&fixture, None, &[&QUICK[..], &output, more].concat()).good();
        let text = std::fs::read_to_string(&path).expect("a result");
        assert!(is_whole(&serde_json::from_str(&text).expect("JSON")));
    }
}

#[test]
#[cfg_attr(
    not(feature = "fault-injection"),
    ignore = "needs --features fault-injection"
)]
fn a_failed_gate_is_the_exit_code_though_nobody_reads_the_table() {
    let fixture = Fixture::new();
    save(&fixture);
    let regression = ["--compare", "first", "--fail-on-regression", "5%"];
    let limit = ["--gate", "--max-latency", "1ns"];
    for (gate, code, word) in [(&limit[..], 4, "--max-latency"), (&regression, 5, "slower")] {
        let arguments = [&QUICK[..], gate].concat();
        let mut command = bench_command(&fixture, Some("1000%"), &arguments);
        has(&unread(&mut command).fails(code), &[word]);
    }
    let possible = [
        &QUICK[..],
        &[
            "--gate",
            "--max-latency",
            "100s",
            "--max-accuracy-drop",
            "100",
        ],
    ];
    let end = unread(&mut bench_command(&fixture, None, &possible.concat()));
    assert_eq!((end.code, end.stderr.as_str()), (Some(0), ""));
}

#[test]
#[cfg_attr(
    not(feature = "fault-injection"),
    ignore = "needs --features fault-injection"
)]
fn of_two_failed_gates_both_are_reported_and_the_limit_is_the_exit_code() {
    let fixture = Fixture::new();
    save(&fixture);
    let both = [
        &QUICK[..],
        &["--gate", "--max-latency", "1ns"],
        &["--compare", "first", "--fail-on-regression", "5%"],
    ];
    let (_, error) = bench(&fixture, Some("1000%"), &both.concat()).fails_after_output(4);
    has(
        &error,
        &["not met: --max-latency", "f32 at batch 8 is slower"],
    );
}

#[test]
fn a_run_that_fails_a_gate_replaces_no_baseline() {
    let fixture = Fixture::new();
    save(&fixture);
    let path = kept(&fixture, "first");
    spoil(&path, |document| {
        for row in document["results"].as_array_mut().expect("rows") {
            row["correct_images"] = "ffffffffff".into();
        }
    });
    let good = std::fs::read(&path).expect("a kept result");
    let renew = [
        "--save",
        "first",
        "--compare",
        "first",
        "--fail-on-regression",
        "5%",
    ];
    let (_, error) = bench(&fixture, None, &[&QUICK[..], &renew].concat()).fails_after_output(5);
    has(&error, &["less accurate", "not saved as first"]);
    assert_eq!(std::fs::read(&path).expect("a kept result"), good);

    // What cannot be compared, which is known only once it is measured.
    spoil(&path, |document| {
        let workloads = document["control_workloads"].as_array_mut();
        for workload in workloads.expect("control workloads") {
            workload["work"] = "another".into();
        }
    });
    let other = ["--save", "second", "--compare", "first"];
    let (_, error) = bench(&fixture, None, &[&QUICK[..], &other].concat()).fails_after_output(2);
    has(&error, &["cannot be compared", "not saved as second"]);
    assert!(!kept(&fixture, "second").exists());
}

#[test]
#[cfg_attr(
    not(feature = "fault-injection"),
    ignore = "needs --features fault-injection"
)]
fn what_was_slowed_or_ended_early_is_no_baseline() {
    let fixture = Fixture::new();
    save(&fixture);
    let slowed = fixture.path("slowed.json");
    let slowed = slowed.to_str().expect("UTF-8");
    bench(
        &fixture,
        Some("10%"),
        &[&QUICK[..], &["--output", slowed]].concat(),
    )
    .good();
    has(
        &bench(&fixture, None, &["--compare", slowed]).fails(2),
        &[slowed, "on purpose"],
    );
    has(
        &bench(&fixture, Some("10%"), &["--save", "second"]).fails(2),
        &["FMNIST_GPU_SLOWDOWN", "--save"],
    );
    spoil(&kept(&fixture, "first"), |document| {
        document["incomplete"] = "interrupted".into();
        document["missing_batches"] = serde_json::json!([1]);
    });
    has(
        &bench(&fixture, None, &["--compare", "first"]).fails(2),
        &["first", "ended early"],
    );
}
