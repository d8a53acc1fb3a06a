//! The first screen: what to deploy, and why.

use maud::{Markup, html};

use super::figure::{Figure, Traced};
use super::series::label;
use super::view::{Placed, View};
use crate::adapter::Kind;
use crate::report::adapter::SOFTWARE;
use crate::report::conclusion::{limit_name, limit_side, limit_value};
use crate::report::document::{AdapterEntry, Document};
use crate::units::{chance, points};
use crate::verdict::{LimitCheck, Verdict};

pub fn section(view: &View<'_>) -> Markup {
    let verdict = &view.document.verdict;
    html! {
        section.verdict id="verdict" aria-labelledby="verdict-heading" {
            h2 id="verdict-heading" { "Verdict" }
            @if let Some(traced) = shortfall(view.document) { p.warning role="note" { (traced.inline()) } }
            @for (at, line) in verdict.details.iter().enumerate() {
                p.detail data-json={ "/verdict/details/" (at) } { (line) }
            }
            @if let Some(placed) = view.recommended() { (tiles(view, placed)) }
            (reasons(verdict))
            (limits(verdict))
            (warnings(view))
            (batches(view))
        }
    }
}

/// What is missing from a run that ended early.
fn shortfall(document: &Document) -> Option<Traced> {
    let reason = document.incomplete.as_ref()?;
    let traced = Traced::from("Incomplete: ").and(Traced::quoted("/incomplete".to_owned(), reason));
    let missing = document
        .missing_batches
        .iter()
        .enumerate()
        .map(|(at, &batch)| {
            Figure::count(format!("/missing_batches/{at}"), Some(batch as u64)).traced()
        });
    if document.missing_batches.is_empty() {
        return Some(traced.and("."));
    }
    let traced = traced.and(". Not measured: batch ");
    Some(traced.and(Traced::joined(missing, ", ")).and("."))
}

/// How many reasons are shown at first.
const OPEN_REASONS: usize = 4;

/// The first reasons and the last, which says why the best is not faster; the others on demand.
fn reasons(verdict: &Verdict) -> Markup {
    let all: Vec<(usize, &String)> = verdict.reasons.iter().enumerate().collect();
    let open = if all.len() > OPEN_REASONS + 1 {
        OPEN_REASONS - 1
    } else {
        all.len()
    };
    let (first, rest) = all.split_at(open);
    let (between, last) = rest.split_at(rest.len().saturating_sub(1));
    let item = |(at, reason): &(usize, &String)| html! { li data-json={ "/verdict/reasons/" (at) } { (reason) } };
    html! {
        @if !all.is_empty() {
            ul.reasons { @for reason in first.iter().chain(last) { (item(reason)) } }
        }
        @if !between.is_empty() {
            details.more { summary { "The other candidates" } ul.reasons { @for reason in between { (item(reason)) } } }
        }
    }
}

/// The row to deploy in four figures.
fn tiles(view: &View<'_>, placed: Placed<'_>) -> Markup {
    let row = placed.row;
    let f32 = view.f32_beside(placed).filter(|f32| f32.at != placed.at);
    let held = |placed: Placed<'_>| {
        let pointer = placed.pointer("memory/device_allocated_bytes");
        Figure::bytes(pointer, placed.row.memory.device_allocated_bytes)
    };
    html! {
        dl.tiles {
            div.tile.deploy {
                dt { @if view.document.verdict.undecided.is_some() { "Suggested" } @else { "Deploy" } }
                dd { (label(&placed.name())) }
                dd.sub {
                    @if let Some(backend) = view.document.requested_on(row.requested.adapter) { "on " (backend) " " }
                    "at batch " (placed.batch().inline())
                }
            }
            div.tile {
                dt { "Time of a batch" }
                dd { (Figure::time(placed.pointer("end_to_end_ns"), row.end_to_end_ns.map(|ns| ns as f64)).inline()) }
                dd.sub { (speed(placed, f32)) }
            }
            div.tile {
                dt { "Memory" }
                dd { (held(placed).inline()) }
                dd.sub {
                    @match f32 {
                        Some(f32) => { "f32: " (held(f32).inline()) },
                        None => "all buffers that were made",
                    }
                }
            }
            @if row.accuracy.is_some() {
                div.tile {
                    dt { "Accuracy" }
                    dd { (Figure::percent(placed.pointer("accuracy"), row.accuracy).inline()) }
                    dd.sub { (accuracy(placed, f32)) }
                }
            } @else {
                div.tile {
                    dt { "Agreement with f32" }
                    dd { (Figure::percent(placed.pointer("agreement_with_f32"), row.agreement_with_f32).inline()) }
                    dd.sub { "the images have no labels" }
                }
            }
        }
    }
}

fn speed(placed: Placed<'_>, f32: Option<Placed<'_>>) -> Markup {
    if let (Some(speed), true) = (&placed.row.speed_vs_f32, f32.is_some()) {
        let of = |field: &str, value| {
            Figure::new(
                placed.pointer(&format!("speed_vs_f32/{field}")),
                Some(format!("{value:.2}")),
            )
        };
        return html! {
            (of("value", speed.value).inline()) "× the speed of f32 ("
            (of("low", speed.low).inline()) " to " (of("high", speed.high).inline()) ")"
        };
    }
    match placed.row.images_per_second {
        Some(rate) => {
            let rate = Figure::count(
                placed.pointer("images_per_second"),
                Some(rate.round() as u64),
            );
            html! { (rate.inline()) " images a second" }
        }
        None => html! {},
    }
}

fn accuracy(placed: Placed<'_>, f32: Option<Placed<'_>>) -> Markup {
    let change = placed.row.accuracy_points_vs_f32.filter(|_| f32.is_some());
    match (change, placed.row.label_changes) {
        (Some(change), Some(changes)) => html! {
            (Figure::new(placed.pointer("accuracy_points_vs_f32"), Some(points(change))).inline()) " points; "
            (Figure::count(placed.pointer("label_changes"), Some(changes as u64)).inline()) " labels change"
            @if let Some(test) = placed.row.mcnemar.as_ref().filter(|_| changes > 0) {
                " (p = " (Figure::new(placed.pointer("mcnemar/p"), Some(chance(test.p))).inline()) ")"
            }
        },
        _ => match &placed.row.accuracy_interval {
            Some(interval) => {
                let of = |field: &str, share: f64| {
                    let pointer = placed.pointer(&format!("accuracy_interval/{field}"));
                    Figure::percent(pointer, Some(share)).inline()
                };
                html! { (of("low", interval.low)) " to " (of("high", interval.high)) }
            }
            None => html! {},
        },
    }
}

fn limits(verdict: &Verdict) -> Markup {
    if verdict.limits.is_empty() {
        return html! {};
    }
    html! {
        h3 { "Limits" }
        ul.checks {
            @for (at, limit) in verdict.limits.iter().enumerate() {
                li class=(if limit.met { "met" } else { "unmet" }) {
                    span.mark-text { (if limit.met { "✓ met" } else { "✗ not met" }) } " "
                    (describe(at, limit).inline())
                }
            }
        }
    }
}

fn describe(at: usize, limit: &LimitCheck) -> Traced {
    let figure = |field: &str, value: f64| {
        Figure::new(
            format!("/verdict/limits/{at}/{field}"),
            Some(limit_value(limit.name, value)),
        )
    };
    let most = figure("limit", limit.limit);
    let traced = Traced::from(limit_name(limit.name)).and(": ");
    let traced = match limit.measured {
        Some(measured) => traced.and(figure("measured", measured)).and(", "),
        None => traced.and("not measured, "),
    };
    let traced = traced.and(limit_side(limit.name)).and(" ");
    traced.and(most)
}

/// Warnings about the whole measurement, and on demand those about single rows.
fn warnings(view: &View<'_>) -> Markup {
    let document = view.document;
    let whole = document.verdict.warnings.iter().enumerate();
    let mut whole: Vec<Traced> = whole
        .map(|(at, warning)| Traced::quoted(format!("/verdict/warnings/{at}/text"), &warning.text))
        .collect();
    if whole.is_empty() {
        let software = |entry: &AdapterEntry| entry.info.kind == Kind::Software;
        if document.requested().iter().all(software) {
            whole.push(SOFTWARE.into());
        }
        if document.tool.profile == "debug" {
            whole.push("This is a debug build, so its times mean nothing.".into());
        }
    }
    let rows = row_warnings(view);
    html! {
        @for traced in &whole { p.warning role="note" { (traced.inline()) } }
        @if !rows.is_empty() {
            details.more {
                summary { "Warnings about single rows" }
                @if !view.charted().1.is_empty() { p.note { "The JSON has those of the other batch sizes." } }
                ul.reasons { @for traced in &rows { li { (traced.inline()) } } }
            }
        }
    }
}

fn row_warnings(view: &View<'_>) -> Vec<Traced> {
    let mut all = Vec::new();
    let (batches, _) = view.charted();
    for placed in batches.into_iter().flat_map(|batch| &batch.rows) {
        for (at, warning) in placed.row.warnings.iter().enumerate() {
            let pointer = placed.pointer(&format!("warnings/{at}/text"));
            let traced = Traced::from(view.document.row_name(placed.row))
                .and(", batch ")
                .and(placed.batch())
                .and(": ");
            all.push(traced.and(Traced::quoted(pointer, &warning.text)));
        }
    }
    all
}

/// How many batch sizes are shown at first.
const OPEN_BATCHES: usize = 4;

/// The decision at each batch size.
fn batches(view: &View<'_>) -> Markup {
    let batches = &view.document.verdict.batches;
    if batches.len() < 2 {
        return html! {};
    }
    let list = html! {
        dl.batches {
            @for (at, batch) in batches.iter().enumerate() {
                dt { "Batch " (Figure::count(format!("/verdict/batches/{at}/batch"), Some(batch.batch as u64)).inline()) }
                dd data-json={ "/verdict/batches/" (at) "/sentence" } { (batch.sentence) }
            }
        }
    };
    html! {
        @if batches.len() > OPEN_BATCHES {
            details.more { summary { "At each batch size" } (list) }
        } @else {
            h3 { "At each batch size" }
            (list)
        }
    }
}
