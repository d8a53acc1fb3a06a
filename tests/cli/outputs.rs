//! Where results go: files of every format, a stream that nobody reads, a disk that is full.

use std::io::Read;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::bench::{check_csv, check_markdown};
use crate::support::{Fixture, command, ended, has, run, validate};

#[test]
fn every_output_is_written_in_the_format_of_its_extension() {
    let fixture = Fixture::new();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let names = ["r.json", "r.csv", "r.md", "r.txt", "again.json"];
    let paths = names.map(|name| folder.path().join(name));
    let mut arguments = vec!["--adapter", "cpu", "--batch", "8,1", "--format", "json"];
    for path in &paths {
        arguments.extend(["--output", path.to_str().expect("UTF-8")]);
    }
    let document = fixture.bench(&arguments).json();

    let text = paths.map(|path| std::fs::read_to_string(path).expect("a file"));
    let written: Value = serde_json::from_str(&text[0]).expect("JSON");
    validate(&written);
    assert_eq!(written, document);
    assert_eq!(text[4], text[0]);
    check_csv(&text[1], 8);
    check_markdown(&text[2]);
    has(&text[3], &["Network:", "end to end", " at batch 1"]);
    let left = std::fs::read_dir(folder.path())
        .expect("the folder")
        .count();
    assert_eq!(left, names.len(), "temporary files are left");
}

#[test]
fn an_older_file_is_replaced_and_survives_a_failure() {
    let fixture = Fixture::new();
    let path = fixture.write("result.csv", b"older");
    let name = path.to_str().expect("UTF-8");
    fixture
        .bench(&["--output", name, "--adapter", "nosuch"])
        .fails(3);
    assert_eq!(std::fs::read(&path).expect("a file"), b"older");
    fixture
        .bench(&["--output", name, "--adapter", "cpu"])
        .good();
    check_csv(&std::fs::read_to_string(&path).expect("a file"), 12);
}

#[test]
fn a_place_that_cannot_be_written_is_reported_before_anything_is_measured() {
    let fixture = Fixture::new();
    let folder = fixture.path("folder.json");
    std::fs::create_dir(&folder).expect("a folder");
    for path in [fixture.path("missing/result.json"), folder] {
        let name = path.to_str().expect("UTF-8");
        has(&fixture.bench(&["--output", name]).fails(1), &[name]);
        let error = fmnist!("train", "--data", fixture.data(), "--output", &path).fails(1);
        has(&error, &[name]);
    }
}

#[cfg(target_os = "linux")]
mod full {
    use std::fs::OpenOptions;

    use super::*;
    use crate::support::Ended;

    /// Runs with a standard output that takes nothing.
    fn run(command: &mut Command) -> Ended {
        let full = OpenOptions::new().write(true).open("/dev/full");
        let output = command
            .stdout(full.expect("/dev/full"))
            .stderr(Stdio::piped())
            .spawn()
            .and_then(|child| child.wait_with_output());
        ended(command, output.expect("the binary runs"))
    }

    #[test]
    fn a_full_disk_behind_stdout_is_reported() {
        let fixture = Fixture::new();
        for format in ["table", "json", "csv", "markdown"] {
            let mut command = command();
            command.args(["bench", "--runs", "2", "--format", format, "--data"]);
            command
                .arg(fixture.data())
                .arg("--model")
                .arg(fixture.model());
            has(
                &run(&mut command).fails(1),
                &["standard output", "No space"],
            );
            let mut predict = super::command();
            predict.args(["predict", "--adapter", "cpu", "--format", format]);
            has(
                &run(&mut predict).fails(1),
                &["standard output", "No space"],
            );
        }
        for name in ["adapters", "memory"] {
            has(&run(command().arg(name)).fails(1), &["standard output"]);
        }
    }

    #[test]
    fn what_was_measured_is_kept_where_stdout_is_full() {
        let fixture = Fixture::new();
        let path = fixture.path("kept.json");
        let mut command = command();
        command
            .args(["bench", "--runs", "2", "--output"])
            .arg(&path);
        command.arg("--data").arg(fixture.data());
        command.arg("--model").arg(fixture.model());
        run(&mut command).fails(1);
        let text = std::fs::read_to_string(path).expect("a file");
        validate(&serde_json::from_str(&text).expect("JSON"));
    }

    #[test]
    fn a_full_disk_behind_an_output_is_reported() {
        let fixture = Fixture::new();
        let path = fixture.path("full.json");
        std::os::unix::fs::symlink("/dev/full", &path).expect("a link");
        let name = path.to_str().expect("UTF-8");
        let (table, error) = fixture.bench(&["--output", name]).fails_after_output(1);
        has(
            &table,
            &["Batch 1,000 was requested; the data set has only 40 images."],
        );
        has(&error, &[name, "No space"]);
    }
}

/// Reads a few bytes of a command's output, closes it, and waits.
fn close_early(command: &mut Command, bytes: usize) {
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.expect("the binary starts");
    let mut stdout = child.stdout.take().expect("a pipe");
    let mut first = vec![0; bytes];
    stdout.read_exact(&mut first).expect("some output");
    drop(stdout);
    let output = child.wait_with_output().expect("an end");
    let end = ended(command, output);
    assert_eq!(end.code, Some(0), "{:?}: {}", command, end.stderr);
    assert_eq!(end.stderr, "", "{command:?}");
}

#[test]
fn a_reader_who_has_seen_enough_is_no_error() {
    // Ten thousand lines are more than any pipe's buffer holds.
    for format in ["csv", "table", "json", "markdown"] {
        let mut command = command();
        command.args(["predict", "--adapter", "cpu", "--format", format]);
        close_early(&mut command, 10);
    }
}

#[test]
fn a_reader_who_never_looks_is_no_error() {
    let fixture = Fixture::new();
    let path = fixture.path("kept.json");
    let mut command = command();
    command
        .args(["bench", "--runs", "2", "--output"])
        .arg(&path);
    command.arg("--data").arg(fixture.data());
    command.arg("--model").arg(fixture.model());
    close_early(&mut command, 0);
    assert!(path.exists(), "what was measured is not kept");
}

#[cfg(unix)]
#[test]
fn a_named_pipe_gets_the_result() {
    let fixture = Fixture::new();
    let pipe = fixture.path("pipe.json");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo").success());
    let mut command = command();
    command
        .args(["bench", "--runs", "2", "--output"])
        .arg(&pipe);
    command.arg("--data").arg(fixture.data());
    command.arg("--model").arg(fixture.model());
    let child = command.stdout(Stdio::null()).spawn();
    let mut child = child.expect("the binary starts");
    // It ends when the last writer leaves, and a writer that comes again would wait for ever.
    let text = std::fs::read_to_string(&pipe).expect("the pipe's text");
    if text.is_empty() {
        child.kill().expect("an end");
    }
    assert!(child.wait().expect("an end").success());
    validate(&serde_json::from_str(&text).expect("JSON"));
}

/// As `--output >(true)` in a shell: the pipe is an output of ours, and a lost write is reported.
#[cfg(target_os = "linux")]
#[test]
fn an_output_whose_reader_has_left_is_an_error() {
    let fixture = Fixture::new();
    let mut arguments = vec!["train", "--hidden", "5", "--epochs", "1", "--output"];
    arguments.extend(["/dev/stdin", "--data"]);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = command();
    command.args(arguments).arg(fixture.data()).stdin(writer);
    let end = run(&mut command);
    assert_eq!(end.code, Some(1), "{}", end.stderr);
    has(&end.stderr, &["cannot write /dev/stdin", "pipe"]);
}

#[cfg(unix)]
#[test]
fn an_output_that_is_a_link_is_written_where_it_leads() {
    let fixture = Fixture::new();
    let (link, file) = (
        fixture.path("link.csv"),
        fixture.write("file.csv", b"older"),
    );
    std::os::unix::fs::symlink("file.csv", &link).expect("a link");
    let name = link.to_str().expect("UTF-8");
    fixture
        .bench(&["--output", name, "--adapter", "cpu"])
        .good();
    assert!(link.is_symlink(), "the link is replaced");
    check_csv(&std::fs::read_to_string(file).expect("a file"), 12);
}

/// An interrupt is exit 130, and keeps what was printed.
#[cfg(unix)]
#[test]
fn an_interrupt_is_exit_130() {
    use std::io::{BufRead, BufReader};

    let fixture = Fixture::new();
    let mut command = command();
    command.args(["bench", "--adapter", "cpu", "--min-time", "60s"]);
    command.arg("--data").arg(fixture.data());
    command.arg("--model").arg(fixture.model());
    // The log says what is done.
    command.env("RUST_LOG", "fmnist_gpu=info");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary");
    let mut log = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    while !line.contains("measuring") {
        line.clear();
        assert!(log.read_line(&mut line).expect("a line") > 0, "it ended");
    }
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status();
    assert!(sent.expect("kill").success());
    assert_eq!(child.wait().expect("an end").code(), Some(130));
}
