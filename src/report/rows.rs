//! The rows of `bench` for people: one table for all batch sizes, and notes below it.

use super::document::Document;
use super::layout::Layout;
use super::table::{Column, NOTHING, Table, or_nothing};
use crate::adapter::Backend;
use crate::engine::Place;
use crate::results::{Part, Row, Status};
use crate::units::{bytes, count, duration, percent};
use crate::{Precision, Scheme};

/// The columns of the table: at most 100 characters with the names that most rows have.
const COLUMNS: [Column; 10] = [
    Column::text("precision"),
    Column::text("runs on"),
    Column::number("batch"),
    Column::number("end to end"),
    Column::number("kernels").hidden_as(2),
    Column::number("spread").hidden_as(1),
    Column::number("speed"),
    Column::number("accuracy").hidden_as(5),
    Column::number("changed").hidden_as(3),
    Column::number("memory").hidden_as(4),
];

/// The meaning of the columns.
pub(super) fn legend(labelled: bool) -> String {
    let labels = match labelled {
        true => {
            "accuracy    share of all images with the correct label; changed: images with another label than in f32"
        }
        false => "changed     images with another label than in f32",
    };
    format!(
        "\
end to end  median time of a batch: upload of its images, kernels, and outputs back in host memory
kernels     median time of only the kernels, by the device's clock; on the CPU, all but the upload
spread      from the 10th to the 90th percentile of the end-to-end times, against their median
speed       end-to-end time of f32 on the same device over the row's
{labels}
memory      all buffers that were made: weights, activations, transfers
"
    )
}

/// The table of all rows, the smallest batch size first, with the notes below it.
pub(super) fn rows_table(document: &Document, layout: Layout) -> String {
    let mut rows: Vec<&Row> = document.results.iter().collect();
    rows.sort_by_key(|row| row.requested.batch);
    let mut lines: Vec<Vec<String>> = Vec::new();
    for rows in rows.chunk_by(|a, b| a.requested.batch == b.requested.batch) {
        if !lines.is_empty() && layout != Layout::Markdown {
            lines.push(vec![String::new(); COLUMNS.len()]);
        }
        lines.extend(rows.iter().map(|row| line(document, row, layout)));
    }
    let mut table = Table::new(&COLUMNS, lines);
    // Images without labels have no accuracy, but a row that failed has none either.
    let mut ran = rows.iter().filter(|row| row.status == Status::Ok);
    if ran.any(|row| row.accuracy.is_none()) {
        table.remove("accuracy");
    }
    let mut text = table.render(layout);
    let notes = notes(document, &rows);
    if layout == Layout::Markdown && !notes.is_empty() {
        // Without an empty line, Markdown takes a note for a row of the table.
        text.push('\n');
    }
    for note in notes {
        text.push_str(&layout.paragraph("", &note));
        if layout == Layout::Markdown {
            text.push('\n');
        }
    }
    text
}

/// The columns of a breakdown.
const PARTS: [Column; 6] = [
    Column::text("precision"),
    Column::number("batch"),
    Column::text("path"),
    Column::text("part"),
    Column::number("median"),
    Column::number("share"),
];

/// Where the time of the rows goes, in the order of the table; empty where that was not requested.
pub(super) fn breakdown(document: &Document, layout: Layout) -> String {
    let mut rows: Vec<&Row> = document.results.iter().collect();
    rows.sort_by_key(|row| row.requested.batch);
    let lines: Vec<Vec<String>> = rows.iter().flat_map(|row| parts(document, row)).collect();
    if lines.is_empty() {
        return String::new();
    }
    layout.heading("Where the time goes") + &Table::new(&PARTS, lines).render(layout)
}

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
                count(row.effective.batch as u64),
                format!("{} {}", breakdown.path, breakdown.kernel),
                name.to_owned(),
                duration(ns as f64),
                format!("{:.0}%", 100.0 * ns as f64 / total.max(1) as f64),
            ]);
        }
    }
    lines
}

fn line(document: &Document, row: &Row, layout: Layout) -> Vec<String> {
    let ran_on = row
        .effective
        .adapter
        .and_then(|at| document.adapters.get(at));
    let device = ran_on.map(|entry| match entry.info.backend {
        Backend::Cpu => "CPU",
        backend => backend.name(),
    });
    let speed = row.speed_vs_f32.map(|speed| format!("{:.2}×", speed.value));
    let time = match row.status {
        Status::Failed => "FAILED".to_owned(),
        _ => or_nothing(row.end_to_end_ns.map(|time| duration(time as f64))),
    };
    let spread = row.spread.map(|spread| {
        let share = |value: f64| format!("{:.0}%", (100.0 * value).abs());
        let (low, high) = spread.shares();
        format!("−{} +{}", share(low).trim_end_matches('%'), share(high))
    });
    vec![
        name(row, layout),
        or_nothing(device.map(str::to_owned)),
        count(row.effective.batch as u64),
        time,
        or_nothing(kernels(row).map(|time| duration(time as f64))),
        or_nothing(spread),
        or_nothing(speed),
        or_nothing(row.accuracy.map(percent)),
        or_nothing(row.label_changes.map(|changes| count(changes as u64))),
        or_nothing(row.memory.device_allocated_bytes.map(bytes)),
    ]
}

/// The time of a row's kernels; none where the adapter has no clock of its own.
fn kernels(row: &Row) -> Option<u64> {
    match row.effective.device? {
        Place::Gpu => Some(row.gpu_ns.as_ref()?.median),
        // All that the CPU path does after the upload.
        Place::Cpu => Some(row.wall_ns.as_ref()?.median),
    }
}

/// The mode of a row. On a terminal, the part behind a comma has its own line.
fn name(row: &Row, layout: Layout) -> String {
    match layout {
        Layout::Markdown => row.name.clone(),
        Layout::Terminal(_) => row.name.replace(", ", ",\n"),
    }
}

/// Notes below a table: why a row did not run as requested, and why a column is empty.
fn notes(document: &Document, rows: &[&Row]) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    for row in rows {
        // Once for all batch sizes, where they have it in common.
        let words = note(row, &document.row_name(row));
        notes.extend(words.filter(|words| !notes.contains(words)));
    }
    for rows in rows.chunk_by(|a, b| a.requested.batch == b.requested.batch) {
        let (requested, ran) = (rows[0].requested.batch, rows[0].effective.batch);
        if requested != ran {
            let (requested, ran) = (count(requested as u64), count(ran as u64));
            notes.push(format!(
                "Batch {requested} was requested; the data set has only {ran} images."
            ));
        }
    }
    let reference = |row: &&&Row| row.requested.scheme == Some(Scheme::DynamicTensor);
    if let Some(row) = rows.iter().find(reference) {
        notes.push(format!(
            "{} is the reference scheme: the result for an image depends on the other images of its batch.",
            row.name
        ));
    }
    let unknown = |row: &&Row| row.status == Status::Ok && row.agreement_with_f32.is_none();
    if rows.iter().any(unknown) {
        let f32 = |row: &&Row| row.requested.precision == Precision::F32;
        let why = match rows.iter().any(f32) {
            true => "f32 has no labels to compare with",
            false => "the model has no float weights, so f32 cannot run",
        };
        notes.push(format!("changed is {NOTHING}: {why}."));
    }
    notes
}

/// Why a row did not run as requested.
fn note(row: &Row, name: &str) -> Option<String> {
    let detail = row.detail.as_deref().unwrap_or("no reason is known");
    match row.status {
        Status::Unsupported => Some(format!("{name} did not run: {detail}.")),
        Status::Overflow => Some(format!(
            "{name} is out of range, so it was not timed: {detail}."
        )),
        Status::Failed => {
            let batch = count(row.effective.batch as u64);
            Some(format!("{name} at batch {batch} FAILED: {detail}."))
        }
        Status::Ok => {
            let reason = row.effective.reason.as_ref()?;
            Some(format!("{} ran on the CPU: {reason}.", row.name))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::AdapterInfo;
    use crate::cpu::Processor;
    use crate::dataset::Dataset;
    use crate::engine::MatrixUse;
    use crate::memory::footprint;
    use crate::quantize::Source;
    use crate::report::document::{AdapterEntry, DatasetInfo, ModelInfo};
    use crate::report::layout::Screen;
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
        let mut document = document();
        document.results = vec![row(Status::Failed)];
        let text = rows_table(&document, Layout::Markdown);
        assert!(text.contains(" FAILED |"), "{text}");
        assert!(text.contains("\nf32 at batch 1 FAILED: why.\n"), "{text}");
    }

    #[test]
    fn every_status_has_a_note() {
        for (status, words) in [
            (Status::Unsupported, "f32 did not run: why."),
            (
                Status::Overflow,
                "f32 is out of range, so it was not timed: why.",
            ),
        ] {
            assert_eq!(note(&row(status), "f32").as_deref(), Some(words));
        }
        let mut fallback = row(Status::Ok);
        assert_eq!(note(&fallback, "f32"), None);
        fallback.effective.reason = Some("it must".into());
        assert_eq!(
            note(&fallback, "f32").as_deref(),
            Some("f32 ran on the CPU: it must.")
        );
    }

    /// The smallest batch first; a batch that the data set cut, and a note that rows have in common, stand once.
    #[test]
    fn rows_of_all_batch_sizes_are_in_one_table() {
        let mut document = document();
        let at = |requested: usize, ran: usize| {
            let mut row = row(Status::Unsupported);
            row.requested.batch = requested;
            row.effective.batch = ran;
            row
        };
        document.results = vec![at(1000, 40), at(1000, 40), at(1, 1)];
        let screen = Screen {
            width: 100,
            color: false,
        };
        let text = rows_table(&document, Layout::Terminal(screen));
        let lines: Vec<&str> = text.lines().collect();
        let batch = |line: usize| lines[line].split_whitespace().nth(2);
        assert_eq!(
            (batch(2), batch(4), batch(5)),
            (Some("1"), Some("40"), Some("40")),
            "{text}"
        );
        assert_eq!(lines[3], "");
        assert_eq!(text.matches("did not run").count(), 1, "{text}");
        assert_eq!(
            text.matches("Batch 1,000 was requested").count(),
            1,
            "{text}"
        );
        assert!(
            lines.iter().all(|line| line.chars().count() <= 100),
            "{text}"
        );
    }
}
