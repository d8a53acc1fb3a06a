//! The first screen: what to deploy, and why.

use maud::{Markup, html};

use super::figure::Figure;
use super::view::{Placed, View};
use crate::adapter::Kind;
use crate::units::{bytes, chance, count, duration, percent, points};
use crate::verdict::{LimitCheck, LimitName, Verdict};

pub fn section(view: &View<'_>) -> Markup {
    let verdict = &view.document.verdict;
    html! {
        section.verdict id="verdict" aria-labelledby="verdict-heading" {
            h2 id="verdict-heading" { "Verdict" }
            @if let Some(shortfall) = view.document.shortfall() { p.warning role="note" { (shortfall) } }
            p.sentence data-json="/verdict/sentence" { (verdict.sentence) }
            @if let Some(placed) = view.recommended() { (tiles(view, placed)) }
            @if !verdict.reasons.is_empty() {
                ul.reasons {
                    @for (at, reason) in verdict.reasons.iter().enumerate() {
                        li data-json={ "/verdict/reasons/" (at) } { (reason) }
                    }
                }
            }
            (limits(verdict))
            (warnings(view))
            (batches(view))
        }
    }
}

/// The row to deploy in four figures.
fn tiles(view: &View<'_>, placed: Placed<'_>) -> Markup {
    let row = placed.row;
    let f32 = view.f32_beside(placed).filter(|f32| f32.at != placed.at);
    let memory = row.memory.planned.total_bytes;
    let share = f32.map(|f32| memory as f64 / f32.row.memory.planned.total_bytes.max(1) as f64);
    html! {
        dl.tiles {
            div.tile.deploy {
                dt { "Deploy" }
                dd { (view.series.label(&placed.name())) }
                dd.sub { "in batches of " (count(row.effective.batch as u64)) }
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
                        Some(share) => (format!("{:.0}% of f32's", 100.0 * share)),
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
        Some(rate) => html! { (count(rate.round() as u64)) " images a second" },
        None => html! {},
    }
}

fn accuracy(placed: Placed<'_>, f32: Option<Placed<'_>>) -> Markup {
    let both = f32.and_then(|f32| Some((placed.row.accuracy?, f32.row.accuracy?)));
    match (both, placed.row.label_changes) {
        (Some((this, f32)), Some(changes)) => html! {
            (points(100.0 * (this - f32))) " points; "
            (Figure::count(placed.pointer("label_changes"), Some(changes as u64)).inline()) " labels change"
            @if let Some(test) = placed.row.mcnemar.as_ref().filter(|_| changes > 0) { " (p = " (chance(test.p)) ")" }
        },
        _ => match &placed.row.accuracy_interval {
            Some(interval) => html! { (percent(interval.low)) " to " (percent(interval.high)) },
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
            @for limit in &verdict.limits {
                li class=(if limit.met { "met" } else { "unmet" }) {
                    span.mark-text { (if limit.met { "✓ met" } else { "✗ not met" }) } " "
                    (describe(limit))
                }
            }
        }
    }
}

fn describe(limit: &LimitCheck) -> String {
    let figure = |value: f64| match limit.unit {
        "ns" => duration(value),
        "bytes" => bytes(value as u64),
        unit => format!("{value:.2} {unit}"),
    };
    let name = match limit.name {
        LimitName::AccuracyDrop => "accuracy drop",
        LimitName::Latency => "latency",
        LimitName::Memory => "memory",
    };
    match limit.measured {
        Some(measured) => format!(
            "{name}: {} of at most {}",
            figure(measured),
            figure(limit.limit)
        ),
        None => format!("{name}: not measured, at most {}", figure(limit.limit)),
    }
}

/// What is to be doubted, of the whole and of rows; and that a software adapter speaks of itself alone.
fn warnings(view: &View<'_>) -> Markup {
    let document = view.document;
    let mut texts: Vec<String> = document
        .verdict
        .warnings
        .iter()
        .map(|warning| warning.text.clone())
        .collect();
    if texts.is_empty() {
        if document.adapter.kind == Kind::Software {
            texts.push(
                "This adapter runs shaders on the processor: its times say nothing about a GPU."
                    .into(),
            );
        }
        if document.tool.profile == "debug" {
            texts.push("This is a debug build: its times mean nothing.".into());
        }
    }
    for row in &document.results {
        for warning in &row.warnings {
            let name = &row.name;
            texts.push(format!(
                "{name}, batch {}: {}",
                count(row.effective.batch as u64),
                warning.text
            ));
        }
    }
    texts.dedup();
    let (first, more) = texts.split_at(texts.len().min(3));
    html! {
        @for text in first { p.warning role="note" { (text) } }
        @if !more.is_empty() {
            details.more { summary { (more.len()) " more warnings" } @for text in more { p.warning { (text) } } }
        }
    }
}

/// What the goal says at each batch size.
fn batches(view: &View<'_>) -> Markup {
    let batches = &view.document.verdict.batches;
    if batches.len() < 2 {
        return html! {};
    }
    html! {
        h3 { "At each batch size" }
        dl.batches {
            @for (at, batch) in batches.iter().enumerate() {
                dt { "Batch " (count(batch.batch as u64)) }
                dd data-json={ "/verdict/batches/" (at) "/sentence" } { (batch.sentence) }
            }
        }
    }
}
