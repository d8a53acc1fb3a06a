//! `verify` where its device goes away, is silent or has no memory: the checks that were made are kept, and say that
//! they are not all.

use std::path::Path;

use serde_json::Value;

use crate::Adapter;
use crate::support::{Ended, closed_verify_schema, command, has, rows, run, validate_with};

/// A network in every mode: a dozen checks.
const ONLY: &str = "33-31-7-5 by default";

fn verify(adapter: &Adapter, fault: &str, output: &Path) -> Ended {
    let mut command = command();
    command.args(["verify", "--adapter", &adapter.index, "--only", ONLY]);
    command.args(["--format", "json", "--output"]).arg(output);
    run(command.env("FMNIST_GPU_FAULT", fault))
}

fn document(text: &str) -> Value {
    let document: Value = serde_json::from_str(text).expect("JSON");
    validate_with(&closed_verify_schema(), &document);
    document
}

/// A fault after so many waits: how many checks were kept, on standard output as in the file; none where the fault
/// came too late to strike.
fn struck(adapter: &Adapter, fault: &str, word: &str) -> Option<usize> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("struck.json");
    let ended = verify(adapter, fault, &path);
    if ended.code == Some(0) {
        return None;
    }
    let (text, error) = ended.fails_after_output(6);
    has(&error, &[&adapter.name, word]);
    if text.is_empty() {
        assert!(!path.exists(), "a file without any check");
        return Some(0);
    }
    let document = document(&text);
    has(document["incomplete"].as_str().expect("why"), &[word]);
    for row in rows(&document) {
        assert_ne!(row["status"], "failed", "{row}");
    }
    assert_eq!(std::fs::read_to_string(&path).expect("a file"), text);
    Some(rows(&document).len())
}

/// Tries a fault after more and more waits, until it comes too late. At least once some checks were kept.
fn sweep(adapter: &Adapter, word: &str, fault: impl Fn(u64) -> String) {
    let mut found = Vec::new();
    let mut waits = 1;
    while let Some(kept) = struck(adapter, &fault(waits), word) {
        found.push(kept);
        waits *= 4;
        assert!(waits < 1 << 20, "it is never too late: {found:?}");
    }
    assert!(found.is_sorted() && found[0] == 0, "{found:?}");
    assert!(found.iter().any(|&kept| kept > 0), "{found:?}");
}

pub fn a_lost_device_keeps_the_checks_that_were_made(adapter: &Adapter) {
    sweep(adapter, "lost", |waits| format!("device-lost:{waits}"));
}

pub fn a_silent_device_keeps_the_checks_that_were_made(adapter: &Adapter) {
    sweep(adapter, "did not respond for 300ms", |waits| {
        format!("no-answer:{waits}:300ms")
    });
}

/// One check has no memory: it has failed, and the others go on.
pub fn a_check_without_memory_leaves_the_others(adapter: &Adapter) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("memory.json");
    let fault = "out-of-memory-allocation:20";
    let (text, error) = verify(adapter, fault, &path).fails_after_output(4);
    has(&error, &["1 of ", "checks failed", "out of memory"]);
    let document = document(&text);
    assert!(document["incomplete"].is_null());
    assert_eq!(document["failed"], 1);
    assert!(document["passed"].as_u64() >= Some(2), "{document:#}");
    let failed = |row: &&Value| row["status"] == "failed";
    let row = rows(&document).iter().find(failed).expect("a failed check");
    has(row["detail"].as_str().expect("why"), &["out of memory"]);
}
