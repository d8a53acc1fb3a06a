//! The roofline: operations per byte against operations per second, under the ceilings that this adapter
//! showed in this run (Williams, Waterman and Patterson, Roofline, 2009).

use maud::{Markup, html};

use super::super::figure::{self, Figure};
use super::super::plot::{Anchor, Chart, Frame, NAMED, WIDTH, line, spread, words, x_axis, y_axis};
use super::super::scale::Scale;
use super::super::series::short;
use super::super::view::{Batch, Placed, View};
use super::tidy;
use crate::bench::Ceiling;
use crate::units::{count, rate};

const FRAME: Frame = Frame {
    left: 46.0,
    right: WIDTH - 14.0,
    top: 28.0,
    bottom: 208.0,
};

/// A row under its ceiling.
struct Point<'a> {
    placed: Placed<'a>,
    name: String,
    ceiling: Ceiling,
    rate: f64,
    intensity: f64,
}

/// One batch size; none where no row has a ceiling.
pub fn chart(view: &View<'_>, batch: &Batch<'_>) -> Option<Chart> {
    let points: Vec<Point<'_>> = batch.measured().filter_map(point).collect();
    let first = points.first()?;
    let copy = points
        .iter()
        .filter_map(|p| p.ceiling.bytes_per_second)
        .reduce(f64::max);
    let (x, y) = scales(&points, copy);
    let mut roofs: Vec<(&str, f64)> = Vec::new();
    for Point { ceiling, .. } in &points {
        if roofs.iter().all(|(name, _)| *name != ceiling.arithmetic) {
            roofs.push((ceiling.arithmetic, ceiling.operations_per_second));
        }
    }
    let wanted: Vec<f64> = points.iter().map(|point| y.at(point.rate) + 3.5).collect();
    let labels = spread(&wanted, 13.0, FRAME.bottom - 4.0);
    let above: Vec<f64> = roofs.iter().map(|(_, rate)| y.at(*rate) - 4.0).collect();
    let above = spread(&above, 12.0, FRAME.bottom);
    let drawing = html! {
        (y_axis(FRAME, y, &y.ticks(5), |tick| tidy(rate(tick, "").trim_end_matches("/s")), "operations per second"))
        (x_axis(FRAME, x, &x.ticks(5), |tick| tidy(&plain(tick)), "operations per byte"))
        @for ((name, best), at) in roofs.iter().zip(&above) {
            (roof(x, y, *best, copy))
            (words(FRAME.right, *at, Anchor::End, "roof-label", &format!("{name} {}", tidy(&rate(*best, "OP")))))
        }
        @if let Some(copy) = copy { (slope(x, y, copy, &roofs)) }
        @for (point, label) in points.iter().zip(&labels) {
            @let (px, py) = (x.at(point.intensity), y.at(point.rate));
            g {
                title { (describe(point)) }
                (view.series.mark(&point.name, px, py, 5.5))
            }
            @if points.len() > NAMED {
                // The legend names them.
            } @else if px > FRAME.right - 60.0 {
                (words(px - 10.0, *label, Anchor::End, "label", short(&point.name)))
            } @else {
                (words(px + 10.0, *label, Anchor::Start, "label", short(&point.name)))
            }
        }
    };
    let described: Vec<String> = points.iter().map(describe).collect();
    let missing = "no ceiling of memory was measured here, so only those of arithmetic are drawn";
    Some(Chart {
        id: format!("roofline-{}", batch.size),
        title: format!("Batch {}", count(first.placed.row.effective.batch as u64)),
        summary: format!("{}.", described.join("; ")),
        height: FRAME.bottom + 38.0,
        drawing,
        note: copy.is_none().then(|| format!("On this device {missing}.")),
        figures: figures(view, &points),
    })
}

fn point(placed: Placed<'_>) -> Option<Point<'_>> {
    let ceiling = placed.row.ceiling?;
    let rate = placed.row.operations_per_second?;
    let intensity = placed.row.operations_per_byte?;
    Some(Point {
        placed,
        name: placed.name(),
        ceiling,
        rate,
        intensity,
    })
}

/// Axes round all points, the ceilings, and the place where memory stops to be the lower of them.
fn scales(points: &[Point<'_>], copy: Option<f64>) -> (Scale, Scale) {
    let intensities = points.iter().map(|point| point.intensity);
    let ridges = points
        .iter()
        .map(|p| copy.map(|copy| p.ceiling.operations_per_second / copy));
    let all: Vec<f64> = intensities.chain(ridges.flatten()).collect();
    let (low, high) = ends(&all);
    let x = Scale::log(low / 3.0, high * 3.0, FRAME.left, FRAME.right);
    let rates = points
        .iter()
        .flat_map(|p| [p.rate, p.ceiling.operations_per_second]);
    let (low, high) = ends(&rates.collect::<Vec<_>>());
    let y = Scale::log(low / 2.5, high * 2.0, FRAME.bottom, FRAME.top);
    (x, y)
}

fn ends(figures: &[f64]) -> (f64, f64) {
    let low = figures.iter().copied().fold(f64::MAX, f64::min);
    (low, figures.iter().copied().fold(f64::MIN, f64::max))
}

/// The most of one arithmetic, from where memory no longer keeps it lower.
fn roof(x: Scale, y: Scale, best: f64, copy: Option<f64>) -> Markup {
    let from = copy.map_or(FRAME.left, |copy| x.at(best / copy));
    line("roof", (from, y.at(best)), (FRAME.right, y.at(best)))
}

/// The most that memory allows: its rate times operations per byte.
fn slope(x: Scale, y: Scale, copy: f64, roofs: &[(&str, f64)]) -> Markup {
    let (left, _) = x.ends();
    let (bottom, _) = y.ends();
    let (_, highest) = ends(&roofs.iter().map(|(_, best)| *best).collect::<Vec<_>>());
    let start = left.max(bottom / copy);
    let (from, to) = (
        (x.at(start), y.at(start * copy)),
        (x.at(highest / copy), y.at(highest)),
    );
    html! {
        (line("roof", from, to))
        (words(from.0 + 12.0,
            from.1 + 5.0, Anchor::Start, "roof-label", &format!("memory {}", tidy(&rate(copy, "B")))))
    }
}

/// Up to three digits, without a unit.
fn plain(figure: f64) -> String {
    if figure >= 10.0 {
        format!("{figure:.0}")
    } else {
        format!("{figure:.2}")
    }
}

fn describe(point: &Point<'_>) -> String {
    format!(
        "{}: {} at {} operations per byte, {:.1}% of the most that {} did",
        point.name,
        rate(point.rate, "OP"),
        plain(point.intensity),
        100.0 * point.ceiling.share,
        point.ceiling.arithmetic
    )
}

fn figures(view: &View<'_>, points: &[Point<'_>]) -> Markup {
    let lines: Vec<_> = points
        .iter()
        .map(
            |Point {
                 placed,
                 name,
                 ceiling,
                 rate: done,
                 intensity,
             }| {
                let of = |field: &str| placed.pointer(&format!("ceiling/{field}"));
                let figures = vec![
                    Figure::new(
                        placed.pointer("operations_per_byte"),
                        Some(plain(*intensity)),
                    ),
                    Figure::new(
                        placed.pointer("operations_per_second"),
                        Some(rate(*done, "OP")),
                    ),
                    Figure::new(of("arithmetic"), Some(ceiling.arithmetic.to_owned())),
                    Figure::new(
                        of("operations_per_second"),
                        Some(rate(ceiling.operations_per_second, "OP")),
                    ),
                    Figure::new(of("share"), Some(format!("{:.1}%", 100.0 * ceiling.share))),
                    Figure::new(
                        of("bytes_per_second"),
                        ceiling.bytes_per_second.map(|copy| rate(copy, "B")),
                    ),
                ];
                (view.series.label(name), figures)
            },
        )
        .collect();
    let header = [
        "precision",
        "operations per byte",
        "operations",
        "arithmetic",
        "its ceiling",
        "share",
        "memory's ceiling",
    ];
    figure::table(&header, &lines)
}
