//! A result for a job of GitHub Actions: the text, and an annotation for what a reviewer must see.
//!
//! Annotations are workflow commands on standard output (GitHub, Workflow commands for GitHub Actions:
//! `::error title={title}::{message}`), which the service takes out of the log and shows beside the pull request.

use std::fmt::Write;

use super::document::Document;
use super::layout::{Detail, Layout, Screen};
use super::text;
use crate::results::Status;

/// The text, then the annotations.
pub(super) fn annotated(document: &Document, detail: Detail) -> String {
    let mut all = text::document(document, Layout::Terminal(Screen::PLAIN), detail);
    all.push('\n');
    let mut annotate = |kind: &str, title: &str, message: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(all, "::{kind} title={}::{}", property(title), data(message));
    };
    let verdict = &document.verdict;
    let mut answer = vec![verdict.sentence.clone()];
    answer.extend(verdict.details.iter().cloned());
    annotate("notice", "fmnist-gpu bench", &answer.join("\n"));
    if let Some(shortfall) = document.shortfall() {
        annotate("error", "incomplete", &shortfall);
    }
    for row in &document.results {
        let name = document.row_place(row);
        let detail = row.detail.as_deref().unwrap_or("no reason is known");
        match row.status {
            Status::Ok => {}
            Status::Unsupported => annotate("notice", &format!("{name} did not run"), detail),
            Status::Overflow => annotate("error", &format!("{name} is out of range"), detail),
            Status::Failed => annotate("error", &format!("{name} failed"), detail),
        }
    }
    for gate in &document.gates {
        if let Some(failure) = &gate.failure {
            annotate("error", &gate.name, failure);
        }
    }
    for warning in &verdict.warnings {
        annotate("warning", "the measurement", &warning.text);
    }
    all
}

/// Text in the message of a workflow command.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// Text in a property of a workflow command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As in `escapeData` and `escapeProperty` of GitHub's toolkit (actions/toolkit, packages/core/src/command.ts).
    #[test]
    fn what_would_end_a_command_is_escaped() {
        assert_eq!(data("5% slower\nthan: a, b"), "5%25 slower%0Athan: a, b");
        assert_eq!(property("a: b, c%"), "a%3A b%2C c%25");
    }
}
