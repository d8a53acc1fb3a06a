//! The distribution of the times of single passes.

use maud::{Markup, html};

use super::super::figure::{self, Figure, Traced};
use super::super::plot::{Anchor, Chart, Frame, WIDTH, bar, hover, line, words, x_axis};
use super::super::scale::Scale;
use super::super::series::short;
use super::super::text_width::{beside, width};
use super::super::view::{Batch, Placed, View};
use super::format::tidy;
use crate::stats::Samples;
use crate::units::duration;

/// The height of one precision's band.
const BAND: f64 = 50.0;
/// The columns of a histogram.
const BINS: usize = 48;
const TOP: f64 = 8.0;
const LEFT: f64 = 8.0;

/// One batch size; none where nothing was measured.
pub fn chart(view: &View<'_>, batch: &Batch<'_>) -> Option<Chart> {
    let rows: Vec<(Placed<'_>, &Samples)> = batch
        .measured()
        .filter_map(|placed| Some((placed, placed.row.wall_ns.as_ref()?)))
        .collect();
    let least = rows.iter().map(|(_, wall)| wall.min).min()?.max(1) as f64;
    let most = rows
        .iter()
        .map(|(_, wall)| wall.p99.max(wall.median))
        .max()?
        .max(1) as f64;
    let frame = Frame {
        left: LEFT,
        right: WIDTH - 14.0,
        top: TOP,
        bottom: TOP + BAND * rows.len() as f64,
    };
    let x = Scale::log(least / 1.05, most * 1.1, frame.left, frame.right);
    let drawing = html! {
        (x_axis(frame, x, &x.ticks(4), |tick| tidy(&duration(tick)), "time of one pass"))
        @for (band, (placed, wall)) in rows.iter().enumerate() {
            (histogram(view, *placed, wall, x, TOP + BAND * (band + 1) as f64))
        }
    };
    let described: Vec<Traced> = rows
        .iter()
        .map(|(placed, wall)| {
            let of = |field: &str, value: u64| {
                Figure::time(
                    placed.pointer(&format!("wall_ns/{field}")),
                    Some(value as f64),
                )
            };
            Traced::from(placed.name())
                .and(": median ")
                .and(of("median", wall.median))
                .and(", 90% within ")
                .and(of("p90", wall.p90))
                .and(", 99% within ")
                .and(of("p99", wall.p99))
        })
        .collect();
    Some(Chart {
        id: format!("latency-{}", batch.id()),
        title: batch.title(),
        summary: Traced::joined(described, "; "),
        height: frame.bottom + 38.0,
        drawing,
        note: None,
        figures: figures(view, &rows),
    })
}

/// The samples up to the axis's end, and ticks at the median and at p99.
fn histogram(view: &View<'_>, placed: Placed<'_>, wall: &Samples, x: Scale, bottom: f64) -> Markup {
    let name = &placed.name();
    let (from, to) = x.ends();
    let mut counts = [0_usize; BINS];
    for &sample in wall.samples.iter().filter(|&&sample| sample as f64 <= to) {
        let share = (sample.max(1) as f64 / from).ln() / (to / from).ln();
        counts[((share * BINS as f64) as usize).min(BINS - 1)] += 1;
    }
    let highest = counts.iter().copied().max().unwrap_or(1).max(1) as f64;
    let class = format!("fill {}", view.series.class(name));
    let mark = format!("whisker {}", view.series.class(name));
    let (median, p99) = (x.at(wall.median as f64), x.at(wall.p99 as f64));
    let place = |bin: usize| x.at(x.figure_at(bin as f64 / BINS as f64));
    let time = Figure::time(placed.pointer("wall_ns/median"), Some(wall.median as f64));
    let label = Traced::from(short(name)).and("  ").and(&time);
    // The text is behind the median where it fits: the tail is to the right.
    let at = beside(median, 4.0, width(&label.text), (LEFT, WIDTH - 4.0));
    html! {
        g {
            (hover(Traced::from(name.as_str()).and(": median ").and(&time)))
            (line("axis", (LEFT, bottom), (WIDTH - 14.0, bottom)))
            @for (bin, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
                @let height = (BAND - 20.0) * count as f64 / highest;
                (bar(&class, place(bin), bottom - height, place(bin + 1) - place(bin) - 0.4, height))
            }
            (line(&mark, (median, bottom - BAND + 16.0), (median, bottom)))
            (line(&format!("{mark} dashed"), (p99, bottom - 12.0), (p99, bottom)))
        }
        (words(at, bottom - BAND + 22.0, Anchor::Start, "label halo", label))
    }
}

fn figures(view: &View<'_>, rows: &[(Placed<'_>, &Samples)]) -> Markup {
    let lines: Vec<_> = rows
        .iter()
        .map(|(placed, wall)| {
            let of = |field: &str, value: f64| {
                Figure::time(placed.pointer(&format!("wall_ns/{field}")), Some(value))
            };
            let figures = vec![
                of("min", wall.min as f64),
                of("median", wall.median as f64),
                of("mean", wall.mean),
                of("stddev", wall.stddev),
                of("p90", wall.p90 as f64),
                of("p99", wall.p99 as f64),
            ];
            (view.series.label(&placed.name()), figures)
        })
        .collect();
    let header = [
        "precision",
        "least",
        "median",
        "mean",
        "standard deviation",
        "90% within",
        "99% within",
    ];
    figure::table(&header, &lines)
}
