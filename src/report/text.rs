//! A benchmark as text: the answer first, then the table of rows, then why, then what was measured on.

use std::fmt::Write;

use super::adapter::adapter_lines;
use super::conclusion::{changes, explanations, goal, others};
use super::document::Document;
use super::layout::{Detail, Layout, WIDEST};
use super::memory_limit::limits;
use super::rows::{breakdown, legend, rows_table};
use crate::adapter::MatrixUnits;
use crate::engine::MatrixUse;
use crate::units::{self, count};

/// The whole text.
#[must_use]
pub fn document(document: &Document, layout: Layout, detail: Detail) -> String {
    let layout = layout.at_most(WIDEST);
    let sections = [
        answer(document, layout),
        rows_table(document, layout),
        (document.memory_limit.as_ref())
            .map_or_else(String::new, |budget| limits(document, budget, layout)),
        (document.comparison.as_ref()).map_or_else(String::new, |comparison| {
            changes(document, comparison, layout)
        }),
        breakdown(document, layout),
        explanations(document, layout, detail),
        others(document, layout, detail),
        layout.preamble(preamble(document)),
        layout.wrap(legend(document.dataset.labelled)),
        goal(document, layout, detail),
    ];
    let sections: Vec<String> = sections
        .into_iter()
        .filter(|text| !text.is_empty())
        .collect();
    sections.join("\n")
}

/// What to deploy, and what it costs.
fn answer(document: &Document, layout: Layout) -> String {
    let verdict = &document.verdict;
    let mut text = String::new();
    let mut line = |words: &str, important: bool| match layout {
        Layout::Markdown if important => {
            let _ = writeln!(text, "**{words}**\n");
        }
        Layout::Markdown => {
            let _ = writeln!(text, "{words}\n");
        }
        Layout::Terminal(_) if important => text.push_str(&layout.heading(words)),
        Layout::Terminal(_) => text.push_str(&layout.paragraph("", words)),
    };
    if let Some(shortfall) = document.shortfall() {
        line(&shortfall, true);
    }
    line(&verdict.sentence, true);
    for detail in &verdict.details {
        line(detail, false);
    }
    match layout {
        // The empty line behind the last one is there already.
        Layout::Markdown => text.trim_end().to_owned() + "\n",
        Layout::Terminal(_) => text,
    }
}

/// What ran where, and why.
fn preamble(document: &Document) -> String {
    let Document {
        tool,
        model,
        dataset,
        ..
    } = document;
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "Network:  {} ({}), {} parameters, {}",
        units::widths(&model.layers),
        model.activations.join(", "),
        count(model.parameters),
        model.path
    );
    if let Some(mode) = &model.quantized {
        let _ = writeln!(text, "          This quantized file runs only as {mode}.");
    }
    let _ = writeln!(
        text,
        "Images:   {}, {}",
        dataset.name,
        count(dataset.images as u64)
    );
    for adapter in document.requested() {
        text.push_str(&adapter_lines(&adapter.info, &adapter.reason));
        if let Some(MatrixUnits { size, .. }) = adapter.info.matrix_units {
            let MatrixUse { used, reason, .. } = &adapter.matrix_units;
            let not = if *used { "" } else { "not " };
            let _ = writeln!(
                text,
                "          Its matrix units ({size}×{size}) are {not}used for f16:\n          {reason}"
            );
        }
    }
    if tool.profile == "debug" {
        let _ = writeln!(
            text,
            "Warning:  This is a debug build, so its times mean nothing. Build it with --release."
        );
    }
    text
}
