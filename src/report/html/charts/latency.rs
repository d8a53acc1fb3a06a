//! How the times of single passes are spread.

use maud::{Markup, html};

use super::super::figure::{self, Figure};
use super::super::plot::{Anchor, Chart, Frame, WIDTH, bar, line, words, x_axis};
use super::super::scale::Scale;
use super::super::series::short;
use super::super::view::{Batch, Placed, View};
use super::tidy;
use crate::bench::Samples;
use crate::units::{count, duration};

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
            (histogram(view, &placed.name(), wall, x, TOP + BAND * (band + 1) as f64))
        }
    };
    let described: Vec<String> = rows
        .iter()
        .map(|(placed, wall)| {
            format!(
                "{}: median {}, 90% within {}, 99% within {}",
                placed.name(),
                duration(wall.median as f64),
                duration(wall.p90 as f64),
                duration(wall.p99 as f64)
            )
        })
        .collect();
    Some(Chart {
        id: format!("latency-{}", batch.size),
        title: format!("Batch {}", count(batch.size as u64)),
        summary: described.join("; "),
        height: frame.bottom + 38.0,
        drawing,
        note: None,
        figures: figures(view, &rows),
    })
}

/// The samples up to the axis's end, and ticks at the median and at p99.
fn histogram(view: &View<'_>, name: &str, wall: &Samples, x: Scale, bottom: f64) -> Markup {
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
    // The words stand where the fewest samples are: the tail is to the right.
    let right = median < f64::midpoint(LEFT, WIDTH);
    html! {
        g {
            title { (name) ": median " (duration(wall.median as f64)) }
            (line("axis", (LEFT, bottom), (WIDTH - 14.0, bottom)))
            @for (bin, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
                @let height = (BAND - 20.0) * count as f64 / highest;
                (bar(&class, place(bin), bottom - height, place(bin + 1) - place(bin) - 0.4, height))
            }
            (line(&mark, (median, bottom - BAND + 16.0), (median, bottom)))
            (line(&format!("{mark} dashed"), (p99, bottom - 12.0), (p99, bottom)))
        }
        @let text = format!("{}  {}", short(name), duration(wall.median as f64));
        @if right {
            (words(median + 4.0, bottom - BAND + 22.0, Anchor::Start, "label halo", &text))
        } @else {
            (words(median - 4.0, bottom - BAND + 22.0, Anchor::End, "label halo", &text))
        }
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
