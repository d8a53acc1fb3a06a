//! `scripts/check-gpu` on an invented GPU: one stand-in plays every executable that it runs, so that its results, its
//! failures and its hangs are known. The script needs python3; where there is none, these tests are ignored visibly.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use libtest_mimic::{Arguments, Completion, Trial};
use serde_json::Value;
use tempfile::TempDir;

/// The executables of a packed folder.
const EXECUTABLES: [&str; 7] = [
    "fmnist-gpu",
    "test-kernels",
    "test-networks",
    "test-peak",
    "test-soak",
    "test-cli_gpu",
    "bench-kernels",
];

/// The files of a record with all sizes.
const RESULTS: [&str; 14] = [
    "bench-784-64-10.json",
    "bench-784-64-10.txt",
    "bench-784-1024-1024-10.json",
    "bench-784-1024-1024-10.txt",
    "bench-784-4096-4096-10.json",
    "bench-784-4096-4096-10.txt",
    "burn.json",
    "kernels-1024.json",
    "kernels-4096.json",
    "machine.json",
    "peak.json",
    "pytorch.json",
    "tests.txt",
    "verify.json",
];

const TESTS: [(&str, fn()); 9] = [
    ("a-check-has-every-result", a_check_has_every_result),
    ("every-target-is-judged", every_target_is_judged),
    ("a-step-that-fails-is-named", a_step_that_fails_is_named),
    (
        "a-case-of-burn-that-fails-loses-no-other",
        a_case_of_burn_that_fails_loses_no_other,
    ),
    (
        "a-step-over-its-time-is-ended",
        a_step_over_its_time_is_ended,
    ),
    (
        "a-missing-executable-is-named",
        a_missing_executable_is_named,
    ),
    ("no-adapter-is-an-error", no_adapter_is_an_error),
    ("a-record-is-not-overwritten", a_record_is_not_overwritten),
    (
        "a-packed-folder-has-the-newest-executables",
        a_packed_folder_has_the_newest_executables,
    ),
];

fn main() {
    let python = Command::new("python3").arg("--version").output().is_ok();
    let trials = TESTS.map(|(name, test)| {
        Trial::ignorable_test(name, move || {
            if !python || cfg!(windows) {
                let reason = "check-gpu needs python3, on Linux or macOS";
                return Ok(Completion::ignored_with(reason));
            }
            test();
            Ok(Completion::Completed)
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit();
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn stand_in(path: &Path) {
    let source = root().join("tests/fixtures/check_gpu_stand_in.py");
    fs::copy(source, path).expect("a copied stand-in");
}

/// A packed folder with stand-ins, PyTorch included and burn not.
fn packed() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).expect("a folder");
    for name in EXECUTABLES {
        stand_in(&bin.join(name));
    }
    stand_in(&folder.path().join("pytorch_peer.py"));
    for name in ["check-gpu", "gpu_summary.py", "recording.py"] {
        fs::copy(root().join("scripts").join(name), folder.path().join(name)).expect("a script");
    }
    folder
}

/// A check by the script of a packed folder. The variables tell the stand-ins what to do.
fn check(folder: &TempDir, variables: &[(&str, &str)]) -> Output {
    // As in the background of a shell, where SIGINT is ignored. By the interpreter: another thread may hold a file just
    // written, and then the system refuses to run it.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' INT; exec python3 \"$@\"", "sh"]);
    command.arg(folder.path().join("check-gpu"));
    command.envs(variables.iter().copied());
    command.args(["--minutes", "0.6", "--output"]);
    command.arg(record(folder)).output().expect("it starts")
}

fn record(folder: &TempDir) -> PathBuf {
    folder.path().join("record")
}

fn read(folder: &TempDir, name: &str) -> String {
    let path = record(folder).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Fails, with all that the script printed, where it did not end with this exit code.
#[track_caller]
fn ends(output: &Output, code: i32) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{stdout}\n{stderr}");
}

#[track_caller]
fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no '{part}' in\n{text}");
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// The status of each step.
fn statuses(folder: &TempDir) -> Vec<(String, String)> {
    let machine: Value = serde_json::from_str(&read(folder, "machine.json")).expect("JSON");
    let steps = machine["steps"].as_array().expect("steps").iter();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    steps
        .map(|step| (text(&step["name"]), text(&step["status"])))
        .collect()
}

/// What becomes of a step where nothing is wrong, and burn is not built.
fn usual(step: &str) -> &'static str {
    if step == "burn" { "skipped" } else { "ok" }
}

fn a_check_has_every_result() {
    let folder = packed();
    stand_in(&folder.path().join("bin/burn-peer"));
    ends(&check(&folder, &[]), 0);
    let mut files: Vec<String> = fs::read_dir(record(&folder))
        .expect("the record")
        .map(|entry| entry.expect("an entry").file_name().display().to_string())
        .collect();
    files.sort();
    let mut expected = RESULTS.map(str::to_owned).to_vec();
    expected.push("summary.md".to_owned());
    expected.sort();
    assert_eq!(files, expected);
    for name in RESULTS.into_iter().filter(|name| name.ends_with(".json")) {
        let result: Result<Value, _> = serde_json::from_str(&read(&folder, name));
        assert!(result.is_ok(), "{name}: {result:?}");
    }
    for (step, status) in statuses(&folder) {
        assert_eq!(status, "ok", "{step}");
    }
    let summary = read(&folder, "summary.md");
    has(
        &summary,
        &[
            "# GPU check: Invented GPU,",
            "- verify: 1 passed, 0 failed, 1 skipped",
            "- tests: 10 passed, 0 failed",
            "| f16-matrix | 100 TOP/s |",
            "| 10,000 | f16 | invented-8x8 | 90 µs | 45 µs | 700 µs | 95 µs | 30 µs | 123 µs |",
        ],
    );
    // Tests run on this adapter alone.
    has(
        &read(&folder, "tests.txt"),
        &[
            "test-kernels vulkan-3-invented/trusted",
            "test-cli_gpu vulkan-3/",
        ],
    );
}

fn every_target_is_judged() {
    let folder = packed();
    ends(&check(&folder, &[]), 0);
    let summary = read(&folder, "summary.md");
    let targets = summary.split("## Targets").nth(1).expect("targets");
    let targets = targets.split("\n## ").next().expect("their table");
    let mut expected = vec![
        "| kernels alone, 4096³, f32 | ≥ 54% of the ceiling | 54.0% (5.4 TOP/s, `invented.f32`) | met |".to_owned(),
        "| kernels alone, 4096³, f16 on matrix units | ≥ 38% of the ceiling | 30.0% (30 TOP/s, `invented.f16`) | missed |".to_owned(),
        "| kernels alone, 4096³, int8 | ≥ 65% of the ceiling | no kernel was timed: far slower than the best one | not measured |".to_owned(),
        "| 784-64-10, batch 10,000, f32: kernels | ≤ 60 µs | 70 µs | missed |".to_owned(),
        "| 784-64-10, batch 10,000, f16: kernels | ≤ 60 µs | 45 µs | met |".to_owned(),
        "| 784-64-10, batch 10,000, int8: kernels | ≤ 60 µs | 50 µs | met |".to_owned(),
        "| 784-64-10, batch 32, f32: wall | ≤ 60 µs | 100 µs | missed |".to_owned(),
        "| 784-64-10, batch 32, f16: wall | ≤ 60 µs | 90 µs | missed |".to_owned(),
        "| 784-64-10, batch 32, int8: wall | ≤ 60 µs | failed: an invented difference | not measured |".to_owned(),
        "| 784-64-10, batch 1, f32: wall | ≤ 60 µs | 50 µs | met |".to_owned(),
        "| 784-64-10, batch 1, f16: wall | ≤ 60 µs | 90 µs | missed |".to_owned(),
        "| 784-64-10, batch 1, int8: wall | ≤ 60 µs | 50 µs | met |".to_owned(),
        "| upload of 10,000 images | ≤ 700 µs | 700 µs | met |".to_owned(),
    ];
    for network in ["784-1024-1024-10", "784-4096-4096-10"] {
        for batch in ["10,000", "1,000"] {
            expected.push(format!("| {network}, batch {batch}, f32 | ≤ 1.5× PyTorch's graph | 1.67× (100 µs, PyTorch 60 µs) | missed |"));
            expected.push(format!("| {network}, batch {batch}, f16 | ≤ 3× PyTorch's graph | 3.00× (90 µs, PyTorch 30 µs) | met |"));
        }
    }
    for (batch, ours, times, verdict) in [
        ("10,000", "100 µs", "1.05", "missed"),
        ("1,000", "100 µs", "1.05", "missed"),
        ("32", "100 µs", "1.05", "missed"),
        ("1", "50 µs", "0.53", "met"),
    ] {
        expected.push(format!("| 784-64-10, batch {batch}, f32 | below PyTorch eager | {times}× ({ours}, PyTorch 95 µs) | {verdict} |"));
        expected.push(format!("| 784-64-10, batch {batch}, f16 | below PyTorch eager | 0.95× (90 µs, PyTorch 95 µs) | met |"));
    }
    for line in &expected {
        has(targets, &[line]);
    }
    // The header and the rule under it are lines too.
    let rows = targets.lines().filter(|line| line.starts_with('|')).count();
    assert_eq!(rows, expected.len() + 2);
    let count = |verdict: &str| {
        expected
            .iter()
            .filter(|line| line.ends_with(verdict))
            .count()
    };
    let (met, missed) = (count("| met |"), count("| missed |"));
    let line = format!("- targets: {met} met, {missed} missed, 2 not measured");
    has(&summary, &[&line]);
}

fn a_step_that_fails_is_named() {
    for (fails, step) in [
        ("verify", "verify"),
        ("bench 784-4096-4096-10", "bench 784-4096-4096-10"),
        ("test-networks", "tests networks"),
        ("pytorch_peer.py", "pytorch"),
    ] {
        let folder = packed();
        let output = check(&folder, &[("STAND_IN_FAILS", fails)]);
        ends(&output, 1);
        let named = format!("- steps failed: {step}\n");
        let failed = "failed: exit code 4: error: invented failure";
        has(&read(&folder, "summary.md"), &[&named, failed]);
        has(&String::from_utf8_lossy(&output.stdout), &[&named]);
        has(&read(&folder, "machine.json"), &["more about it"]);
        for (name, status) in statuses(&folder) {
            let expected = if name == step { "failed" } else { usual(&name) };
            assert_eq!(status, expected, "{name}");
        }
    }
}

/// Not every adapter runs f16.
fn a_case_of_burn_that_fails_loses_no_other() {
    for (fails, code, status, detail) in [
        ("burn-peer f16", 0, "ok", "ok: 12 of 24 rows"),
        (
            "burn-peer",
            1,
            "failed",
            "failed: 0 of 24 rows: error: invented failure",
        ),
    ] {
        let folder = packed();
        stand_in(&folder.path().join("bin/burn-peer"));
        ends(&check(&folder, &[("STAND_IN_FAILS", fails)]), code);
        let burn = statuses(&folder)
            .into_iter()
            .find(|(step, _)| step == "burn");
        assert_eq!(burn.expect("a step").1, status, "{fails}");
        has(&read(&folder, "summary.md"), &[detail]);
        has(&read(&folder, "burn.json"), &["invented failure"]);
    }
}

fn a_step_over_its_time_is_ended() {
    let folder = packed();
    ends(&check(&folder, &[("STAND_IN_HANGS", "peak")]), 0);
    let named = "- steps out of time: peak\n";
    has(&read(&folder, "summary.md"), &[named]);
    for (name, status) in statuses(&folder) {
        let expected = if name == "peak" {
            "out of time"
        } else {
            usual(&name)
        };
        assert_eq!(status, expected, "{name}");
    }
}

fn a_missing_executable_is_named() {
    let folder = packed();
    fs::remove_file(folder.path().join("bin/test-networks")).expect("it was there");
    let output = check(&folder, &[]);
    ends(&output, 2);
    has(
        &stderr(&output),
        &["test-networks is missing in", "Pack the folder again."],
    );
    assert!(!record(&folder).exists());
    // In a checkout, the command that builds it is named.
    let mut command = Command::new(root().join("scripts/check-gpu"));
    let output = command.arg("--target").arg(folder.path()).output();
    let output = output.expect("it starts");
    ends(&output, 2);
    has(
        &stderr(&output),
        &[
            "fmnist-gpu is missing in",
            "cargo build --release --all-targets",
        ],
    );
}

fn no_adapter_is_an_error() {
    let folder = packed();
    let output = check(&folder, &[("STAND_IN_ADAPTER", "none")]);
    ends(&output, 2);
    has(&stderr(&output), &["not a GPU", "fmnist-gpu adapters"]);
    assert!(!record(&folder).exists());
}

fn a_record_is_not_overwritten() {
    let folder = packed();
    fs::create_dir(record(&folder)).expect("a folder");
    let output = check(&folder, &[]);
    ends(&output, 2);
    has(&stderr(&output), &["exists already", "--output"]);
}

/// A test and a bench are both called kernels, and cargo leaves older ones beside them.
fn a_packed_folder_has_the_newest_executables() {
    let folder = tempfile::tempdir().expect("a folder");
    let deps = folder.path().join("release/deps");
    fs::create_dir_all(&deps).expect("a folder");
    stand_in(&folder.path().join("release/fmnist-gpu"));
    for name in ["networks", "peak", "soak", "cli_gpu"] {
        stand_in(&deps.join(format!("{name}-aaaaaaaaaaaaaaaa")));
    }
    let make = |hash: &str, age: u64, remark: &str| {
        let path = deps.join(format!("kernels-{hash}"));
        stand_in(&path);
        let text = fs::read_to_string(&path).expect("the stand-in") + remark;
        fs::write(&path, text).expect("a written file");
        let file = fs::File::options().append(true).open(&path);
        let time = std::time::SystemTime::now() - Duration::from_secs(age);
        file.and_then(|file| file.set_modified(time))
            .expect("a time");
    };
    make("aaaaaaaaaaaaaaaa", 20, "# the newer test\n");
    make("cccccccccccccccc", 30, "# the older test\n");
    make("bbbbbbbbbbbbbbbb", 10, "# the bench\n");
    let target = folder.path().join("pack");
    let mut command = Command::new(root().join("scripts/check-gpu"));
    command.arg("--target").arg(folder.path());
    let output = command.arg("--pack").arg(&target).output();
    ends(&output.expect("it starts"), 0);
    let text = |name: &str| fs::read_to_string(target.join("bin").join(name)).expect(name);
    has(&text("test-kernels"), &["# the newer test"]);
    has(&text("bench-kernels"), &["# the bench"]);
    for name in EXECUTABLES {
        assert!(target.join("bin").join(name).exists(), "{name}");
    }
    for name in [
        "check-gpu",
        "gpu_summary.py",
        "recording.py",
        "pytorch_peer.py",
    ] {
        assert!(target.join(name).exists(), "{name}");
    }
}
