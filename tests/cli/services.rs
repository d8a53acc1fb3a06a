//! The formats of `bench` for CI services: annotations of GitHub, and JUnit XML.

use crate::html::{Element, parse};
use crate::support::{Fixture, has};

const GATE: [&str; 3] = ["--gate", "--max-latency", "1ns"];

/// The elements of this name.
fn named<'a>(elements: &'a [Element], name: &str) -> Vec<&'a Element> {
    elements.iter().filter(|one| one.name == name).collect()
}

/// The elements of JUnit XML, behind its declaration.
fn junit(text: &str) -> Vec<Element> {
    let declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
    let text = text.strip_prefix(declaration).expect("a declaration");
    // The reader of pages wants the beginning of one.
    parse(&format!("<!DOCTYPE html>{text}"))
}

#[test]
fn junit_has_a_test_for_each_row_and_each_gate() {
    let fixture = Fixture::new();
    let arguments = ["--adapter", "cpu", "--batch", "8,1", "--format", "junit"];
    let text = fixture.bench(&arguments).good();
    let elements = junit(&text);
    let cases = named(&elements, "testcase");
    assert_eq!(cases.len(), 8, "{text}");
    assert!(
        cases
            .iter()
            .any(|case| case.get("name") == Some("f16 at batch 1"))
    );
    for case in &cases {
        let seconds: f64 = case.get("time").expect("a time").parse().expect("a number");
        assert!(seconds > 0.0 && seconds < 10.0, "{seconds}");
    }
    let suite = named(&elements, "testsuite")[0];
    assert_eq!(
        (suite.get("tests"), suite.get("failures")),
        (Some("8"), Some("0"))
    );
    assert!(named(&elements, "failure").is_empty());

    let (text, _) = fixture
        .bench(&[&arguments[..], &GATE].concat())
        .fails_after_output(4);
    let elements = junit(&text);
    let suite = named(&elements, "testsuite")[0];
    assert_eq!(
        (suite.get("tests"), suite.get("failures")),
        (Some("9"), Some("1"))
    );
    let failures = named(&elements, "failure");
    has(
        failures[0].get("message").expect("a message"),
        &["--max-latency", "1.00 ns"],
    );
    let verdict = named(&elements, "property");
    assert!(verdict.iter().any(|one| one.get("name") == Some("verdict")));
}

#[test]
fn an_xml_file_is_junit_and_a_row_out_of_range_is_a_failure() {
    use crate::support::overflowing;
    use fmnist_gpu::model::Activation;

    let fixture = Fixture::new();
    let model = fixture.save("wide.safetensors", &overflowing(70_000.0, Activation::Relu));
    let path = fixture.path("r.xml");
    let mut command = crate::support::command();
    command.args([
        "bench",
        "--adapter",
        "cpu",
        "--batch",
        "8",
        "--runs",
        "3",
        "--data",
    ]);
    command.arg(fixture.data()).arg("--model").arg(model);
    crate::support::run(command.arg("--output").arg(&path)).fails_after_output(4);
    let text = std::fs::read_to_string(&path).expect("a file");
    let elements = junit(&text);
    let failures = named(&elements, "failure");
    assert_eq!(failures.len(), 1, "{text}");
    has(
        failures[0].get("message").expect("a message"),
        &["layers.0"],
    );
}

#[test]
fn github_gets_the_text_with_annotations() {
    let fixture = Fixture::new();
    let arguments = ["--adapter", "cpu", "--batch", "8", "--format", "github"];
    let text = fixture.bench(&arguments).good();
    has(
        &text,
        &[
            "precision",
            "end to end",
            "\n::notice title=fmnist-gpu bench::",
        ],
    );
    assert!(!text.contains("::error"), "{text}");
    let (text, _) = fixture
        .bench(&[&arguments[..], &GATE].concat())
        .fails_after_output(4);
    let error = text.lines().find(|line| line.starts_with("::error"));
    has(
        error.expect("an annotation"),
        &["::error title=--gate::", "--max-latency"],
    );
    // A command is one line.
    let commands = text.lines().filter(|line| line.starts_with("::"));
    assert!(commands.clone().count() >= 2, "{text}");
    let ended = text.trim_end().lines().last().expect("a line");
    assert!(ended.starts_with("::"), "{ended}");
}
