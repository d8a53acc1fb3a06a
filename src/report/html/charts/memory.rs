//! The memory of each precision.

use maud::html;

use super::super::figure::{self, Figure, Traced};
use super::super::plot::{Anchor, Chart, Frame, WIDTH, bar, hover, line, words, x_axis};
use super::super::scale::Scale;
use super::super::series::{class, label as named};
use super::super::text_width::{fitted, width};
use super::super::view::{Batch, Placed};
use super::format::tidy;
use crate::units::bytes;

const BAND: f64 = 34.0;
const TOP: f64 = 10.0;
const LEFT: f64 = 8.0;

/// One batch size; none without rows.
pub fn chart(batch: &Batch<'_>) -> Option<Chart> {
    let most = batch.rows.iter().map(|placed| {
        let memory = &placed.row.memory;
        memory
            .textbook
            .total_bytes
            .max(memory.device_allocated_bytes.unwrap_or(0))
    });
    let most = most.max()?.max(1) as f64;
    let frame = Frame {
        left: LEFT,
        right: WIDTH - 14.0,
        top: TOP,
        bottom: TOP + BAND * batch.rows.len() as f64 + 4.0,
    };
    let x = Scale::linear(0.0, 1.02 * most, frame.left, frame.right);
    let drawing = html! {
        (x_axis(frame, x, &ticks(most), |tick| tidy(&bytes(tick as u64)), "bytes"))
        @for (band, placed) in batch.rows.iter().enumerate() {
            @let memory = &placed.row.memory;
            @let top = TOP + BAND * band as f64;
            @let colour = class(&placed.name());
            @let parameters = x.at(memory.textbook.parameters_bytes as f64);
            @let total = x.at(memory.textbook.total_bytes as f64);
            (words(LEFT, top + 10.0, Anchor::Start, "label", label(placed)))
            g {
                (hover(Traced::from("parameters ").and(parameters_of(placed))))
                (bar(&format!("fill solid {colour}"), LEFT, top + 14.0, parameters - LEFT, 14.0))
            }
            g {
                (hover(Traced::from("activations ").and(activations_of(placed))))
                (bar(&format!("fill {colour}"), parameters, top + 14.0, total - parameters, 14.0))
            }
            @if let Some(allocated) = memory.device_allocated_bytes {
                g {
                    (hover(Traced::from("allocated ").and(of(placed, "device_allocated_bytes", Some(allocated)))))
                    (line("allocated", (x.at(allocated as f64), top + 11.0), (x.at(allocated as f64), top + 31.0)))
                }
            }
        }
    };
    let lines: Vec<_> = batch
        .rows
        .iter()
        .map(|placed| {
            let memory = &placed.row.memory;
            let figures = vec![
                parameters_of(placed),
                activations_of(placed),
                total_of(placed),
                of(placed, "planned_bytes", memory.planned_bytes),
                of(
                    placed,
                    "device_allocated_bytes",
                    memory.device_allocated_bytes,
                ),
            ];
            (named(&placed.name()), figures)
        })
        .collect();
    Some(Chart {
        id: format!("memory-{}", batch.id()),
        title: batch.titled("Memory"),
        shows: shows(batch),
        height: frame.bottom + 38.0,
        drawing,
        note: None,
        figures: figure::table(
            &[
                "precision",
                "parameters",
                "activations",
                "memory",
                "planned",
                "allocated",
            ],
            lines,
        ),
    })
}

/// The row that needs the least, beside f32.
fn shows(batch: &Batch<'_>) -> Traced {
    let total = |placed: &&Placed<'_>| placed.row.memory.textbook.total_bytes;
    let least = batch.rows.iter().min_by_key(total);
    let f32 = batch.rows.iter().find(|placed| placed.name() == "f32");
    least.map_or_else(Traced::default, |least| {
        let traced = Traced::from(least.name())
            .and(" needs the least: ")
            .and(total_of(least))
            .and(" of parameters and activations");
        match f32.filter(|f32| f32.at != least.at) {
            Some(f32) => traced.and(", against ").and(total_of(f32)).and(" in f32."),
            None => traced.and("."),
        }
    })
}

fn of(placed: &Placed<'_>, field: &str, value: Option<u64>) -> Figure {
    Figure::bytes(placed.pointer(&format!("memory/{field}")), value)
}

fn parameters_of(placed: &Placed<'_>) -> Figure {
    let bytes = placed.row.memory.textbook.parameters_bytes;
    of(placed, "parameters_bytes", Some(bytes))
}

fn activations_of(placed: &Placed<'_>) -> Figure {
    let bytes = placed.row.memory.textbook.activations_bytes;
    of(placed, "activations_bytes", Some(bytes))
}

fn total_of(placed: &Placed<'_>) -> Figure {
    let bytes = placed.row.memory.textbook.total_bytes;
    of(placed, "total_bytes", Some(bytes))
}

/// The precision's name, cut where it does not fit, and its memory.
fn label(placed: &Placed<'_>) -> Traced {
    let total = Traced::from("  ").and(total_of(placed));
    let space = WIDTH - 2.0 * LEFT - width(&total.text);
    Traced::from(fitted(&placed.name(), space)).and(total)
}

/// Round figures in binary units: four steps at most.
fn ticks(most: f64) -> Vec<f64> {
    let unit = 1024_f64.powf(most.log2().div_euclid(10.0));
    let ticks = Scale::linear(0.0, most / unit, 0.0, 1.0).ticks(4);
    ticks.into_iter().map(|tick| tick * unit).collect()
}
