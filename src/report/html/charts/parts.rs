//! Where the time of a batch goes.

use maud::{Markup, html};

use super::super::figure::{self, Figure, Traced};
use super::super::plot::{Anchor, Chart, Frame, WIDTH, bar, hover, words, x_axis};
use super::super::scale::Scale;
use super::super::text_width::fitted;
use super::super::view::{Batch, Placed, View};
use super::format::tidy;
use crate::results::{Part, Why};
use crate::units::duration;

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
        (x_axis(frame, x, &x.ticks(4), |tick| tidy(&duration(tick)), "time of a batch, end to end"))
        @for (band, (placed, why, time)) in rows.iter().enumerate() {
            @let top = TOP + BAND * band as f64;
            (words(LEFT, top + 10.0, Anchor::Start, "label", fitted(&placed.name(), WIDTH - 2.0 * LEFT)))
            (stack(*placed, why, *time, x, top + 14.0))
        }
    };
    let texts: Vec<Traced> = rows
        .iter()
        .map(|(placed, why, _)| {
            let text = Traced::quoted(placed.pointer("why/text"), &why.text);
            Traced::from(placed.name()).and(": ").and(text)
        })
        .collect();
    Some(Chart {
        id: format!("parts-{}", batch.id()),
        title: batch.title(),
        summary: Traced::joined(texts, " "),
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

fn figures(view: &View<'_>, rows: &[(Placed<'_>, &Why, f64)]) -> Markup {
    let mut lines = Vec::new();
    for (placed, why, time) in rows {
        for (at, share) in why.parts.iter().enumerate() {
            let figures = vec![
                Figure::new(
                    placed.pointer(&format!("why/parts/{at}/part")),
                    Some(share.part.name().to_owned()),
                ),
                share_of(*placed, at, share.share),
                Figure::time(placed.pointer("end_to_end_ns"), Some(*time)),
            ];
            lines.push((view.series.label(&placed.name()), figures));
        }
    }
    figure::table(&["precision", "part", "share", "of"], &lines)
}
