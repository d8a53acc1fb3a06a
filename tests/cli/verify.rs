//! `verify` on the CPU path: what it says, that it can fail, and how numerics reports are compared. On adapters it is
//! tried in tests/cli_gpu.

use serde_json::{Value, json};

use crate::support::{closed_verify_schema, command, has, rows, run, validate_with};

/// The sums alone, which are quick.
const SUMS: [&str; 5] = ["verify", "--adapter", "cpu", "--only", "sums/"];

fn document() -> Value {
    run(command().args(SUMS).args(["--format", "json"])).json()
}

#[test]
fn the_processor_is_as_the_schema_says() {
    let document = document();
    validate_with(&closed_verify_schema(), &document);
    assert_eq!(document["failed"], 0);
    assert_eq!(document["adapter"]["kind"], "cpu");
    let passed = document["passed"].as_u64().expect("a number");
    let skipped = document["skipped"].as_u64().expect("a number");
    assert!(passed >= 1, "{passed}");
    // One for each instruction set, whether it is there or not.
    assert_eq!(passed + skipped, 4);
    assert_eq!(document["checks"], passed);
    assert!(document["incomplete"].is_null());
    assert!(document["seconds"].as_f64().is_some_and(|took| took > 0.0));
    for row in document["results"].as_array().expect("rows") {
        assert_eq!(row["status"] == "skipped", row["detail"].is_string());
    }
    let observations = &document["numerics"]["observations"];
    assert_eq!(observations["f32_to_f16_conversion"], "nearest-even");
    assert_eq!(observations["f32_to_f16_pack2x16float"], Value::Null);
    let reasons = &document["numerics"]["not_applicable"];
    has(
        reasons["f32_to_f16_pack2x16float"].as_str().expect("why"),
        &["no shaders"],
    );
}

#[test]
fn the_schema_refuses_what_it_should() {
    let document = document();
    let validator = closed_verify_schema();
    let refuses = |at: &str, value: Value| {
        let mut spoilt = document.clone();
        *spoilt.pointer_mut(at).expect(at) = value;
        assert!(!validator.is_valid(&spoilt), "{at}");
    };
    refuses("/schema", json!(1));
    refuses("/failed", json!(-1));
    refuses("/int8_sums_sha256", json!("0"));
    refuses("/broken_on_purpose", json!("something"));
    // Which instruction sets are skipped is the processor's.
    let passed = rows(&document)
        .iter()
        .position(|row| row["status"] == "passed");
    let row = format!("/results/{}", passed.expect("portable runs everywhere"));
    refuses(&format!("{row}/status"), json!("well"));
    refuses(&format!("{row}/detail"), json!("passed, but"));
    refuses(&format!("{row}/tolerance"), json!(""));
    refuses("/numerics/observations/fma", json!("never"));
    refuses("/numerics/observations/exp_ulps", json!(-0.5));
    let mut spoilt = document.clone();
    spoilt["more"] = json!(1);
    assert!(!validator.is_valid(&spoilt));
}

#[test]
fn every_network_of_an_instruction_set_passes() {
    let only = ["verify", "--adapter", "cpu", "--only", "33-31-7-5 portable"];
    let document = run(command().args(only).args(["--format", "json"])).json();
    assert_eq!(document["failed"], 0, "{document:#}");
    let rows = document["results"].as_array().expect("rows");
    // Five precisions, four kinds of int8 and four of mixed networks.
    assert_eq!(rows.len(), 13);
    for row in rows {
        assert_eq!(
            (&row["group"], &row["repeats"]),
            (&json!("networks"), &json!(20))
        );
        assert!(
            row["largest_error"].as_f64().expect("an error") < 0.1,
            "{row}"
        );
    }
}

#[test]
fn every_format_says_what_it_comes_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name);
    let mut command = command();
    command.args(SUMS).arg("--output").arg(file("v.json"));
    let text = run(command.arg("--output").arg(file("v.md"))).good();
    has(
        &text,
        &[
            "Adapter:",
            "sums",
            "Allowed differences, and why",
            "f32_to_f16_conversion",
            "Passed: ",
        ],
    );
    assert_eq!(text.lines().find(|line| line.chars().count() > 120), None);
    let read = |name: &str| std::fs::read_to_string(file(name)).expect("a file");
    has(&read("v.md"), &["| sums", "| numerics"]);
    let document: Value = serde_json::from_str(&read("v.json")).expect("JSON");
    validate_with(&closed_verify_schema(), &document);
    let csv = run(crate::support::command()
        .args(SUMS)
        .args(["--format", "csv"]))
    .good();
    has(&csv, &["group,name,precision,mode,status"]);
}

#[test]
fn numerics_reports_are_compared_by_name_and_differences_are_no_failure() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("before.json");
    let mut before = document();
    let compare = |before: &Value, format: &str| {
        std::fs::write(&path, before.to_string()).expect("a written file");
        let mut command = command();
        command.args(SUMS).arg("--compare").arg(&path);
        run(command.args(["--format", format]))
    };
    let same = compare(&before, "json").json();
    validate_with(&closed_verify_schema(), &same);
    assert_eq!(same["compared"]["differences"], json!([]));
    // Not every processor has it.
    let now = before["numerics"]["observations"]["fma"].clone();
    let was = ["fused", "separate"].into_iter().find(|word| now != *word);
    let was = was.expect("another one");
    before["numerics"]["observations"]["fma"] = json!(was);
    before["adapter"]["driver"] = json!("an older one");
    let other = compare(&before, "json").json();
    validate_with(&closed_verify_schema(), &other);
    assert_eq!(
        other["compared"]["differences"],
        json!([{ "name": "fma", "before": was, "now": now }])
    );
    let text = compare(&before, "table").good();
    has(
        &text,
        &[
            "an older one",
            &format!("fma: {was} before, {} now", now.as_str().expect("a word")),
            "not a failure",
        ],
    );
}

/// Not every processor does the same, so only the report's own differences are expected.
#[test]
fn a_result_of_schema_1_can_be_compared() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/schema-1-verify.json"
    );
    let text = std::fs::read_to_string(path).expect("the fixture");
    let first: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(first["schema"], 1);
    let mut command = command();
    let arguments = ["--compare", path, "--format", "json"];
    let document = run(command.args(SUMS).args(arguments)).json();
    validate_with(&closed_verify_schema(), &document);
    let compared = &document["compared"];
    assert_eq!(compared["driver"], first["adapter"]["driver"]);
    for difference in compared["differences"].as_array().expect("differences") {
        let name = difference["name"].as_str().expect("a name");
        let before = &first["passport"]["observations"][name];
        assert_eq!(&difference["before"], before, "{name}");
        assert_ne!(difference["before"], difference["now"], "{name}");
    }
}

/// An earlier result may come from anywhere: it neither steers the terminal nor takes all memory.
#[test]
fn an_earlier_result_is_read_with_care() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("before.json");
    let refused = |path: &std::path::Path, parts: &[&str]| {
        let mut command = command();
        command.args(SUMS).arg("--compare").arg(path);
        let error = run(&mut command).fails(7);
        has(&error, parts);
        assert!(
            !error.contains('\u{1b}') && error.len() < 1_000,
            "{error:?}"
        );
    };
    let good = document();
    for (at, what) in [
        ("/adapter/name", json!("\u{1b}[2J")),
        ("/adapter/driver", json!("\u{202e}")),
        ("/numerics/observations/fma", json!("\u{1b}]0;x\u{7}")),
        ("/numerics/observations/exp_ulps", json!([[1.0]])),
        ("/numerics/observations", json!(7)),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(at).expect(at) = what;
        std::fs::write(&path, bad.to_string()).expect("a written file");
        refused(&path, &["before.json", "verify --format json", "line 1"]);
    }
    let mut later = good.clone();
    later["schema"] = json!(3);
    std::fs::write(&path, later.to_string()).expect("a written file");
    refused(&path, &["schema is 3; this program reads 1 and 2"]);
    std::fs::write(&path, " ".repeat(5 << 20)).expect("a written file");
    refused(&path, &["bytes, more than"]);
    if cfg!(unix) {
        refused("/dev/zero".as_ref(), &["not a regular file"]);
    }
    // What a later version sees besides is no reason to refuse it.
    let mut more = good;
    more["numerics"]["observations"]["later"] = json!({ "more": [1] });
    std::fs::write(&path, more.to_string()).expect("a written file");
    let mut command = command();
    let compared = run(command.args(SUMS).arg("--compare").arg(&path));
    has(&compared.good(), &["the numerics reports are the same"]);
}

#[test]
fn what_there_is_no_time_for_is_skipped_and_counted() {
    let mut command = command();
    command.args(["verify", "--adapter", "cpu", "--max-time", "0s"]);
    let ended = run(command.args(["--format", "json"]));
    let (text, error) = ended.fails_after_output(3);
    has(&error, &["nothing was checked", "--max-time 0s"]);
    let document: Value = serde_json::from_str(&text).expect("JSON");
    validate_with(&closed_verify_schema(), &document);
    let rows = rows(&document);
    assert_eq!(document["skipped"], rows.len());
    assert!(rows.len() > 20 && rows.iter().all(|row| row["status"] == "skipped"));
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let fails = |arguments: &[&str], code| {
        let mut command = command();
        run(command.args(["verify", "--adapter", "cpu"]).args(arguments)).fails(code)
    };
    has(&fails(&["--only", "no such check"], 2), &["no such check"]);
    has(&fails(&["--kernel", "portable"], 2), &["--only"]);
    has(&fails(&["--format", "html"], 2), &["no html"]);
    has(&fails(&["--output", "v.html"], 2), &["no html"]);
    has(
        &fails(&["--compare", "no-such-file.json"], 7),
        &["no-such-file.json"],
    );
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bad.json");
    std::fs::write(&path, "{}").expect("a written file");
    let bad = path.to_str().expect("a name");
    has(&fails(&["--compare", bad], 7), &["verify --format json"]);
}

#[test]
#[cfg_attr(
    not(feature = "fault-injection"),
    ignore = "needs --features fault-injection"
)]
fn what_cannot_be_broken_is_refused() {
    for (broken, part) in [("bit", "the CPU path"), ("teeth", "use tile-edge")] {
        let mut command = command();
        command.env("FMNIST_GPU_BREAK", broken);
        has(
            &run(command.args(SUMS)).fails(2),
            &["FMNIST_GPU_BREAK", part],
        );
    }
}
