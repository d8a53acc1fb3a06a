//! Where the time of a batch goes.

use maud::{Markup, html};

use super::super::figure::{self, Figure};
use super::super::plot::{Anchor, Chart, Frame, WIDTH, bar, words, x_axis};
use super::super::scale::Scale;
use super::super::view::{Batch, Placed, View};
use crate::bench::{Part, Why};
use crate::units::{count, duration};

const BAND: f64 = 34.0;
const TOP: f64 = 10.0;
const LEFT: f64 = 8.0;

/// One batch size; none where nothing is known of it.
pub fn chart(view: &View<'_>, batch: &Batch<'_>) -> Option<Chart> {
    let rows: Vec<(Placed<'_>, &Why, f64)> = batch
        .measured()
        .filter_map(|placed| {
            Some((
                placed,
                placed.row.why.as_ref()?,
                placed.row.end_to_end_ns? as f64,
            ))
        })
        .collect();
    let longest = rows.iter().map(|(.., time)| *time).reduce(f64::max)?;
    let frame = Frame {
        left: LEFT,
        right: WIDTH - 14.0,
        top: TOP,
        bottom: TOP + BAND * rows.len() as f64 + 4.0,
    };
    let x = Scale::linear(0.0, longest, frame.left, frame.right);
    let drawing = html! {
        (x_axis(frame, x, &x.ticks(4), |tick| super::tidy(&duration(tick)), "time of a batch, end to end"))
        @for (band, (placed, why, time)) in rows.iter().enumerate() {
            @let top = TOP + BAND * band as f64;
            (words(LEFT, top + 10.0, Anchor::Start, "label", &placed.name()))
            (stack(why, *time, x, top + 14.0))
        }
    };
    let texts: Vec<String> = rows
        .iter()
        .map(|(placed, why, _)| format!("{}: {}", placed.name(), why.text))
        .collect();
    Some(Chart {
        id: format!("parts-{}", batch.size),
        title: format!("Batch {}", count(batch.size as u64)),
        summary: texts.join(" "),
        height: frame.bottom + 38.0,
        drawing,
        note: None,
        figures: figures(view, &rows),
    })
}

/// What the colours of the parts mean.
pub fn legend() -> Markup {
    let parts = [Part::Upload, Part::Kernels, Part::Gaps, Part::ReadBack];
    html! {
        ul.legend {
            @for part in parts {
                li {
                    svg.swatch viewBox="0 0 12 12" aria-hidden="true" { (bar(class(part), 1.0, 1.0, 10.0, 10.0)) }
                    (name(part))
                }
            }
        }
    }
}

fn stack(why: &Why, time: f64, x: Scale, top: f64) -> Markup {
    let mut end = 0.0;
    let spans: Vec<(Part, f64, f64)> = why
        .parts
        .iter()
        .map(|share| {
            let start = end;
            end += share.share;
            (share.part, start, end)
        })
        .collect();
    html! {
        @for (part, start, end) in spans {
            @let (from, to) = (x.at(start * time), x.at(end * time));
            g {
                title { (name(part)) ": " (format!("{:.0}%", 100.0 * (end - start))) }
                (bar(class(part), from, top, to - from, 14.0))
            }
        }
    }
}

fn class(part: Part) -> &'static str {
    match part {
        Part::Upload => "part p0",
        Part::Kernels => "part p1",
        Part::Gaps => "part p2",
        Part::ReadBack => "part p3",
    }
}

fn name(part: Part) -> &'static str {
    match part {
        Part::Upload => "upload",
        Part::Kernels => "kernels",
        Part::Gaps => "gaps between kernels",
        Part::ReadBack => "submit, wait, read back",
    }
}

fn figures(view: &View<'_>, rows: &[(Placed<'_>, &Why, f64)]) -> Markup {
    let mut lines = Vec::new();
    for (placed, why, time) in rows {
        for (at, share) in why.parts.iter().enumerate() {
            let figures = vec![
                Figure::new(
                    placed.pointer(&format!("why/parts/{at}/part")),
                    Some(name(share.part).to_owned()),
                ),
                Figure::new(
                    placed.pointer(&format!("why/parts/{at}/share")),
                    Some(format!("{:.1}%", 100.0 * share.share)),
                ),
                Figure::time(placed.pointer("end_to_end_ns"), Some(*time)),
            ];
            lines.push((view.series.label(&placed.name()), figures));
        }
    }
    figure::table(&["precision", "part", "share", "of"], &lines)
}
