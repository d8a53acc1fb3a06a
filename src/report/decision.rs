//! What follows the tables: why rows are not faster, memory limits, an earlier result, and the verdict.

use super::document::Document;
use super::grid::{Column, Layout, NOTHING, fitted, heading};
use super::memory_limit::limits;
use crate::baseline::{Change, Comparison, MOST_UNREST};
use crate::bench::{Part, Row};
use crate::units::{bytes, chance, count, duration, points, share};
use crate::verdict::{AtBatch, LimitCheck, LimitName, Verdict};

/// The columns of a comparison, and the order in which a narrow terminal does without them.
const CHANGES: [Column; 8] = {
    const fn column(name: &'static str, left_out: u8) -> Column {
        Column { name, left_out }
    }
    [
        column("precision", 0),
        column("change", 0),
        column("batch", 0),
        column("time", 0),
        column("interval", 4),
        column("least", 1),
        column("accuracy", 3),
        column("p", 2),
    ]
};

/// Everything that follows the tables.
#[must_use]
pub fn conclusion(document: &Document, layout: Layout) -> String {
    let mut text = String::new();
    if let Some(budget) = &document.memory_limit {
        text.push('\n');
        text.push_str(&limits(budget, layout));
    }
    if let Some(comparison) = &document.comparison {
        text.push('\n');
        text.push_str(&changes(comparison, layout));
    }
    text.push('\n');
    text.push_str(&verdict(&document.verdict, layout));
    text
}

/// Why the rows of a batch size are not faster, a paragraph each, and what is to be doubted of their samples.
pub(super) fn explanations(rows: &[Row], layout: Layout) -> String {
    let mut text = String::new();
    let shares = |row: &Row| {
        let why = row.why.as_ref()?;
        let parts: Vec<String> = why
            .parts
            .iter()
            .map(|part| format!("{} {}", part_name(part.part), share(part.share)))
            .collect();
        let joined = parts.join(", ");
        Some(format!("{}: {joined}. {}", row.name, why.text))
    };
    let whys: Vec<String> = rows.iter().filter_map(shares).collect();
    if !whys.is_empty() {
        if layout == Layout::Markdown {
            text.push('\n');
        }
        text.push_str("Why not faster\n");
        if layout == Layout::Markdown {
            text.push('\n');
        }
    }
    for why in whys {
        text.push_str(&layout.paragraph(bullet(layout), &why));
    }
    for row in rows {
        for warning in &row.warnings {
            let words = format!("Warning: {}: {}.", row.name, warning.text);
            text.push_str(&layout.paragraph(bullet(layout), &words));
        }
    }
    text
}

fn bullet(layout: Layout) -> &'static str {
    match layout {
        Layout::Terminal(_) => "  ",
        Layout::Markdown => "- ",
    }
}

fn part_name(part: Part) -> &'static str {
    match part {
        Part::Upload => "upload",
        Part::Kernels => "kernels",
        Part::Gaps => "gaps",
        Part::ReadBack => "submit and read back",
    }
}

fn verdict(verdict: &Verdict, layout: Layout) -> String {
    let mut text = heading("Verdict", layout);
    text.push_str(&layout.paragraph("", &verdict.sentence));
    if layout == Layout::Markdown {
        text.push('\n');
    }
    let mut item = |line: &str| text.push_str(&layout.paragraph(item_mark(layout), line));
    for warning in &verdict.warnings {
        item(&warning.text);
    }
    for reason in &verdict.reasons {
        item(reason);
    }
    let others = verdict.batches.len() > 1;
    if others {
        let line = |at: &AtBatch| format!("{}: {}", count(at.batch as u64), at.sentence);
        let lines: Vec<String> = verdict.batches.iter().map(line).collect();
        item(&format!("By batch size: {}.", lines.join("; ")));
    }
    for limit in &verdict.limits {
        item(&limit_line(limit));
    }
    let goal = format!(
        "The goal was {}; --goal takes latency, throughput, memory and accuracy.",
        verdict.goal
    );
    item(&goal);
    text
}

fn item_mark(layout: Layout) -> &'static str {
    match layout {
        Layout::Terminal(_) => "· ",
        Layout::Markdown => "- ",
    }
}

/// `Limit met: accuracy drop ±0.00 points, at most 1 (which holds unless --max-accuracy-drop is given)`
fn limit_line(limit: &LimitCheck) -> String {
    let name = match limit.name {
        LimitName::AccuracyDrop => "accuracy lost",
        LimitName::Latency => "time of a batch",
        LimitName::Memory => "planned memory",
    };
    let value = |value| limit_value(limit.name, value);
    let met = if limit.met { "met" } else { "not met" };
    let measured = limit.measured.map_or("not measured".to_owned(), value);
    let own = if limit.asked {
        ""
    } else {
        " (unless --max-accuracy-drop says otherwise)"
    };
    format!(
        "Limit {met}: {name} {measured}, at most {}{own}.",
        value(limit.limit)
    )
}

/// A limit, or what was measured against it, in its unit.
pub(super) fn limit_value(name: LimitName, value: f64) -> String {
    match name {
        LimitName::AccuracyDrop => {
            let text = format!("{:.2} points", value.abs());
            // What is lost needs no sign; what is gained has the one that it has everywhere.
            let gained = points(value).starts_with('−');
            if gained { format!("−{text}") } else { text }
        }
        LimitName::Latency => duration(value),
        LimitName::Memory => bytes(value as u64),
    }
}

/// What became of each row since an earlier result.
fn changes(comparison: &Comparison, layout: Layout) -> String {
    let commit = comparison.commit.as_deref().map(|commit| {
        let short = commit.get(..12).unwrap_or(commit);
        format!(", commit {short}")
    });
    let title = format!(
        "Beside {} ({}{})",
        comparison.baseline,
        comparison.date,
        commit.unwrap_or_default()
    );
    let mut text = heading(&title, layout);
    let or_nothing = |text: Option<String>| text.unwrap_or_else(|| NOTHING.to_owned());
    let signed = |share: f64| format!("{}%", points(100.0 * share).replace("±0.00", "±0.0"));
    let line = |change: &Change| {
        vec![
            change.name.clone(),
            change.outcome(),
            count(change.batch as u64),
            or_nothing(change.time.map(|time| signed(time.value))),
            or_nothing(
                change
                    .time
                    .map(|time| format!("{} to {}", signed(time.low), signed(time.high))),
            ),
            or_nothing(change.least_change.map(share)),
            or_nothing(change.accuracy_points.map(points)),
            or_nothing(change.accuracy_p.map(chance)),
        ]
    };
    let lines: Vec<Vec<String>> = comparison.rows.iter().map(line).collect();
    let (table, left_out) = fitted(layout, &CHANGES, &lines, 2);
    text.push_str(&table);
    if !left_out.is_empty() {
        text.push_str(&layout.wrap(format!("No room here for: {}\n", left_out.join(", "))));
    }
    if layout == Layout::Markdown {
        text.push('\n');
    }
    for change in &comparison.rows {
        if let Some(note) = &change.note {
            let note = format!(
                "{} at batch {}: {note}.",
                change.name,
                count(change.batch as u64)
            );
            text.push_str(&layout.paragraph(bullet(layout), &note));
        }
    }
    let legend = format!(
        "time: end to end, over the yardstick measured beside it, lower quartiles; + is slower. Flagged where its \
         interval of 95% excludes zero and it is the least change or more: {}, or, up to {}, what parts of a run \
         differ by; accuracy in points, flagged where McNemar's p is below 0.05.",
        share(comparison.least_change),
        share(MOST_UNREST)
    );
    text.push_str(&layout.paragraph("", &legend));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accuracy_that_is_gained_has_the_sign_that_it_has_everywhere() {
        let of = |drop: f64| limit_value(LimitName::AccuracyDrop, drop);
        assert_eq!(
            [0.02, -0.02, 0.0, -0.001].map(of),
            ["0.02 points", "−0.02 points", "0.00 points", "0.00 points"]
        );
    }
}
