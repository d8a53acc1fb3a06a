//! A result as JUnit XML, which CI services show as tests: a test for each row, and one for each gate.

use maud::{Markup, PreEscaped, html};

use super::document::Document;
use crate::printable::printable;
use crate::results::{Row, Status};

/// The document as XML.
pub(super) fn xml(document: &Document) -> String {
    let rows = &document.results;
    let count = |status: &[Status]| {
        rows.iter()
            .filter(|row| status.contains(&row.status))
            .count()
    };
    let failed_gates = document
        .gates
        .iter()
        .filter(|gate| gate.failure.is_some())
        .count();
    let shortfall = document.shortfall();
    let errors = usize::from(shortfall.is_some());
    let tests = rows.len() + document.gates.len() + errors;
    let failures = count(&[Status::Failed, Status::Overflow]) + failed_gates;
    let skipped = count(&[Status::Unsupported]);
    let name = "fmnist-gpu bench";
    let xml = html! {
        (PreEscaped("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"))
        testsuites name=(name) tests=(tests) failures=(failures) errors=(errors) {
            testsuite name=(name) tests=(tests) failures=(failures) skipped=(skipped) errors=(errors) timestamp=(timestamp(document)) {
                properties {
                    property name="command" value=(printable(&document.command)) {}
                    property name="verdict" value=(document.verdict.sentence) {}
                    @for detail in &document.verdict.details { property name="verdict" value=(detail) {} }
                }
                // A run that ended early is no success, whatever its rows say.
                @if let Some(shortfall) = &shortfall {
                    testcase classname="run" name="complete" { error message=(shortfall) {} }
                }
                @for row in rows { (test_of(document, row)) }
                @for gate in &document.gates {
                    testcase classname="gate" name=(gate.name) {
                        @if let Some(failure) = &gate.failure { failure message=(failure) {} }
                    }
                }
            }
        }
    };
    xml.into_string() + "\n"
}

/// When the run was, as the format wants it: without a zone.
fn timestamp(document: &Document) -> &str {
    document.tool.date.trim_end_matches('Z')
}

/// A row as a test that takes as long as one batch, end to end.
fn test_of(document: &Document, row: &Row) -> Markup {
    let name = document.row_place(row);
    let seconds = row
        .end_to_end_ns
        .map(|time| format!("{:.9}", time as f64 / 1e9));
    let detail = row.detail.as_deref().unwrap_or("no reason is known");
    html! {
        testcase classname="row" name=(name) time=[seconds] {
            @match row.status {
                Status::Ok => {}
                Status::Unsupported => { skipped message=(detail) {} }
                Status::Overflow | Status::Failed => { failure message=(detail) {} }
            }
        }
    }
}
