//! Where the time of a batch goes.

use maud::{Markup, html};

use super::super::figure::{self, Figure, Table, Traced};
use super::super::plot::{Anchor, Chart, Frame, WIDTH, bar, hover, words, x_axis};
use super::super::scale::Scale;
use super::super::series::label;
use super::super::text_width::fitted;
use super::super::view::{Batch, Placed};
use super::format::tidy;
use crate::results::{Part, Why};
use crate::units::duration;

const BAND: f64 = 34.0;
const TOP: f64 = 10.0;
const LEFT: f64 = 8.0;

/// One batch size; none where nothing is known of it.
pub fn chart(batch: &Batch<'_>) -> Option<Chart> {
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
        (x_axis(frame, x, &x.ticks(4), |tick| tidy(&duration(tick)), "time of a batch, end to end"))
        @for (band, (placed, why, time)) in rows.iter().enumerate() {
            @let top = TOP + BAND * band as f64;
            (words(LEFT, top + 10.0, Anchor::Start, "label", fitted(&placed.name(), WIDTH - 2.0 * LEFT)))
            (stack(*placed, why, *time, x, top + 14.0))
        }
    };
    Some(Chart {
        id: format!("parts-{}", batch.id()),
        title: batch.titled("Parts of the time"),
        shows: shows(&rows),
        height: frame.bottom + 38.0,
        drawing,
        note: None,
        figures: figures(&rows),
    })
}

/// The largest part of the fastest row.
fn shows(rows: &[(Placed<'_>, &Why, f64)]) -> Traced {
    let fastest = rows.iter().min_by(|a, b| a.2.total_cmp(&b.2));
    let largest = fastest.and_then(|(placed, why, _)| {
        let parts = why.parts.iter().enumerate();
        let (at, part) = parts.max_by(|a, b| a.1.share.total_cmp(&b.1.share))?;
        Some((placed, at, part))
    });
    largest.map_or_else(Traced::default, |(placed, at, part)| {
        Traced::from(placed.name())
            .and(", the fastest, spends ")
            .and(share_of(*placed, at, part.share))
            .and(" of its time on ")
            .and(part.part.name())
            .and(".")
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
                    (part.name())
                }
            }
        }
    }
}

fn stack(placed: Placed<'_>, why: &Why, time: f64, x: Scale, top: f64) -> Markup {
    let mut end = 0.0;
    let spans: Vec<(Figure, Part, f64, f64)> = why
        .parts
        .iter()
        .enumerate()
        .map(|(at, share)| {
            let start = end;
            end += share.share;
            (share_of(placed, at, share.share), share.part, start, end)
        })
        .collect();
    html! {
        @for (share, part, start, end) in spans {
            @let (from, to) = (x.at(start * time), x.at(end * time));
            g {
                (hover(Traced::from(part.name()).and(": ").and(share)))
                (bar(class(part), from, top, to - from, 14.0))
            }
        }
    }
}

fn share_of(placed: Placed<'_>, at: usize, share: f64) -> Figure {
    let pointer = placed.pointer(&format!("why/parts/{at}/share"));
    Figure::new(pointer, Some(format!("{:.1}%", 100.0 * share)))
}

fn class(part: Part) -> &'static str {
    match part {
        Part::Upload => "part p0",
        Part::Kernels => "part p1",
        Part::Gaps => "part p2",
        Part::ReadBack => "part p3",
    }
}

fn figures(rows: &[(Placed<'_>, &Why, f64)]) -> Table {
    let parts = [Part::Upload, Part::Kernels, Part::Gaps, Part::ReadBack];
    let line = |(placed, why, time): &(Placed<'_>, &Why, f64)| {
        let of_part = |wanted: Part| {
            let mut known = why.parts.iter();
            let at = known.position(|share| share.part == wanted);
            at.map_or_else(
                || Figure::new(String::new(), None),
                |at| share_of(*placed, at, why.parts[at].share),
            )
        };
        let time = Figure::time(placed.pointer("end_to_end_ns"), Some(*time));
        let figures = parts.map(of_part).into_iter().chain([time]);
        (label(&placed.name()), figures.collect())
    };
    let names = parts.map(Part::name);
    let header: Vec<&str> = ["precision"]
        .into_iter()
        .chain(names)
        .chain(["end to end"])
        .collect();
    figure::table(&header, rows.iter().map(line).collect())
}
