//! A device that goes away, is silent, or has no memory; a shader that does not compile; a binding that is too
//! large. FMNIST_GPU_FAULT injects each of them (see src/gpu/fault).

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Adapter;
use crate::support::{Ended, Fixture, command, has, rows, run, validate};

/// The most that any end may take, on a busy machine too; the program itself gives up long before.
const BOUND: Duration = Duration::from_secs(60);

/// A short `bench` of two batch sizes with this fault.
fn bench(fixture: &Fixture, adapter: &Adapter, fault: &str, more: &[&str]) -> Command {
    let mut command = command();
    command.env("FMNIST_GPU_FAULT", fault);
    command.args([
        "bench",
        "--adapter",
        &adapter.index,
        "--runs",
        "2",
        "--warmup",
        "1",
    ]);
    for (option, value) in [
        ("--batch", "40,8"),
        ("--tune", "off"),
        ("--precision", "f32,int8"),
    ] {
        if !more.contains(&option) {
            command.args([option, value]);
        }
    }
    command.arg("--data").arg(fixture.data());
    command.arg("--model").arg(fixture.model());
    command.args(more);
    command
}

/// Runs it, and fails where it takes for ever.
fn end(command: &mut Command) -> Ended {
    let start = Instant::now();
    let end = run(command);
    assert!(
        start.elapsed() < BOUND,
        "{command:?} took {:?}",
        start.elapsed()
    );
    end
}

/// `bench` with a fault that strikes after so many waits: as late as that it has rows, and the last ones are missing.
/// Gives how many of the two batch sizes were kept, none where it was not struck at all.
fn struck(fixture: &Fixture, adapter: &Adapter, fault: &str, word: &str) -> Option<usize> {
    let path = fixture.path("struck.json");
    let _ = std::fs::remove_file(&path);
    let name = path.to_str().expect("UTF-8");
    let more = ["--format", "json", "--output", name];
    let end = end(&mut bench(fixture, adapter, fault, &more));
    if end.code == Some(0) {
        return None;
    }
    let (text, error) = end.fails_after_output(6);
    has(&error, &[&adapter.name, word]);
    let kept = |text: &str| {
        if text.is_empty() {
            // It came before there was anything to report on.
            return 0;
        }
        let document: Value = serde_json::from_str(text).expect("JSON");
        validate(&document);
        has(document["incomplete"].as_str().expect("why"), &[word]);
        for row in rows(&document) {
            assert_eq!(row["status"], "ok", "{row}");
        }
        rows(&document).len() / 2
    };
    let printed = kept(&text);
    // A file says the same; without any row an older one would be worth more.
    if path.exists() {
        let written = kept(&std::fs::read_to_string(&path).expect("a file"));
        assert_eq!(written, printed, "{fault}");
    }
    Some(printed)
}

/// Tries a fault after more and more waits, until it comes too late. At least once one batch size was kept and the
/// other was not.
fn sweep(adapter: &Adapter, word: &str, fault: impl Fn(u64) -> String) {
    let fixture = Fixture::new();
    let mut found = Vec::new();
    let mut waits = 1;
    while let Some(kept) = struck(&fixture, adapter, &fault(waits), word) {
        found.push(kept);
        waits += waits / 3 + 1;
        assert!(waits < 5_000, "it is never too late: {found:?}");
    }
    assert!(
        found.is_sorted(),
        "a later fault kept fewer rows: {found:?}"
    );
    assert!(found.contains(&0) && found.contains(&1), "{found:?}");
}

pub fn a_lost_device_keeps_the_rows_that_are_finished(adapter: &Adapter) {
    sweep(adapter, "lost", |waits| format!("device-lost:{waits}"));
}

pub fn a_silent_device_is_given_up(adapter: &Adapter) {
    let fixture = Fixture::new();
    let mut found = Vec::new();
    for waits in [1, 30, 60, 90, 120, 150] {
        let fault = format!("no-answer:{waits}:300ms");
        found.extend(struck(
            &fixture,
            adapter,
            &fault,
            "did not respond for 300ms",
        ));
    }
    assert!(found.contains(&0) && found.is_sorted(), "{found:?}");
}

pub fn other_commands_report_a_lost_and_a_silent_device(adapter: &Adapter) {
    for fault in ["device-lost:1", "no-answer:1:300ms"] {
        for arguments in [
            &["predict", "--precision", "int8"][..],
            &["peak", "--min-time", "20ms"],
        ] {
            let mut command = command();
            command.env("FMNIST_GPU_FAULT", fault).args(arguments);
            let error = end(command.args(["--adapter", &adapter.index])).fails(6);
            has(&error, &[&adapter.name, "try"]);
        }
    }
}

/// `peak` with a fault that strikes after so many waits: how many ceilings were measured before, none where it was not
/// struck at all.
fn measured(adapter: &Adapter, fault: &str, word: &str) -> Option<usize> {
    let mut command = command();
    command.args(["peak", "--adapter", &adapter.index, "--min-time", "1ms"]);
    command.args(["--format", "json"]);
    let end = end(command.env("FMNIST_GPU_FAULT", fault));
    if end.code == Some(0) {
        return None;
    }
    let (text, error) = end.fails_after_output(6);
    has(&error, &[&adapter.name, word]);
    if text.is_empty() {
        return Some(0);
    }
    let document: Value = serde_json::from_str(&text).expect("JSON");
    has(document["incomplete"].as_str().expect("why"), &[word]);
    let ceilings = document["ceilings"].as_array().expect("ceilings");
    let of = |status: &str| ceilings.iter().filter(|c| c["status"] == status).count();
    // Matrix units have a device of their own, which is struck too. Where a driver hangs, the end comes first.
    assert!(of("failed") + of("unmeasured") >= 1, "{document:#}");
    Some(of("ok"))
}

pub fn a_lost_or_silent_device_keeps_the_ceilings_that_were_measured(adapter: &Adapter) {
    for (word, fault, time) in [
        ("lost", "device-lost", ""),
        ("did not respond for 300ms", "no-answer", ":300ms"),
    ] {
        let mut kept = Vec::new();
        let mut waits = 2;
        while let Some(ceilings) = measured(adapter, &format!("{fault}:{waits}{time}"), word) {
            kept.push(ceilings);
            waits *= 2;
            assert!(waits < 1 << 20, "it is never too late: {kept:?}");
        }
        assert!(kept.contains(&0) && kept.is_sorted(), "{kept:?}");
        assert!(kept.iter().any(|&kept| kept > 0), "{kept:?}");
    }
}

/// The rows of a result whose status this is; each of them has a detail with these words.
fn of_status<'a>(document: &'a Value, status: &str, words: &[&str]) -> Vec<&'a Value> {
    let all = rows(document).iter().filter(|row| row["status"] == status);
    let all: Vec<&Value> = all.collect();
    for row in all.iter().filter(|_| !words.is_empty()) {
        has(row["detail"].as_str().expect("a detail"), words);
        assert_eq!(row["accuracy"], Value::Null);
        assert_eq!(row["wall_ns"], Value::Null);
    }
    all
}

/// A row without memory fails; the others are measured. What no row is at fault for ends the run.
pub fn a_lack_of_memory_fails_one_row(adapter: &Adapter) {
    let fixture = Fixture::new();
    let (mut failed, mut ended) = (0, 0);
    let mut buffers = 1;
    loop {
        let path = fixture.path("result.json");
        let _ = std::fs::remove_file(&path);
        let fault = format!("out-of-memory-allocation:{buffers}");
        let more = [
            "--format",
            "json",
            "--output",
            path.to_str().expect("UTF-8"),
        ];
        let end = end(&mut bench(&fixture, adapter, &fault, &more));
        buffers += buffers / 2 + 1;
        match end.code {
            Some(0) => break,
            Some(4) => {
                has(&end.stderr, &["FAILED", "out of memory"]);
                let document: Value = serde_json::from_str(&end.stdout).expect("JSON");
                validate(&document);
                let rows = of_status(&document, "failed", &["out of memory", &adapter.name]);
                assert!(!rows.is_empty() && rows.len() <= 2, "{document:#}");
                assert_eq!(of_status(&document, "ok", &[]).len(), 4 - rows.len());
                assert_eq!(document["incomplete"], Value::Null);
                failed += 1;
            }
            _ => {
                has(&end.stderr, &["out of memory", "--batch"]);
                assert_eq!(end.code, Some(6), "{}", end.stderr);
                ended += 1;
            }
        }
        assert!(buffers < 5_000, "it is never too late");
    }
    assert!(failed > 0, "{failed} {ended}");
    let mut command = command();
    command.env("FMNIST_GPU_FAULT", "out-of-memory-upload");
    command.args(["predict", "--adapter", &adapter.index]);
    has(&run(&mut command).fails(6), &["out of memory"]);
}

/// `bench` of the default model where the broadcast kernels compute wrong values in f16.
fn bench_wrong(adapter: &Adapter, more: &[&str]) -> Command {
    let mut command = command();
    command.env("FMNIST_GPU_BREAK", "broadcast-f16");
    command.args(["bench", "--adapter", &adapter.index, "--tune", "off"]);
    command.args(["--runs", "2", "--batch", "1000,64"]);
    command.args(more);
    command
}

/// Whether the adapter runs what [`bench_wrong`] breaks.
fn runs_broadcast_f16(adapter: &Adapter) -> bool {
    adapter.has("subgroup") && adapter.has("shader-f16")
}

/// Named, a wrong kernel's row fails, and the others are measured.
pub fn a_wrong_kernel_fails_only_its_row(adapter: &Adapter) {
    if !runs_broadcast_f16(adapter) {
        return;
    }
    let more = ["--kernel", "broadcast-8x32", "--precision", "f32,f16,int8"];
    let mut command = bench_wrong(adapter, &more);
    let (text, error) = end(command.args(["--format", "json"])).fails_after_output(4);
    let words = [
        "2 of 6 rows FAILED",
        "f16 at batch 1,000",
        "differ from the reference result",
    ];
    has(&error, &words);
    let document: Value = serde_json::from_str(&text).expect("JSON");
    validate(&document);
    let words = ["kernel broadcast-8x32", "differ from the reference result"];
    let failed = of_status(&document, "failed", &words);
    assert!(
        failed.iter().all(|row| row["name"] == "f16"),
        "{document:#}"
    );
    assert_eq!(
        (failed.len(), of_status(&document, "ok", &[]).len()),
        (2, 4)
    );
    assert_eq!(document["incomplete"], Value::Null);
    assert_ne!(document["verdict"]["recommended"]["name"], "f16");
    let (text, _) = end(&mut bench_wrong(adapter, &more)).fails_after_output(4);
    has(
        &text,
        &["FAILED: kernel broadcast-8x32: its outputs differ"],
    );
}

/// Weights that are wrong for every kernel: no other one helps, and the row says what the first one did. f32 fails too,
/// which was not requested, so that it has a row beside the one that could not be compared with it.
pub fn a_row_that_no_kernel_computes_fails(adapter: &Adapter) {
    let mut command = command();
    command.env("FMNIST_GPU_BREAK", "transposed");
    command.args([
        "bench",
        "--adapter",
        &adapter.index,
        "--tune",
        "off",
        "--runs",
        "2",
    ]);
    command.args(["--batch", "64", "--precision", "int8", "--format", "json"]);
    let (text, error) = end(&mut command).fails_after_output(4);
    has(&error, &["2 of 2 rows FAILED"]);
    let document: Value = serde_json::from_str(&text).expect("JSON");
    validate(&document);
    let first = end(command.env_remove("FMNIST_GPU_BREAK")).json();
    let kernel = rows(&first)[0]["effective"]["kernel"]
        .as_str()
        .expect("a kernel");
    let failed = of_status(
        &document,
        "failed",
        &["kernel ", "differ from the reference result"],
    );
    let names: Vec<&Value> = failed.iter().map(|row| &row["name"]).collect();
    assert_eq!(names, ["int8", "f32"]);
    has(failed[0]["detail"].as_str().expect("a detail"), &[kernel]);
    assert_eq!(failed[0]["warnings"], serde_json::json!([]));
}

/// Not named, another kernel takes its place, and a warning says so.
pub fn a_wrong_kernel_is_replaced(adapter: &Adapter) {
    if !runs_broadcast_f16(adapter) {
        return;
    }
    let more = ["--precision", "f32,f16", "--format", "json"];
    let document = end(&mut bench_wrong(adapter, &more)).json();
    validate(&document);
    let mut replaced = 0;
    for row in rows(&document).iter().filter(|row| row["name"] == "f16") {
        assert_eq!(row["status"], "ok", "{row}");
        let kernel = row["effective"]["kernel"].as_str().expect("a kernel");
        assert!(!kernel.starts_with("broadcast"), "{kernel}");
        let warnings = row["warnings"].as_array().expect("warnings").iter();
        let mut warnings = warnings.filter(|warning| warning["kind"] == "kernel-failed");
        if let Some(warning) = warnings.next() {
            has(
                warning["text"].as_str().expect("words"),
                &[kernel, "instead of broadcast"],
            );
            replaced += 1;
        }
    }
    // Software adapters prefer the broadcast kernels.
    assert!(replaced > 0 || adapter.kind != "software", "{document:#}");
}

pub fn a_shader_that_does_not_compile_is_reported(adapter: &Adapter) {
    let fixture = Fixture::new();
    let more = ["--path", "separate", "--scheme", "dynamic-tensor"];
    let end = end(&mut bench(&fixture, adapter, "shader:matmul", &more));
    let (_, error) = end.fails_after_output(4);
    has(
        &error,
        &[
            "4 of 4 rows FAILED",
            "compiling",
            "matmul",
            &adapter.name,
            "--adapter cpu",
        ],
    );
    // Where kernels are chosen by measuring, and none compiles, it is reported once.
    let more = ["--tune", "quick", "--batch", "8", "--precision", "f32"];
    let mut command = bench(&fixture, adapter, "shader:", &more);
    command.env("FMNIST_GPU_CACHE_DIR", fixture.data());
    let (_, error) = run(&mut command).fails_after_output(4);
    has(&error, &["1 of 1 rows FAILED", "compiling", &adapter.name]);
}

pub fn a_kernel_that_does_not_compile_is_skipped(adapter: &Adapter) {
    let fixture = Fixture::new();
    let more = [
        "--tune",
        "full",
        "--batch",
        "8",
        "--precision",
        "f32",
        "--format",
        "json",
    ];
    let mut command = bench(&fixture, adapter, "shader:broadcast", &more);
    command.env("FMNIST_GPU_CACHE_DIR", fixture.data());
    let end = run(&mut command);
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    let document: Value = serde_json::from_str(&end.stdout).expect("JSON");
    validate(&document);
    for row in rows(&document) {
        let kernel = row["effective"]["kernel"].as_str().expect("a kernel");
        assert!(!kernel.starts_with("broadcast"), "{kernel}");
    }
    for line in end.stderr.lines() {
        has(line, &["WARN", "is not timed"]);
    }
}

/// Named, it is an error before anything is allocated; as one of all it is a row that says so.
pub fn a_binding_larger_than_the_adapter_takes_is_reported(adapter: &Adapter) {
    let fixture = Fixture::new();
    let fault = "binding:64";
    let (_, error) = {
        let end = end(&mut bench(&fixture, adapter, fault, &[]));
        end.fails_after_output(6)
    };
    has(
        &error,
        &["layers.0", "bytes", "64", &adapter.name, "--adapter cpu"],
    );
    let mut command = command();
    command.env("FMNIST_GPU_FAULT", fault);
    command.args(["predict", "--adapter", &adapter.index]);
    has(&run(&mut command).fails(6), &["layers.0.weight", "64"]);
    let more = ["--precision", "all", "--format", "json"];
    let document = end(&mut bench(&fixture, adapter, fault, &more)).json();
    validate(&document);
    for row in rows(&document) {
        // What falls back runs on the CPU path.
        let gpu = row["effective"]["device"] != "cpu";
        assert_eq!(row["status"] == "unsupported", gpu, "{row}");
    }
}

/// A cache that cannot be written costs a warning and a tuning; the results are there.
#[cfg(unix)]
pub fn a_full_disk_behind_the_cache_is_a_warning(adapter: &Adapter) {
    let fixture = Fixture::new();
    // No file may grow at all.
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh"]);
    shell.arg(command().get_program());
    for (name, value) in command().get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.env("FMNIST_GPU_CACHE_DIR", fixture.data());
    shell.args([
        "bench",
        "--adapter",
        &adapter.index,
        "--runs",
        "2",
        "--batch",
        "8",
    ]);
    shell.args(["--precision", "f32", "--format", "json"]);
    shell.arg("--data").arg(fixture.data());
    let end = run(shell.arg("--model").arg(fixture.model()));
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    has(
        &end.stderr,
        &[
            "WARN",
            "the tuned kernels could not be saved",
            "kernels.json",
            "too large",
        ],
    );
    // Where transfers are timed, that result is one more that cannot be saved.
    let transfers = |line: &&str| line.contains("timing transfers could not be saved");
    let others = end.stderr.lines().filter(|line| !transfers(line));
    assert_eq!(others.count(), 1, "{}", end.stderr);
    let document: Value = serde_json::from_str(&end.stdout).expect("JSON");
    validate(&document);
    assert_eq!(rows(&document)[0]["status"], "ok");
    assert_eq!(rows(&document)[0]["effective"]["chosen_by"], "measuring");
}

/// Ctrl-C ends a run whose device is silent, long before the program itself would give up.
#[cfg(unix)]
pub fn an_interrupt_ends_a_run_whose_device_is_silent(adapter: &Adapter) {
    let fixture = Fixture::new();
    let child = bench(&fixture, adapter, "no-answer:1:1h", &[])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn();
    let mut child = child.expect("the binary");
    std::thread::sleep(Duration::from_secs(2));
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status();
    assert!(sent.expect("kill").success());
    let start = Instant::now();
    while child.try_wait().expect("a child").is_none() {
        if start.elapsed() > BOUND {
            child.kill().expect("an end");
            panic!("it does not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output().expect("an end");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert_eq!(stderr.trim(), "interrupted");
}
