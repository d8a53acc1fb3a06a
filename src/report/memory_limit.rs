//! The largest batches under a memory limit, for a terminal or Markdown: a table, and a bar chart.

use super::document::Document;
use super::layout::{Layout, Screen};
use super::table::{Column, NOTHING, Table, or_nothing};
use crate::results::{Bound, Budget, BudgetLine};
use crate::units::{bytes, count, share};

/// The length of the longest bar on a wide screen, and the least length at which a name fits beside the bars.
const BAR: (usize, usize) = (30, 12);

/// The width of a bar's label, behind the name: `batch  10,000 unlimited `.
const LABEL: usize = 24;

/// The width of the figure behind a bar: ` 1,234,567`.
const VALUE: usize = 11;

/// The columns of the table.
const COLUMNS: [Column; 6] = [
    Column::text("precision"),
    Column::text("largest batch"),
    Column::text("limited by").hidden_as(1),
    Column::number("memory").hidden_as(2),
    Column::number("images/s"),
    Column::number("kept"),
];

/// The largest batches, what they cost in speed, and a chart.
pub(super) fn limits(document: &Document, budget: &Budget, layout: Layout) -> String {
    section(&named(document, budget), layout)
}

/// The lines, named with their adapters where a precision has several of them.
fn named(document: &Document, budget: &Budget) -> Budget {
    let mut budget = budget.clone();
    for line in &mut budget.lines {
        if let Some(backend) = document.requested_on(line.adapter) {
            line.name = format!("{} on {backend}", line.name);
        }
    }
    budget
}

fn section(budget: &Budget, layout: Layout) -> String {
    let title = format!("Within {}", bytes(budget.limit_bytes));
    let mut text = layout.heading(&title);
    let lines = budget.lines.iter().map(line).collect();
    text.push_str(&Table::new(&COLUMNS, lines).render(layout));
    text.push('\n');
    match layout {
        Layout::Terminal(screen) => text.push_str(&chart(budget, screen)),
        Layout::Markdown => {
            let chart = chart(budget, Screen::PLAIN);
            text.push_str(&format!("```\n{chart}```\n"));
        }
    }
    let legend = "memory: all buffers, as planned. images/s: end to end, upload included. kept: the share of the images/s at \
                  the largest measured batch.";
    text.push_str(&layout.paragraph("", legend));
    text
}

fn line(line: &BudgetLine) -> Vec<String> {
    let batch = line.batch.map(|batch| count(batch as u64));
    let bound = match line.bound_by {
        Bound::Memory => "memory",
        Bound::BatchLimit => "--batch-limit",
        Bound::Data => "data set",
    };
    vec![
        line.name.clone(),
        batch.unwrap_or_else(|| "none fits".to_owned()),
        bound.to_owned(),
        bytes(line.bytes),
        or_nothing(line.images_per_second.map(rate)),
        or_nothing(line.speed_kept.map(share)),
    ]
}

fn rate(speed: f64) -> String {
    count(speed.round() as u64)
}

/// At most two bars for each precision: the batch that fits, and the largest that was measured. Names are before the
/// bars, or above them on a narrow screen.
fn chart(budget: &Budget, screen: Screen) -> String {
    let width = usize::from(screen.width);
    let names = budget.lines.iter().map(|line| line.name.chars().count());
    let name = names.max().unwrap_or(0) + 1;
    let over = name + LABEL + BAR.1 + VALUE > width;
    let before = if over { 2 } else { name };
    let bar = width.saturating_sub(before + LABEL + VALUE);
    let bar = bar.clamp(1, BAR.0);
    let mut text = String::new();
    for line in &budget.lines {
        let mut lead = format!("{:<before$}", line.name);
        if over {
            let layout = Layout::Terminal(screen);
            text.push_str(&layout.paragraph("", &line.name));
            lead = " ".repeat(before);
        }
        for what in bars(line, budget, bar) {
            text.push_str(&format!("{lead}{what}\n"));
            lead = " ".repeat(before);
        }
    }
    text
}

/// The bars of one precision. The longest bar of all precisions has the length `longest`.
fn bars(line: &BudgetLine, budget: &Budget, longest: usize) -> Vec<String> {
    let speeds = budget
        .lines
        .iter()
        .flat_map(|line| [line.images_per_second, line.unlimited_images_per_second]);
    let fastest = speeds.flatten().fold(f64::MIN_POSITIVE, f64::max);
    let one = |batch: usize, what: &str, speed: Option<f64>| {
        let label = format!("batch {:>7} {what:<9} ", count(batch as u64));
        match speed {
            Some(speed) => {
                let length = (speed / fastest * longest as f64).round() as usize;
                format!("{label}{} {}", "█".repeat(length.max(1)), rate(speed))
            }
            None => label + NOTHING,
        }
    };
    let fits = match line.batch {
        Some(batch) => one(batch, "fits", line.images_per_second),
        None => format!("not even one image fits: {}", bytes(line.bytes)),
    };
    let larger = line
        .unlimited_batch
        .filter(|_| line.unlimited_batch != line.batch);
    let larger = larger.map(|batch| one(batch, "unlimited", line.unlimited_images_per_second));
    std::iter::once(fits).chain(larger).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget() -> Budget {
        let line = |name: &str, batch: Option<usize>, speed: f64| BudgetLine {
            name: name.to_owned(),
            adapter: 0,
            batch,
            bound_by: Bound::Memory,
            bytes: 300_000,
            row: batch.map(|_| 0),
            images_per_second: batch.map(|_| speed),
            unlimited_row: Some(1),
            unlimited_batch: Some(10_000),
            unlimited_images_per_second: Some(12_345_678.0),
            speed_kept: batch.map(|_| speed / 12_345_678.0),
        };
        Budget {
            limit_bytes: 300 << 10,
            batch_limit: None,
            lines: vec![
                line("f32", None, 0.0),
                line("int8", Some(298), 6_000_000.0),
                line(
                    "int8 dynamic-row, weights by tensor",
                    Some(287),
                    8_000_000.0,
                ),
            ],
        }
    }

    #[test]
    fn it_fits_a_screen_of_any_width_and_its_bars_begin_in_one_column() {
        for width in [40, 50, 80, 120] {
            let screen = Screen {
                width,
                color: false,
            };
            let text = section(&budget(), Layout::Terminal(screen));
            let mut begins = Vec::new();
            for line in text.lines() {
                let length = line.chars().count();
                assert!(length <= usize::from(width), "over {width}:\n{text}");
                begins.extend(line.chars().position(|letter| letter == '█'));
            }
            assert_eq!(begins.len(), 5, "{text}");
            assert!(begins.iter().all(|at| *at == begins[0]), "{text}");
            for word in [
                "precision",
                "287",
                "10,000",
                "12,345,678",
                "not even one image fits",
            ] {
                assert!(text.contains(word), "no {word} at {width}:\n{text}");
            }
        }
    }
}
