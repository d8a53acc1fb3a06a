//! The text below the table of rows: the comparison, why rows are not faster, and what else the verdict says.

use super::document::Document;
use super::layout::{Detail, Layout};
use super::table::{Column, Table, or_nothing};
use crate::baseline::{Change, Comparison, MOST_UNREST};
use crate::results::Row;
use crate::units::{bytes, chance, count, duration, percent, points, share};
use crate::verdict::{AtBatch, LimitCheck, LimitName};

/// The columns of a comparison.
const CHANGES: [Column; 10] = [
    Column::text("precision"),
    Column::text("change"),
    Column::number("batch"),
    Column::number("time"),
    Column::number("interval").hidden_as(4),
    Column::number("threshold").hidden_as(1),
    Column::number("accuracy").hidden_as(3),
    Column::number("p").hidden_as(2),
    Column::number("agreement").hidden_as(5),
    Column::number("memory").hidden_as(6),
];

/// Why a row takes as long as it does, with a row in words: `int8 on the CPU at batch 1`.
fn why(document: &Document, row: &Row) -> Option<String> {
    let why = row.why.as_ref()?;
    let parts = why.parts.iter();
    let parts: Vec<String> = parts
        .map(|part| format!("{} {}", part.part.name(), share(part.share)))
        .collect();
    let mut text = format!(
        "{}: {}. {}",
        document.row_place(row),
        parts.join(", "),
        why.text
    );
    if let Some(slow) = row.spread.and_then(|spread| spread.slow_samples()) {
        text.push(' ');
        text.push_str(&slow);
    }
    Some(text)
}

/// Why the recommended row and the next best one take as long as they do, and the warnings about them; in full, those of
/// every row.
pub(super) fn explanations(document: &Document, layout: Layout, detail: Detail) -> String {
    let verdict = &document.verdict;
    let rows: Vec<&Row> = match detail {
        Detail::Full => document.results.iter().collect(),
        Detail::Short => {
            let both = [&verdict.recommended, &verdict.runner_up];
            let both = both.into_iter().flatten();
            both.filter_map(|found| document.results.get(found.row))
                .collect()
        }
    };
    let mut text = String::new();
    for row in &rows {
        if let Some(why) = why(document, row) {
            text.push_str(&layout.paragraph(layout.bullet(), &why));
        }
        for warning in &row.warnings {
            let words = format!("Warning: {}: {}.", document.row_place(row), warning.text);
            text.push_str(&layout.paragraph(layout.bullet(), &words));
        }
    }
    for warning in &verdict.warnings {
        let words = format!("Warning: {}", warning.text);
        text.push_str(&layout.paragraph(layout.bullet(), &words));
    }
    if text.is_empty() {
        return text;
    }
    layout.heading("Why not faster") + &text
}

/// The other rows compared with f32, the decision at each batch size, and every limit; in short, only the limits that the
/// user set.
pub(super) fn others(document: &Document, layout: Layout, detail: Detail) -> String {
    let verdict = &document.verdict;
    let full = detail == Detail::Full;
    let mut text = String::new();
    let mut item = |line: &str| text.push_str(&layout.paragraph(layout.bullet(), line));
    if full {
        for reason in &verdict.reasons {
            item(reason);
        }
        if verdict.batches.len() > 1 {
            let line = |at: &AtBatch| format!("{}: {}", count(at.batch as u64), at.sentence);
            let lines: Vec<String> = verdict.batches.iter().map(line).collect();
            item(&format!("By batch size: {}.", lines.join("; ")));
        }
    }
    for limit in &verdict.limits {
        if full || limit.set_by_user || !limit.met {
            item(&limit_line(limit));
        }
    }
    if text.is_empty() {
        return text;
    }
    let title = if full { "The other rows" } else { "Limits" };
    layout.heading(title) + &text
}

/// What the decision was for, and how to see more.
pub(super) fn goal(document: &Document, layout: Layout, detail: Detail) -> String {
    let others = match document.dataset.labelled {
        true => "latency, throughput, memory or accuracy",
        false => "latency, throughput or memory",
    };
    let goal = format!(
        "The goal was {}; --goal chooses another: {others}.",
        document.verdict.goal
    );
    let more = match detail {
        Detail::Short => " -v explains every row; --output report.html writes a report.",
        Detail::Full => "",
    };
    layout.paragraph("", &(goal + more))
}

/// `Limit met: accuracy loss 0.00 points, at most 1.00 points (the default of --max-accuracy-drop).`
fn limit_line(limit: &LimitCheck) -> String {
    let name = limit_name(limit.name);
    let value = |value| limit_value(limit.name, value);
    let met = if limit.met { "met" } else { "not met" };
    let side = limit_side(limit.name);
    let default = if limit.set_by_user {
        ""
    } else {
        " (the default of --max-accuracy-drop)"
    };
    let Some(measured) = limit.measured.map(value) else {
        return format!(
            "Limit not checked: {name}, since {}; {side} {}{default}.",
            match limit.name {
                LimitName::Accuracy => "the images have no labels",
                _ => "no f32 was measured beside it, or the images have no labels",
            },
            value(limit.limit)
        );
    };
    format!(
        "Limit {met}: {name} {measured}, {side} {}{default}.",
        value(limit.limit)
    )
}

/// The name of a limited figure.
pub(super) fn limit_name(name: LimitName) -> &'static str {
    match name {
        LimitName::AccuracyDrop => "accuracy loss",
        LimitName::Accuracy => "accuracy",
        LimitName::Latency => "time of a batch",
        LimitName::Memory => "memory",
    }
}

/// A limit, or the figure that it limits, in its unit.
pub(super) fn limit_value(name: LimitName, value: f64) -> String {
    match name {
        LimitName::AccuracyDrop => {
            let text = format!("{:.2} points", value.abs());
            // A loss needs no sign; a gain has the sign that it has everywhere.
            let gained = points(value).starts_with('−');
            if gained { format!("−{text}") } else { text }
        }
        LimitName::Accuracy => format!("{value:.2}%"),
        LimitName::Latency => duration(value),
        LimitName::Memory => bytes(value as u64),
    }
}

/// On which side of a limit a figure must be.
pub(super) fn limit_side(name: LimitName) -> &'static str {
    match name {
        LimitName::Accuracy => "at least",
        LimitName::AccuracyDrop | LimitName::Latency | LimitName::Memory => "at most",
    }
}

/// How each row changed since an earlier result.
pub(super) fn changes(document: &Document, comparison: &Comparison, layout: Layout) -> String {
    let commit = comparison.commit.as_deref().map(|commit| {
        let short = commit.get(..12).unwrap_or(commit);
        format!(", commit {short}")
    });
    let of_this_run = comparison.rows.iter().any(|row| row.agreement.is_some());
    let title = match of_this_run {
        true => format!(
            "Compared with {}, measured in this run",
            comparison.baseline
        ),
        false => format!(
            "Compared with {} ({}{})",
            comparison.baseline,
            comparison.date,
            commit.unwrap_or_default()
        ),
    };
    let mut text = layout.heading(&title);
    let signed = |share: f64| format!("{}%", points(100.0 * share).replace("±0.00", "±0.0"));
    let name = |change: &Change| document.change_name(change);
    let line = |change: &Change| {
        vec![
            name(change),
            change.outcome(),
            count(change.batch as u64),
            or_nothing(change.time.map(|time| signed(time.value))),
            or_nothing(
                change
                    .time
                    .map(|time| format!("{} to {}", signed(time.low), signed(time.high))),
            ),
            or_nothing(change.threshold.map(share)),
            or_nothing(change.accuracy_points.map(points)),
            or_nothing(change.accuracy_p.map(chance)),
            or_nothing(change.agreement.map(percent)),
            or_nothing(change.memory.map(signed)),
        ]
    };
    let lines = comparison.rows.iter().map(line).collect();
    let mut table = Table::new(&CHANGES, lines);
    if comparison.rows.iter().all(|row| row.agreement.is_none()) {
        table.remove("agreement");
    }
    if comparison.rows.iter().all(|row| row.memory.is_none()) {
        table.remove("memory");
    }
    text.push_str(&table.render(layout));
    if layout == Layout::Markdown {
        text.push('\n');
    }
    for change in &comparison.rows {
        if let Some(note) = &change.note {
            let note = format!(
                "{} at batch {}: {note}.",
                name(change),
                count(change.batch as u64)
            );
            text.push_str(&layout.paragraph(layout.bullet(), &note));
        }
    }
    let legend = format!(
        "time: change of the end-to-end time relative to the control workload, by lower quartiles; + is slower. \
         It is flagged if its 95% interval excludes zero and it reaches the threshold. The threshold is {}, or up to {} if a run itself varies more. accuracy: change in percentage points, flagged if McNemar's p is below 0.05.",
        share(comparison.threshold),
        share(MOST_UNREST)
    );
    text.push_str(&layout.paragraph("", &legend));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gain_of_accuracy_has_the_sign_that_it_has_everywhere() {
        let of = |drop: f64| limit_value(LimitName::AccuracyDrop, drop);
        assert_eq!(
            [0.02, -0.02, 0.0, -0.001].map(of),
            ["0.02 points", "−0.02 points", "0.00 points", "0.00 points"]
        );
    }
}
