//! A run that does not end by itself: what an interrupt keeps, and what is there when all is lost.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::html::parse;
use crate::support::{Fixture, closed_verify_schema, command, has, rows, validate, validate_with};

/// The most that an end may take; the program itself gives up before.
const BOUND: Duration = Duration::from_secs(30);

/// A run of the largest batch size, which takes little, and of two further ones; every file it writes.
struct Running {
    fixture: Fixture,
    child: Child,
    output: std::process::ChildStdout,
}

impl Running {
    /// Starts, and waits until the first batch size is measured: its rows are in a file then.
    fn new(min_time: &str) -> Self {
        let fixture = Fixture::new();
        let mut command = command();
        command.args([
            "bench",
            "--adapter",
            "cpu",
            "--batch",
            "40,8,1",
            "--min-time",
            min_time,
        ]);
        command
            .arg("--data")
            .arg(fixture.data())
            .arg("--model")
            .arg(fixture.model());
        for name in ["r.json", "r.csv", "r.md", "r.html", "r.txt", "r.xml"] {
            command.arg("--output").arg(fixture.path(name));
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary");
        let output = child.stdout.take().expect("a pipe");
        while !fixture.path("r.json").exists() {
            let ended = child.try_wait().expect("a child");
            assert!(ended.is_none(), "it ended before a batch size was measured");
            std::thread::sleep(Duration::from_millis(5));
        }
        Self {
            fixture,
            child,
            output,
        }
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status();
        assert!(sent.expect("kill").success());
    }

    /// The rest of its output, and how it ended.
    fn end(mut self) -> (Fixture, Option<i32>, String, String) {
        let start = Instant::now();
        while self.child.try_wait().expect("a child").is_none() {
            if start.elapsed() > BOUND {
                self.child.kill().expect("an end");
                panic!("it does not end");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let mut stdout = String::new();
        self.output.read_to_string(&mut stdout).expect("its output");
        let mut stderr = String::new();
        let mut pipe = self.child.stderr.take().expect("a pipe");
        pipe.read_to_string(&mut stderr).expect("its errors");
        let code = self.child.wait().expect("an end").code();
        (self.fixture, code, stdout, stderr)
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a file")
}

#[test]
fn an_interrupt_keeps_and_marks_the_rows_that_are_finished() {
    // Another batch size takes longer than the interrupt.
    let running = Running::new("500ms");
    running.signal("-INT");
    let (fixture, code, stdout, stderr) = running.end();
    assert_eq!(code, Some(130), "{stderr}");
    assert_eq!(stderr.trim(), "interrupted");
    has(&stdout, &["Incomplete: interrupted"]);

    let document: Value = serde_json::from_str(&read(&fixture.path("r.json"))).expect("JSON");
    validate(&document);
    assert_eq!(document["incomplete"], "interrupted");
    let missing = document["missing_batches"].as_array().expect("a list");
    assert!(missing.contains(&1.into()), "{missing:?}");
    let rows = rows(&document);
    assert!(rows.len() >= 3 && rows[0]["requested"]["batch"] == 40);
    for row in rows {
        let samples = row["wall_ns"]["samples"].as_array().expect("samples");
        assert!(samples.len() >= 10, "{}", samples.len());
    }
    has(&read(&fixture.path("r.csv")), &["complete", ",false\n"]);
    has(
        &read(&fixture.path("r.xml")),
        &["errors=\"1\"", "<error message=\"Incomplete: interrupted"],
    );
    has(&read(&fixture.path("r.md")), &["**Incomplete: interrupted"]);
    has(&read(&fixture.path("r.txt")), &["Incomplete: interrupted"]);
    let page = parse(&read(&fixture.path("r.html")));
    let warning = page
        .iter()
        .find(|one| one.get("class") == Some("warning"))
        .expect("a mark");
    has(&warning.text, &["Incomplete: interrupted"]);
}

/// Interrupts a command when its log has a line with `until`; what is then on standard output.
fn interrupted(command: &mut Command, until: &str) -> String {
    // The log says when something was done.
    command.env("RUST_LOG", "fmnist_gpu=info");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary");
    let mut log = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    while !line.contains(until) {
        line.clear();
        assert!(log.read_line(&mut line).expect("a line") > 0, "it ended");
    }
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status();
    assert!(sent.expect("kill").success());
    let mut text = String::new();
    let mut stdout = child.stdout.take().expect("a pipe");
    stdout.read_to_string(&mut text).expect("its output");
    assert_eq!(child.wait().expect("an end").code(), Some(130));
    text
}

#[test]
fn an_interrupt_keeps_and_marks_the_checks_that_were_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("v.json");
    let mut command = command();
    command.args(["verify", "--adapter", "cpu", "--format", "json"]);
    let text = interrupted(command.arg("--output").arg(&path), "networks/");

    let document: Value = serde_json::from_str(&text).expect("JSON");
    validate_with(&closed_verify_schema(), &document);
    assert_eq!(document["incomplete"], "interrupted");
    assert!(document["passed"].as_u64() >= Some(2), "{document:#}");
    let whole: usize = 4 * (1 + 2 * 13);
    assert!(rows(&document).len() < whole, "all was checked");
    assert_eq!(read(&path), text);
}

#[test]
fn an_interrupt_keeps_and_marks_the_ceilings_that_were_measured() {
    let peak = |format: &str| {
        let mut command = command();
        command.args(["peak", "--adapter", "cpu", "--min-time", "3s"]);
        interrupted(command.args(["--format", format]), " a second")
    };
    let document: Value = serde_json::from_str(&peak("json")).expect("JSON");
    assert_eq!(document["incomplete"], "interrupted");
    let status = |at: usize| &document["ceilings"][at]["status"];
    assert_eq!([status(0), status(1)], ["ok", "unmeasured"]);
    assert_eq!(document["ceilings"][1]["detail"], "interrupted");
    has(
        &peak("table"),
        &["FLOP/s", "unmeasured", "not measured: interrupted"],
    );
}

#[test]
fn a_run_that_is_killed_leaves_the_rows_that_were_finished() {
    let mut running = Running::new("500ms");
    let path = running.fixture.path("r.json");
    let start = Instant::now();
    while !path.exists() && start.elapsed() < BOUND {
        std::thread::sleep(Duration::from_millis(5));
    }
    running.child.kill().expect("an end");
    running.child.wait().expect("an end");
    let document: Value = serde_json::from_str(&read(&path)).expect("JSON");
    validate(&document);
    has(
        document["incomplete"].as_str().expect("why"),
        &["still running when this file was written"],
    );
    assert_eq!(rows(&document).len(), 4);
    assert_eq!(document["missing_batches"], serde_json::json!([8, 1]));
}
