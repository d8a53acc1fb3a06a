//! The distribution of the times of single passes.

use maud::{Markup, html};

use super::super::figure::{self, Figure, Table, Traced};
use super::super::plot::{Anchor, Chart, Frame, WIDTH, hover, line, words, x_axis};
use super::super::scale::Scale;
use super::super::series::{class, label, n, short};
use super::super::text_width::{beside, width};
use super::super::view::{Batch, Placed};
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
pub fn chart(batch: &Batch<'_>) -> Option<Chart> {
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
            (histogram(*placed, wall, x, TOP + BAND * (band + 1) as f64))
        }
    };
    Some(Chart {
        id: format!("latency-{}", batch.id()),
        title: batch.titled("Latency"),
        shows: shows(&rows),
        height: frame.bottom + 38.0,
        drawing,
        note: None,
        figures: figures(&rows),
    })
}

/// The row whose slow passes are furthest from its median.
fn shows(rows: &[(Placed<'_>, &Samples)]) -> Traced {
    let tail = |wall: &Samples| wall.p99 as f64 / wall.median.max(1) as f64;
    let longest = rows.iter().max_by(|a, b| tail(a.1).total_cmp(&tail(b.1)));
    longest.map_or_else(Traced::default, |(placed, wall)| {
        let of = |field: &str, value: u64| {
            let pointer = placed.pointer(&format!("wall_ns/{field}"));
            Figure::time(pointer, Some(value as f64))
        };
        Traced::from(placed.name())
            .and(" varies most: half of its passes take at most ")
            .and(of("median", wall.median))
            .and(", and 99% within ")
            .and(of("p99", wall.p99))
            .and(".")
    })
}

/// The samples up to the axis's end, and ticks at the median and at p99.
fn histogram(placed: Placed<'_>, wall: &Samples, x: Scale, bottom: f64) -> Markup {
    let name = &placed.name();
    let (from, to) = x.ends();
    let mut counts = [0_usize; BINS];
    for &sample in wall.samples.iter().filter(|&&sample| sample as f64 <= to) {
        let share = (sample.max(1) as f64 / from).ln() / (to / from).ln();
        counts[((share * BINS as f64) as usize).min(BINS - 1)] += 1;
    }
    let highest = counts.iter().copied().max().unwrap_or(1).max(1) as f64;
    let fill = format!("fill {}", class(name));
    let mark = format!("whisker {}", class(name));
    let (median, p99) = (x.at(wall.median as f64), x.at(wall.p99 as f64));
    let place = |bin: usize| x.at(x.figure_at(bin as f64 / BINS as f64));
    // One path for all bars: a rectangle for each would be most of the page.
    let filled = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    let bars: Vec<String> = filled
        .map(|(bin, &count)| {
            let height = (BAND - 20.0) * count as f64 / highest;
            let width = n(place(bin + 1) - place(bin) - 0.4);
            let (left, top) = (n(place(bin)), n(bottom - height));
            format!("M{left} {top}h{width}v{}h-{width}z", n(height))
        })
        .collect();
    let bars = bars.concat();
    let time = Figure::time(placed.pointer("wall_ns/median"), Some(wall.median as f64));
    let words_of_median = Traced::from(short(name)).and("  ").and(&time);
    // The text is behind the median where it fits: the tail is to the right.
    let at = beside(
        median,
        4.0,
        width(&words_of_median.text),
        (LEFT, WIDTH - 4.0),
    );
    html! {
        g {
            (hover(Traced::from(name.as_str()).and(": median ").and(&time)))
            (line("axis", (LEFT, bottom), (WIDTH - 14.0, bottom)))
            path class=(fill) d=(bars) {}
            (line(&mark, (median, bottom - BAND + 16.0), (median, bottom)))
            (line(&format!("{mark} dashed"), (p99, bottom - 12.0), (p99, bottom)))
        }
        (words(at, bottom - BAND + 22.0, Anchor::Start, "label halo", words_of_median))
    }
}

fn figures(rows: &[(Placed<'_>, &Samples)]) -> Table {
    let lines: Vec<_> = rows
        .iter()
        .map(|(placed, wall)| {
            let of = |field: &str, value: f64| {
                Figure::time(placed.pointer(&format!("wall_ns/{field}")), Some(value))
            };
            let figures = vec![
                of("min", wall.min as f64),
                of("median", wall.median as f64),
                of("p90", wall.p90 as f64),
                of("p99", wall.p99 as f64),
            ];
            (label(&placed.name()), figures)
        })
        .collect();
    let header = ["precision", "least", "median", "90% within", "99% within"];
    figure::table(&header, lines)
}
