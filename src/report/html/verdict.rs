//! The first screen: what to deploy, and why.

use maud::{Markup, html};

use super::figure::{Figure, Told};
use super::view::{Placed, View};
use crate::adapter::Kind;
use crate::report::Document;
use crate::report::decision::limit_value;
use crate::units::{chance, points};
use crate::verdict::{LimitCheck, LimitName, Verdict};

pub fn section(view: &View<'_>) -> Markup {
    let verdict = &view.document.verdict;
    html! {
        section.verdict id="verdict" aria-labelledby="verdict-heading" {
            h2 id="verdict-heading" { "Verdict" }
            @if let Some(told) = shortfall(view.document) { p.warning role="note" { (told.inline()) } }
            p.sentence data-json="/verdict/sentence" { (verdict.sentence) }
            @if let Some(placed) = view.recommended() { (tiles(view, placed)) }
            (reasons(verdict))
            (limits(verdict))
            (warnings(view))
            (batches(view))
        }
    }
}

/// What is missing of a run that ended early.
fn shortfall(document: &Document) -> Option<Told> {
    let reason = document.incomplete.as_ref()?;
    let told = Told::from("Incomplete: ").and(Told::quoted("/incomplete".to_owned(), reason));
    let missing = document
        .missing_batches
        .iter()
        .enumerate()
        .map(|(at, &batch)| {
            Figure::count(format!("/missing_batches/{at}"), Some(batch as u64)).told()
        });
    if document.missing_batches.is_empty() {
        return Some(told.and("."));
    }
    let told = told.and("; not measured: batch ");
    Some(told.and(Told::joined(missing, ", ")).and("."))
}

/// How many reasons are open from the start.
const OPEN_REASONS: usize = 4;

/// The first reasons and the last, which says why the best is not faster; those between on demand.
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
    let memory = row.memory.planned.total_bytes;
    let share = row.memory_vs_f32.filter(|_| f32.is_some());
    let share = share.map(|share| {
        Figure::new(
            placed.pointer("memory_vs_f32"),
            Some(format!("{:.0}%", 100.0 * share)),
        )
    });
    html! {
        dl.tiles {
            div.tile.deploy {
                dt { "Deploy" }
                dd { (view.series.label(&placed.name())) }
                dd.sub { "in batches of " (placed.batch().inline()) }
            }
            div.tile {
                dt { "Time of a batch" }
                dd { (Figure::time(placed.pointer("end_to_end_ns"), row.end_to_end_ns.map(|ns| ns as f64)).inline()) }
                dd.sub { (speed(placed, f32)) }
            }
            div.tile {
                dt { "Memory" }
                dd { (Figure::bytes(placed.pointer("memory/total_bytes"), Some(memory)).inline()) }
                dd.sub {
                    @match share {
                        Some(share) => { (share.inline()) " of f32's" },
                        None => "parameters and activations",
                    }
                }
            }
            div.tile {
                dt { "Accuracy" }
                dd { (Figure::percent(placed.pointer("accuracy"), row.accuracy).inline()) }
                dd.sub { (accuracy(placed, f32)) }
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

fn describe(at: usize, limit: &LimitCheck) -> Told {
    let figure = |field: &str, value: f64| {
        Figure::new(
            format!("/verdict/limits/{at}/{field}"),
            Some(limit_value(limit.name, value)),
        )
    };
    let most = figure("limit", limit.limit);
    let name = match limit.name {
        LimitName::AccuracyDrop => "accuracy lost",
        LimitName::Latency => "time of a batch",
        LimitName::Memory => "planned memory",
    };
    let told = Told::from(name).and(": ");
    let told = match limit.measured {
        Some(measured) => told.and(figure("measured", measured)).and(" of at most "),
        None => told.and("not measured, at most "),
    };
    told.and(most)
}

/// What is to be doubted of the whole, and that a software adapter speaks of itself alone; what is to be
/// doubted of single rows on demand.
fn warnings(view: &View<'_>) -> Markup {
    let document = view.document;
    let whole = document.verdict.warnings.iter().enumerate();
    let mut whole: Vec<Told> = whole
        .map(|(at, warning)| Told::quoted(format!("/verdict/warnings/{at}/text"), &warning.text))
        .collect();
    if whole.is_empty() {
        if document.adapter.kind == Kind::Software {
            whole.push(
                "This adapter runs shaders on the processor: its times say nothing about a GPU."
                    .into(),
            );
        }
        if document.tool.profile == "debug" {
            whole.push("This is a debug build: its times mean nothing.".into());
        }
    }
    let rows = row_warnings(view);
    html! {
        @for told in &whole { p.warning role="note" { (told.inline()) } }
        @if !rows.is_empty() {
            details.more {
                summary { "What is to be doubted of single rows" }
                ul.reasons { @for told in &rows { li { (told.inline()) } } }
            }
        }
    }
}

fn row_warnings(view: &View<'_>) -> Vec<Told> {
    let mut all = Vec::new();
    for placed in view.batches.iter().flat_map(|batch| &batch.rows) {
        for (at, warning) in placed.row.warnings.iter().enumerate() {
            let pointer = placed.pointer(&format!("warnings/{at}/text"));
            let told = Told::from(placed.name())
                .and(", batch ")
                .and(placed.batch())
                .and(": ");
            all.push(told.and(Told::quoted(pointer, &warning.text)));
        }
    }
    all
}

/// How many batch sizes are open from the start.
const OPEN_BATCHES: usize = 4;

/// What the goal says at each batch size.
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
