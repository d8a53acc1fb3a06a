//! Tables for people: what ran where, and why, first; then a table for each batch size.

use std::fmt::Write;

use super::decision::{conclusion, explanations};
use super::document::Document;
use super::grid::{BOLD, Column, Layout, NOTHING, fitted, grid};
use crate::Precision;
use crate::adapter::{AdapterInfo, Kind, MatrixUnits};
use crate::bench::{Row, Status};
use crate::engine::{MatrixUse, Place};
use crate::units::{bytes, count, duration, percent, share};

/// The document: preamble, then a table for each batch size.
pub(super) fn document(document: &Document, layout: Layout) -> String {
    let mut text = preamble(document);
    if layout == Layout::Markdown {
        // Each line of the preamble is a list item.
        text = text
            .lines()
            .filter(|line| !line.is_empty())
            .fold(String::new(), |all, line| {
                all + "- " + line.trim_start() + "\n"
            });
        if let Some(shortfall) = document.shortfall() {
            text = format!("**{shortfall}**\n\n{text}");
        }
    }
    for rows in document
        .results
        .chunk_by(|a, b| a.requested.batch == b.requested.batch)
    {
        text.push('\n');
        text.push_str(&rows_table(rows, layout));
    }
    text.push('\n');
    if layout == Layout::Markdown {
        text.push_str(&conclusion(document, layout));
    } else {
        text.push_str(&closing(document, layout));
    }
    text
}

/// What stands over the first table.
#[must_use]
pub fn opening(document: &Document, layout: Layout) -> String {
    layout.wrap(preamble(document))
}

/// What stands under the last table: the legend, and what is missing.
#[must_use]
pub fn closing(document: &Document, layout: Layout) -> String {
    let mut text = layout.wrap(LEGEND.to_owned());
    if let Some(shortfall) = document.shortfall() {
        text.push('\n');
        text.push_str(&layout.wrap(shortfall + "\n"));
    }
    text.push_str(&conclusion(document, layout));
    text
}

/// What ran where, and why.
fn preamble(document: &Document) -> String {
    let Document {
        tool,
        adapter,
        model,
        dataset,
        ..
    } = document;
    let layers: Vec<String> = model.layers.iter().map(ToString::to_string).collect();
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "Network:  {} ({}), {} parameters, {}",
        layers.join("-"),
        model.activations.join(", "),
        count(model.parameters),
        model.path
    );
    if let Some(mode) = &model.quantized {
        let _ = writeln!(
            text,
            "          quantized: it runs as {mode} and nothing else"
        );
    }
    let _ = writeln!(
        text,
        "Images:   {}, {}",
        dataset.name,
        count(dataset.images as u64)
    );
    let _ = writeln!(text, "Adapter:  {}", adapter_line(adapter));
    let _ = writeln!(text, "          {}", document.adapter_reason);
    if adapter.kind == Kind::Software {
        let _ = writeln!(
            text,
            "          It runs shaders on the processor: these ratios say nothing about a GPU."
        );
    }
    if let Some(MatrixUnits { size, .. }) = adapter.matrix_units {
        let MatrixUse { used, reason, .. } = &document.matrix_units;
        let not = if *used { "" } else { "not " };
        let _ = writeln!(
            text,
            "          Its matrix units ({size}×{size}) are {not}used for f16:\n          {reason}"
        );
    }
    if tool.profile == "debug" {
        let _ = writeln!(
            text,
            "Warning:  a debug build; its times mean nothing. Use cargo run --release."
        );
    }
    text
}

/// What the columns mean.
const LEGEND: &str = "\
median  one batch, from its pixels on the device to its outputs in host memory; spread: standard deviation
of peak operations per second against the most that this adapter did of the kernel's arithmetic in this run
speed   relative to f32, end to end: upload and median; changed: images whose label is not f32's; accuracy: over all
planned parameters and activations at this precision; allocated: all buffers that were really made
";

/// `llvmpipe (LLVM 15.0.6, 256 bits), vulkan, software; driver llvmpipe Mesa 22.3.6 (LLVM 15.0.6)`
pub(super) fn adapter_line(adapter: &AdapterInfo) -> String {
    match adapter.kind {
        Kind::Cpu => {
            let processor = adapter.processor.map(|processor| format!("; {processor}"));
            let processor = processor.unwrap_or_default();
            format!("{} ({}{processor})", adapter.name, adapter.driver)
        }
        kind => {
            let driver = if adapter.driver.is_empty() {
                "not named"
            } else {
                &adapter.driver
            };
            format!(
                "{}, {}, {kind}; driver {driver}",
                adapter.name, adapter.backend
            )
        }
    }
}

/// The table of one batch size, under a line that names it.
#[must_use]
pub fn rows_table(rows: &[Row], layout: Layout) -> String {
    let Some(first) = rows.first() else {
        return String::new();
    };
    let mut text = heading(first, layout);
    let lines: Vec<Vec<String>> = rows.iter().map(|row| line(row, layout)).collect();
    let (table, left_out) = fitted(layout, &COLUMNS, &lines, 3);
    text.push_str(&table);
    let mut notes = notes(rows);
    if !left_out.is_empty() {
        notes.push(format!("No room here for: {}", left_out.join(", ")));
    }
    if layout == Layout::Markdown && !notes.is_empty() {
        // Without an empty line Markdown takes a note for a row of the table.
        text.push('\n');
    }
    for note in notes {
        text.push_str(&layout.wrap(note + "\n"));
    }
    let parts: Vec<Vec<String>> = rows.iter().flat_map(parts).collect();
    if !parts.is_empty() {
        let header = ["precision", "path", "part", "median", "share"];
        text.push('\n');
        text.push_str(&grid(layout, &header, &parts, 3));
    }
    text.push_str(&explanations(rows, layout));
    text
}

/// The columns of a batch size, and the order in which a narrow terminal does without them.
const COLUMNS: [Column; 13] = {
    const fn column(name: &'static str, left_out: u8) -> Column {
        Column { name, left_out }
    }
    [
        column("precision", 0),
        column("runs on", 8),
        column("kernel", 5),
        column("median", 0),
        column("spread", 3),
        column("p99", 2),
        column("of peak", 4),
        column("images/s", 7),
        column("speed", 0),
        column("accuracy", 0),
        column("changed", 9),
        column("planned", 6),
        column("allocated", 1),
    ]
};

/// Where a row's time goes, a line for each part; the shares are of the part's own path.
fn parts(row: &Row) -> Vec<Vec<String>> {
    let mut lines = Vec::new();
    for breakdown in &row.breakdown {
        let kernels = breakdown.kernels.iter();
        let mut parts = vec![("upload", breakdown.upload_ns)];
        parts.extend(kernels.map(|kernel| (kernel.name.as_str(), kernel.ns)));
        parts.push(("gaps between kernels", breakdown.gaps_ns));
        parts.push(("submit, wait, read back", breakdown.host_ns));
        let total: u64 = parts.iter().map(|(_, ns)| ns).sum();
        for (name, ns) in parts {
            lines.push(vec![
                row.name.clone(),
                format!("{} {}", breakdown.path, breakdown.kernel),
                name.to_owned(),
                duration(ns as f64),
                format!("{:.0}%", 100.0 * ns as f64 / total.max(1) as f64),
            ]);
        }
    }
    lines
}

fn heading(first: &Row, layout: Layout) -> String {
    let (asked, ran) = (first.requested.batch, first.effective.batch);
    let mut text = format!("Batch {}", count(ran as u64));
    if asked != ran {
        let _ = write!(
            text,
            " (of {} asked for: that is all of the data)",
            count(asked as u64)
        );
    }
    match layout {
        Layout::Terminal(screen) if screen.color => format!("{BOLD}{text}{BOLD:#}\n"),
        Layout::Terminal(_) => text + "\n",
        Layout::Markdown => format!("### {text}\n\n"),
    }
}

fn line(row: &Row, layout: Layout) -> Vec<String> {
    let or_nothing = |text: Option<String>| text.unwrap_or_else(|| NOTHING.to_owned());
    let wall = row.wall_ns.as_ref();
    let device = row.effective.device.map(|place| match place {
        Place::Gpu => "adapter",
        Place::Cpu => "CPU path",
    });
    let spread = wall.map(|wall| format!("±{:.0}%", 100.0 * wall.stddev / wall.mean));
    let speed = row.speed_vs_f32.map(|speed| format!("{:.2}×", speed.value));
    vec![
        name(row, layout),
        or_nothing(device.map(str::to_owned)),
        or_nothing(row.effective.kernel.map(str::to_owned)),
        or_nothing(wall.map(|wall| duration(wall.median as f64))),
        or_nothing(spread),
        or_nothing(wall.map(|wall| duration(wall.p99 as f64))),
        or_nothing(row.ceiling.map(|ceiling| share(ceiling.share))),
        or_nothing(row.images_per_second.map(|rate| count(rate.round() as u64))),
        or_nothing(speed),
        or_nothing(row.accuracy.map(percent)),
        or_nothing(row.label_changes.map(|changes| count(changes as u64))),
        bytes(row.memory.planned.total_bytes),
        or_nothing(row.memory.device_allocated_bytes.map(bytes)),
    ]
}

/// The mode of a row. On a terminal, what it adds behind a comma has a line of its own.
fn name(row: &Row, layout: Layout) -> String {
    match layout {
        Layout::Markdown => row.name.clone(),
        Layout::Terminal(_) => row.name.replace(", ", ",\n"),
    }
}

/// What the table's cells have no room for.
fn notes(rows: &[Row]) -> Vec<String> {
    let mut notes = Vec::new();
    for row in rows {
        let precision = &row.name;
        match (row.status, &row.detail, &row.effective.reason) {
            (Status::Unsupported, Some(detail), _) => {
                notes.push(format!("{precision}: not run: {detail}"));
            }
            (Status::Overflow, Some(detail), _) => {
                notes.push(format!("{precision}: not timed: {detail}"));
            }
            (_, _, Some(reason)) => {
                notes.push(format!("{precision} ran on the CPU path: {reason}"));
            }
            _ => {}
        }
    }
    let alone = |row: &Row| row.status == Status::Ok && row.agreement_with_f32.is_none();
    if rows.iter().any(alone) {
        let f32 = |row: &Row| row.requested.precision == Precision::F32;
        let why = match rows.iter().any(f32) {
            true => "f32 has no answers to compare with",
            false => "the model has no float weights that f32 could run with",
        };
        notes.push(format!("changed: not known, since {why}"));
    }
    notes
}
