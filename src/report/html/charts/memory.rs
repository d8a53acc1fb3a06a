//! What each precision takes of memory.

use maud::html;

use super::super::figure::{self, Figure};
use super::super::plot::{Anchor, Chart, Frame, WIDTH, bar, line, words, x_axis};
use super::super::scale::Scale;
use super::super::view::{Batch, View};
use crate::units::{bytes, count};

const BAND: f64 = 34.0;
const TOP: f64 = 10.0;
const LEFT: f64 = 8.0;

/// One batch size; none without rows.
pub fn chart(view: &View<'_>, batch: &Batch<'_>) -> Option<Chart> {
    let most = batch.rows.iter().map(|placed| {
        let memory = &placed.row.memory;
        memory
            .planned
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
        (x_axis(frame, x, &ticks(most), |tick| super::tidy(&bytes(tick as u64)), "bytes"))
        @for (band, placed) in batch.rows.iter().enumerate() {
            @let memory = &placed.row.memory;
            @let top = TOP + BAND * band as f64;
            @let class = view.series.class(&placed.name());
            @let parameters = x.at(memory.planned.parameters_bytes as f64);
            @let total = x.at(memory.planned.total_bytes as f64);
            (words(LEFT, top + 10.0, Anchor::Start, "label", &format!("{}  {}", placed.name(), bytes(memory.planned.total_bytes))))
            g {
                title { "parameters " (bytes(memory.planned.parameters_bytes)) }
                (bar(&format!("fill solid {class}"), LEFT, top + 14.0, parameters - LEFT, 14.0))
            }
            g {
                title { "activations " (bytes(memory.planned.activations_bytes)) }
                (bar(&format!("fill {class}"), parameters, top + 14.0, total - parameters, 14.0))
            }
            @if let Some(allocated) = memory.device_allocated_bytes {
                g {
                    title { "allocated " (bytes(allocated)) }
                    (line("allocated", (x.at(allocated as f64), top + 11.0), (x.at(allocated as f64), top + 31.0)))
                }
            }
        }
    };
    let described: Vec<String> = batch
        .rows
        .iter()
        .map(|placed| {
            let planned = &placed.row.memory.planned;
            format!(
                "{}: {} of parameters and {} of activations",
                placed.name(),
                bytes(planned.parameters_bytes),
                bytes(planned.activations_bytes)
            )
        })
        .collect();
    let lines: Vec<_> = batch
        .rows
        .iter()
        .map(|placed| {
            let memory = &placed.row.memory;
            let of = |field: &str, value| {
                Figure::bytes(placed.pointer(&format!("memory/{field}")), value)
            };
            let figures = vec![
                of("parameters_bytes", Some(memory.planned.parameters_bytes)),
                of("activations_bytes", Some(memory.planned.activations_bytes)),
                of("total_bytes", Some(memory.planned.total_bytes)),
                of("device_allocated_bytes", memory.device_allocated_bytes),
            ];
            (view.series.label(&placed.name()), figures)
        })
        .collect();
    Some(Chart {
        id: format!("memory-{}", batch.size),
        title: format!("Batch {}", count(batch.size as u64)),
        summary: described.join("; "),
        height: frame.bottom + 38.0,
        drawing,
        note: None,
        figures: figure::table(
            &[
                "precision",
                "parameters",
                "activations",
                "planned",
                "allocated",
            ],
            &lines,
        ),
    })
}

/// Round figures in binary units: four steps at most.
fn ticks(most: f64) -> Vec<f64> {
    let unit = 1024_f64.powf(most.log2().div_euclid(10.0));
    let ticks = Scale::linear(0.0, most / unit, 0.0, 1.0).ticks(4);
    ticks.into_iter().map(|tick| tick * unit).collect()
}
