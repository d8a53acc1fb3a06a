//! What follows the tables: why rows are not faster, memory limits, an earlier result, and the verdict.

use super::document::Document;
use super::grid::{Layout, grid};
use super::table::{BOLD, NOTHING};
use crate::baseline::{Change, Comparison, MOST_UNREST};
use crate::bench::{Bound, Budget, BudgetLine, Part, Row};
use crate::units::{bytes, chance, count, duration, points, share};
use crate::verdict::{AtBatch, LimitCheck, LimitName, Verdict};

/// The columns of a bar that stands for the largest value.
const BAR: usize = 30;

/// Everything that follows the tables.
#[must_use]
pub fn conclusion(document: &Document, layout: Layout) -> String {
    let mut text = String::new();
    if let Some(budget) = &document.memory_limit {
        text.push('\n');
        text.push_str(&limits(budget, &document.results, layout));
    }
    if let Some(comparison) = &document.comparison {
        text.push('\n');
        text.push_str(&changes(comparison, layout));
    }
    text.push('\n');
    text.push_str(&verdict(&document.verdict, layout));
    text
}

/// A heading of a section.
fn heading(title: &str, layout: Layout) -> String {
    match layout {
        Layout::Terminal(screen) if screen.color => format!("{BOLD}{title}{BOLD:#}\n"),
        Layout::Terminal(_) => format!("{title}\n"),
        Layout::Markdown => format!("### {title}\n\n"),
    }
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
    let (name, value): (&str, fn(f64) -> String) = match limit.name {
        LimitName::AccuracyDrop => ("accuracy lost", |value| format!("{value:.2} points")),
        LimitName::Latency => ("time of a batch", duration),
        LimitName::Memory => ("planned memory", |value| bytes(value as u64)),
    };
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

/// Memory limits: what fits, what that costs, and a chart of it.
fn limits(budget: &Budget, rows: &[Row], layout: Layout) -> String {
    let title = format!("Within {}", bytes(budget.limit_bytes));
    let mut text = heading(&title, layout);
    let speed = |row: Option<usize>| row.and_then(|row| rows.get(row)).and_then(Row::speed);
    let fastest = budget
        .lines
        .iter()
        .flat_map(|line| [speed(line.row), speed(line.unlimited_row)])
        .flatten()
        .fold(0.0, f64::max);
    let bar = |speed: Option<f64>| match speed {
        Some(speed) if fastest > 0.0 => {
            let length = (speed / fastest * BAR as f64).round() as usize;
            "█".repeat(length.max(1))
        }
        _ => String::new(),
    };
    let or_nothing = |text: Option<String>| text.unwrap_or_else(|| NOTHING.to_owned());
    let rate = |speed: f64| count(speed.round() as u64);
    let header = [
        "precision",
        "largest batch",
        "bound by",
        "planned",
        "with upload",
        "kept",
    ];
    let line = |line: &BudgetLine| {
        vec![
            line.name.clone(),
            line.batch
                .map_or("none fits".to_owned(), |batch| count(batch as u64)),
            match line.bound_by {
                Bound::Memory => "memory",
                Bound::BatchLimit => "--batch-limit",
                Bound::Data => "the data",
            }
            .to_owned(),
            bytes(line.bytes),
            or_nothing(speed(line.row).map(rate)),
            or_nothing(line.speed_kept.map(share)),
        ]
    };
    let lines: Vec<Vec<String>> = budget.lines.iter().map(line).collect();
    text.push_str(&grid(layout, &header, &lines, 3));
    text.push('\n');
    let mut chart = String::new();
    for line in &budget.lines {
        let unlimited = line.unlimited_row.and_then(|row| rows.get(row));
        let largest = unlimited.map(|row| row.effective.batch);
        let pairs = [
            (line.batch, speed(line.row)),
            (largest, speed(line.unlimited_row)),
        ];
        for (at, (batch, speed)) in pairs.into_iter().enumerate() {
            let name = if at == 0 { line.name.as_str() } else { "" };
            let Some(batch) = batch else {
                let none = format!("{name:<9} not even one image fits: {}", bytes(line.bytes));
                chart.push_str(&none);
                chart.push('\n');
                continue;
            };
            if at == 1 && Some(batch) == line.batch {
                continue;
            }
            let what = if at == 0 { "fits" } else { "unlimited" };
            let label = format!("{name:<9} batch {:>7} {what:<9} ", count(batch as u64));
            let value = speed.map_or(NOTHING.to_owned(), rate);
            chart.push_str(&format!("{label}{} {value}\n", bar(speed)));
        }
    }
    match layout {
        Layout::Terminal(_) => text.push_str(&chart),
        Layout::Markdown => text.push_str(&format!("```\n{chart}```\n")),
    }
    let legend = "with upload: images/s end to end, which the images/s of the tables above are without; kept: of that at the largest batch measured.";
    text.push_str(&layout.paragraph("", legend));
    text
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
    let header = [
        "precision",
        "change",
        "batch",
        "time",
        "interval",
        "least",
        "accuracy",
        "p",
    ];
    let lines: Vec<Vec<String>> = comparison.rows.iter().map(line).collect();
    text.push_str(&grid(layout, &header, &lines, 2));
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
