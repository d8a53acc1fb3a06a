//! The tables of `bench` for people: first what ran where, and why; then a table for each batch size.

use std::fmt::Write;

use super::adapter::adapter_lines;
use super::conclusion::{conclusion, explanations};
use super::document::Document;
use super::layout::Layout;
use super::table::{Column, NOTHING, Table, or_nothing};
use crate::adapter::{Backend, MatrixUnits};
use crate::engine::MatrixUse;
use crate::results::{Part, Row, Status};
use crate::units::{self, bytes, count, duration, percent, share};
use crate::{Precision, Scheme};

/// The document: preamble, then a table for each batch size.
pub(super) fn document(document: &Document, layout: Layout) -> String {
    let mut text = opening(document, layout);
    if let (Layout::Markdown, Some(shortfall)) = (layout, document.shortfall()) {
        text = format!("**{shortfall}**\n\n{text}");
    }
    for rows in document
        .results
        .chunk_by(|a, b| a.requested.batch == b.requested.batch)
    {
        text.push('\n');
        text.push_str(&rows_table(document, rows, layout));
    }
    text.push('\n');
    if layout == Layout::Markdown {
        text.push_str(&conclusion(document, layout));
    } else {
        text.push_str(&closing(document, layout));
    }
    text
}

/// The text above the first table.
#[must_use]
pub fn opening(document: &Document, layout: Layout) -> String {
    layout.preamble(preamble(document))
}

/// The text below the last table: the legend, and what is missing.
#[must_use]
pub fn closing(document: &Document, layout: Layout) -> String {
    let mut text = layout.wrap(legend(document.dataset.labelled));
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

/// The meaning of the columns.
fn legend(labelled: bool) -> String {
    let labels = match labelled {
        true => {
            "accuracy  share of all images with the correct label; changed: images with another label than in f32"
        }
        false => "changed   images with another label than in f32",
    };
    format!(
        "\
median    time of one batch, from its images on the device to its outputs in host memory; spread: standard deviation
speed     time of f32 on the same device over the row's, upload included; of peak: operations/s over the highest rate measured in this run
{labels}
memory    parameters and activations, count × bytes per value; allocated: all buffers that were made
"
    )
}

/// The table of one batch size of a document, below a line that names it.
#[must_use]
pub fn rows_table(document: &Document, rows: &[Row], layout: Layout) -> String {
    let Some(first) = rows.first() else {
        return String::new();
    };
    let mut text = layout.heading(&title(first));
    let lines = rows.iter().map(|row| line(document, row, layout)).collect();
    let mut table = Table::new(&COLUMNS, lines);
    // Images without labels have no accuracy, but a row that failed has none either.
    let mut ran = rows.iter().filter(|row| row.status == Status::Ok);
    if ran.any(|row| row.accuracy.is_none()) {
        table.remove("accuracy");
    }
    text.push_str(&table.render(layout));
    let notes = notes(document, rows);
    if layout == Layout::Markdown && !notes.is_empty() {
        // Without an empty line, Markdown takes a note for a row of the table.
        text.push('\n');
    }
    for note in notes {
        text.push_str(&layout.wrap(note + "\n"));
    }
    let parts: Vec<Vec<String>> = rows.iter().flat_map(|row| parts(document, row)).collect();
    if !parts.is_empty() {
        text.push('\n');
        text.push_str(&Table::new(&PARTS, parts).render(layout));
    }
    text.push_str(&explanations(document, rows, layout));
    text
}

/// The columns of a batch size.
const COLUMNS: [Column; 13] = [
    Column::text("precision"),
    Column::text("runs on").hidden_as(8),
    Column::text("kernel").hidden_as(5),
    Column::number("median"),
    Column::number("spread").hidden_as(3),
    Column::number("p99").hidden_as(2),
    Column::number("of peak").hidden_as(4),
    Column::number("images/s").hidden_as(7),
    Column::number("speed"),
    Column::number("accuracy"),
    Column::number("changed").hidden_as(9),
    Column::number("memory").hidden_as(6),
    Column::number("allocated").hidden_as(1),
];

/// The columns of a breakdown.
const PARTS: [Column; 5] = [
    Column::text("precision"),
    Column::text("path"),
    Column::text("part"),
    Column::number("median"),
    Column::number("share"),
];

/// Where a row's time goes: a line for each part. The shares are of the time of the part's own path.
fn parts(document: &Document, row: &Row) -> Vec<Vec<String>> {
    let mut lines = Vec::new();
    for breakdown in &row.breakdown {
        let kernels = breakdown.kernels.iter();
        let mut parts = vec![(Part::Upload.name(), breakdown.upload_ns)];
        parts.extend(kernels.map(|kernel| (kernel.name.as_str(), kernel.ns)));
        parts.push((Part::Gaps.name(), breakdown.gaps_ns));
        parts.push((Part::ReadBack.name(), breakdown.host_ns));
        let total: u64 = parts.iter().map(|(_, ns)| ns).sum();
        for (name, ns) in parts {
            lines.push(vec![
                document.row_name(row),
                format!("{} {}", breakdown.path, breakdown.kernel),
                name.to_owned(),
                duration(ns as f64),
                format!("{:.0}%", 100.0 * ns as f64 / total.max(1) as f64),
            ]);
        }
    }
    lines
}

/// `Batch 40 (1,000 requested; the data set has 40 images)`
fn title(first: &Row) -> String {
    let (requested, ran) = (first.requested.batch, first.effective.batch);
    let mut text = format!("Batch {}", count(ran as u64));
    if requested != ran {
        let (requested, ran) = (count(requested as u64), count(ran as u64));
        let _ = write!(
            text,
            " ({requested} requested; the data set has {ran} images)"
        );
    }
    text
}

fn line(document: &Document, row: &Row, layout: Layout) -> Vec<String> {
    let wall = row.wall_ns.as_ref();
    let ran_on = row
        .effective
        .adapter
        .and_then(|at| document.adapters.get(at));
    let device = ran_on.map(|entry| match entry.info.backend {
        Backend::Cpu => "CPU",
        backend => backend.name(),
    });
    let spread = wall.map(|wall| format!("±{:.0}%", 100.0 * wall.stddev / wall.mean));
    let speed = row.speed_vs_f32.map(|speed| format!("{:.2}×", speed.value));
    let median = match row.status {
        Status::Failed => "FAILED".to_owned(),
        _ => or_nothing(wall.map(|wall| duration(wall.median as f64))),
    };
    vec![
        name(row, layout),
        or_nothing(device.map(str::to_owned)),
        or_nothing(row.effective.kernel.map(str::to_owned)),
        median,
        or_nothing(spread),
        or_nothing(wall.map(|wall| duration(wall.p99 as f64))),
        or_nothing(row.ceiling.map(|ceiling| share(ceiling.share))),
        or_nothing(row.images_per_second.map(|rate| count(rate.round() as u64))),
        or_nothing(speed),
        or_nothing(row.accuracy.map(percent)),
        or_nothing(row.label_changes.map(|changes| count(changes as u64))),
        bytes(row.memory.textbook.total_bytes),
        or_nothing(row.memory.device_allocated_bytes.map(bytes)),
    ]
}

/// The mode of a row. On a terminal, the part behind a comma has its own line.
fn name(row: &Row, layout: Layout) -> String {
    match layout {
        Layout::Markdown => row.name.clone(),
        Layout::Terminal(_) => row.name.replace(", ", ",\n"),
    }
}

/// Notes below a table: why a row did not run as requested, and why a column is empty.
fn notes(document: &Document, rows: &[Row]) -> Vec<String> {
    let note = |row: &Row| note(row, &document.row_name(row));
    let mut notes: Vec<String> = rows.iter().filter_map(note).collect();
    let reference = |row: &&Row| row.requested.scheme == Some(Scheme::DynamicTensor);
    if let Some(row) = rows.iter().find(reference) {
        notes.push(format!(
            "{} is the reference scheme: the result for an image depends on the other images of its batch",
            row.name
        ));
    }
    let unknown = |row: &Row| row.status == Status::Ok && row.agreement_with_f32.is_none();
    if rows.iter().any(unknown) {
        let f32 = |row: &Row| row.requested.precision == Precision::F32;
        let why = match rows.iter().any(f32) {
            true => "f32 has no labels to compare with",
            false => "the model has no float weights, so f32 cannot run",
        };
        notes.push(format!("changed is {NOTHING}: {why}"));
    }
    notes
}

/// Why a row did not run as requested.
fn note(row: &Row, name: &str) -> Option<String> {
    let detail = row.detail.as_deref().unwrap_or("no reason is known");
    match row.status {
        Status::Unsupported => Some(format!("{name} did not run: {detail}")),
        Status::Overflow => Some(format!(
            "{name} is out of range, so it was not timed: {detail}"
        )),
        Status::Failed => Some(format!("{name} FAILED: {detail}")),
        Status::Ok => {
            let reason = row.effective.reason.as_ref()?;
            Some(format!("{} ran on the CPU: {reason}", row.name))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::AdapterInfo;
    use crate::cpu::Processor;
    use crate::dataset::Dataset;
    use crate::memory::footprint;
    use crate::quantize::Source;
    use crate::report::document::{AdapterEntry, DatasetInfo, ModelInfo};
    use crate::results::Requested;

    /// A measurement on the CPU path without rows.
    fn document() -> Document {
        let cpu = AdapterInfo::cpu(0, Processor::default().info());
        let entry = AdapterEntry {
            info: cpu.clone(),
            reason: String::new(),
            matrix_units: MatrixUse::no("none"),
            numerics: None,
        };
        let model = ModelInfo::new(&Source::default_model().unwrap());
        let data = DatasetInfo::new(&Dataset::random(1, 784, 0).unwrap());
        Document::new(String::new(), vec![entry], cpu, model, data, &[1])
    }

    fn row(status: Status) -> Row {
        let precision = Precision::F32;
        let requested = Requested::new(&precision.into(), 1);
        let mut row = Row::new(requested, 1, footprint(&[784, 10], precision, 1));
        row.status = status;
        row.detail = Some("why".into());
        row
    }

    #[test]
    fn a_failed_row_is_shown_with_its_detail() {
        let text = rows_table(&document(), &[row(Status::Failed)], Layout::Markdown);
        assert!(text.contains("| FAILED |"), "{text}");
        assert!(text.contains("\nf32 FAILED: why\n"), "{text}");
    }

    #[test]
    fn every_status_has_a_note() {
        for (status, words) in [
            (Status::Unsupported, "f32 did not run: why"),
            (
                Status::Overflow,
                "f32 is out of range, so it was not timed: why",
            ),
        ] {
            assert_eq!(note(&row(status), "f32").as_deref(), Some(words));
        }
        let mut fallback = row(Status::Ok);
        assert_eq!(note(&fallback, "f32"), None);
        fallback.effective.reason = Some("it must".into());
        assert_eq!(
            note(&fallback, "f32").as_deref(),
            Some("f32 ran on the CPU: it must")
        );
    }
}
