//! The table of all rows, and the comparison with an earlier result.

use maud::{Markup, html};

use super::figure::{Figure, Traced};
use super::series::label;
use super::view::{Placed, View};
use crate::baseline::Change;
use crate::engine::Place;
use crate::results::Status;
use crate::units::{chance, count, percent, points};

/// The columns that images without labels do not have.
const OF_LABELS: [&str; 2] = ["accuracy", "p"];

const COLUMNS: [&str; 11] = [
    "precision",
    "end to end",
    "kernels",
    "p90",
    "speed",
    "images/s",
    "accuracy",
    "changed",
    "p",
    "memory",
    "kernel",
];

pub fn table(view: &View<'_>) -> Markup {
    let recommended = view.recommended().map(|placed| placed.at);
    let labelled = view.document.dataset.labelled;
    let shown = |name: &&str| labelled || !OF_LABELS.contains(name);
    let columns: Vec<&str> = COLUMNS.into_iter().filter(shown).collect();
    html! {
        p.note.narrow { "The table scrolls sideways." }
        div.scroll tabindex="0" role="region" aria-label="Results" {
            table.results {
                caption.visually-hidden { "All rows, by batch size and device" }
                thead { tr { @for name in &columns { th scope="col" { (name) } } } }
                @for batch in view.listed() {
                    tbody {
                        tr.group { th scope="rowgroup" colspan=(columns.len()) { (batch.title().inline()) } }
                        @for &placed in &batch.rows { (line(view, placed, recommended == Some(placed.at))) }
                    }
                }
            }
        }
        (notes(view))
    }
}

fn line(view: &View<'_>, placed: Placed<'_>, deploy: bool) -> Markup {
    let row = placed.row;
    let (memory, effective) = (&row.memory, &row.effective);
    let kernels = match (effective.device, &row.gpu_ns, &row.wall_ns) {
        (Some(Place::Gpu), Some(kernels), _) => Some(("gpu_ns/median", kernels.median)),
        (Some(Place::Cpu), _, Some(wall)) => Some(("wall_ns/median", wall.median)),
        _ => None,
    };
    let (place, kernels) = kernels.unzip();
    let labelled = view.document.dataset.labelled;
    let on_cpu = effective.device == Some(Place::Cpu) && effective.reason.is_some();
    html! {
        tr class=[deploy.then_some("deploy")] {
            th scope="row" {
                (label(&placed.name()))
                @if deploy { span.badge { @if view.document.verdict.undecided.is_some() { "suggested" } @else { "deploy" } } }
                @if row.status != Status::Ok { span.badge.off { (status(row.status)) } }
            }
            (Figure::time(placed.pointer("end_to_end_ns"), row.end_to_end_ns.map(|ns| ns as f64)).cell())
            (Figure::time(placed.pointer(place.unwrap_or_default()), kernels.map(|ns| ns as f64)).cell())
            (Figure::time(placed.pointer("spread/p90"), row.spread.map(|spread| spread.p90)).cell())
            (Figure::new(placed.pointer("speed_vs_f32/value"), row.speed_vs_f32.as_ref().map(|s| format!("{:.2}×", s.value))).cell())
            (Figure::count(placed.pointer("images_per_second"), row.images_per_second.map(|rate| rate.round() as u64)).cell())
            @if labelled { (Figure::percent(placed.pointer("accuracy"), row.accuracy).cell()) }
            (Figure::count(placed.pointer("label_changes"), row.label_changes.map(|changes| changes as u64)).cell())
            @if labelled { (Figure::new(placed.pointer("mcnemar/p"), row.mcnemar.as_ref().map(|test| chance(test.p))).cell()) }
            (Figure::bytes(placed.pointer("memory/device_allocated_bytes"), memory.device_allocated_bytes).cell())
            td.text { (effective.kernel.unwrap_or("–")) @if on_cpu { " (CPU path)" } }
        }
    }
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Ok => "ok",
        Status::Unsupported => "not run",
        Status::Overflow => "out of range",
        Status::Failed => "FAILED",
    }
}

/// Why a row did not run as requested, each reason once.
fn notes(view: &View<'_>) -> Markup {
    let mut notes: Vec<Traced> = Vec::new();
    for (at, row) in view.document.results.iter().enumerate() {
        let placed = Placed { at, row };
        let name = Traced::from(view.document.row_name(row));
        let quoted = |field: &str, text: &str| Traced::quoted(placed.pointer(field), text);
        let note = match (&row.detail, &row.effective.reason) {
            (Some(detail), _) => name.and(": ").and(quoted("detail", detail)),
            (None, Some(reason)) => {
                let reason = quoted("effective/reason", reason);
                name.and(" ran on the CPU: ").and(reason)
            }
            (None, None) => continue,
        };
        if notes.iter().all(|other| other.text != note.text) {
            notes.push(note);
        }
    }
    let (drawn, others) = view.charted();
    let charted = drawn.first().filter(|_| !others.is_empty());
    let recommended = view.recommended().map(|placed| placed.row.effective.batch);
    let unlisted = view.batches.len() > view.listed().len();
    let uncharted = !view.batches.iter().all(|batch| view.is_charted(batch));
    html! {
        @for note in &notes { p.note { (note.inline()) } }
        @if let Some(batch) = charted {
            p.note {
                "The charts below are of batch " (batch.figure().inline())
                @if recommended == Some(batch.size) { ", which the answer is about" }
                ". The JSON has the figures of all batch sizes."
            }
        }
        @if unlisted {
            p.note { "The table has some of the batch sizes, with the smallest and the largest. The JSON has all rows." }
        }
        @if uncharted {
            p.note { "Batch sizes with a single precision, which a memory limit adds, have no charts." }
        }
        p.note {
            "End to end: the median time of a batch, from the upload of its images until the outputs are in host memory; "
            "p90: 90 in 100 batches take no longer. Kernels: the median time of only the kernels. "
            "Speed: the end-to-end time of f32 over that of the row. Changed: images with another label than in f32"
            @if view.document.dataset.labelled {
                "; p: the probability of such a change if both are equally accurate (McNemar)"
            }
            ". Memory: all buffers that were made: weights, activations, transfers."
        }
    }
}

/// The rows compared with those of an earlier result.
pub fn comparison(view: &View<'_>) -> Option<Markup> {
    let comparison = view.document.comparison.as_ref()?;
    Some(html! {
        p {
            "Compared with " strong data-json="/comparison/baseline" { (comparison.baseline) } ", measured "
            span data-json="/comparison/date" { (comparison.date) }
            @if let Some(commit) = &comparison.commit { ", commit " code.hash data-json="/comparison/commit" { (commit) } }
            ". Times are relative to the control workload, because a machine's speed drifts."
        }
        div.scroll tabindex="0" role="region" aria-label="Comparison" {
            table.comparison {
                caption.visually-hidden { "Each row beside the earlier result" }
                thead {
                    tr {
                        @for name in ["precision", "change", "batch", "time", "from (95%)", "to", "accuracy, points", "agreement", "memory", "note"] {
                            th scope="col" { (name) }
                        }
                    }
                }
                tbody { @for (at, change) in comparison.rows.iter().enumerate() { (change_line(view, at, change)) } }
            }
        }
    })
}

fn change_line(view: &View<'_>, at: usize, change: &Change) -> Markup {
    let of = |field: &str, text: Option<String>| {
        Figure::new(format!("/comparison/rows/{at}/{field}"), text)
    };
    let change_of = |value: f64| format!("{}%", points(100.0 * value));
    let time = change.time.as_ref();
    html! {
        tr {
            th scope="row" {
                (label(&change.name))
                @if let Some(row) = change.row.and_then(|at| view.document.results.get(at))
                    && let Some(backend) = view.document.requested_on(row.requested.adapter) { " on " (backend) }
            }
            td.text { (change.outcome()) }
            (of("batch", Some(count(change.batch as u64))).cell())
            (of("time/value", time.map(|time| change_of(time.value))).cell())
            (of("time/low", time.map(|time| change_of(time.low))).cell())
            (of("time/high", time.map(|time| change_of(time.high))).cell())
            (of("accuracy_points", change.accuracy_points.map(points)).cell())
            (of("agreement", change.agreement.map(percent)).cell())
            (of("memory", change.memory.map(change_of)).cell())
            td.text { @if let Some(note) = &change.note { (Traced::quoted(format!("/comparison/rows/{at}/note"), note).inline()) } }
        }
    }
}
