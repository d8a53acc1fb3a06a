//! The roofline: operations per byte against operations per second, below the ceilings measured in this run (Williams, Waterman and Patterson, Roofline, 2009).

use maud::{Markup, html};

use super::super::figure::{self, Figure, Table, Traced};
use super::super::plot::{
    Anchor, Chart, Frame, NAMED, WIDTH, hover, line, spread, words, x_axis, y_axis,
};
use super::super::scale::Scale;
use super::super::series::{label, mark, short};
use super::super::text_width::{beside, width};
use super::super::view::{Batch, Placed};
use super::format::tidy;
use crate::results::RowCeiling;
use crate::units::rate;

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
    ceiling: RowCeiling,
    rate: f64,
    intensity: f64,
}

/// One batch size; none where no row has a ceiling.
pub fn chart(batch: &Batch<'_>) -> Option<Chart> {
    let points: Vec<Point<'_>> = batch.measured().filter_map(point).collect();
    if points.is_empty() {
        return None;
    }
    // All rows of a batch size have the same ceiling of memory, if any.
    let under_memory = points
        .iter()
        .find(|point| point.ceiling.bytes_per_second.is_some());
    let copy = under_memory.and_then(|point| point.ceiling.bytes_per_second);
    let (x, y) = scales(&points, copy);
    let mut roofs: Vec<&Point<'_>> = Vec::new();
    for point in &points {
        let arithmetic = |roof: &&Point<'_>| roof.ceiling.arithmetic == point.ceiling.arithmetic;
        if !roofs.iter().any(arithmetic) {
            roofs.push(point);
        }
    }
    let wanted: Vec<f64> = points.iter().map(|point| y.at(point.rate) + 3.5).collect();
    let labels = spread(&wanted, 13.0, FRAME.bottom - 4.0);
    let above: Vec<f64> = roofs.iter().map(|roof| y.at(roof.best()) - 4.0).collect();
    let above = spread(&above, 12.0, FRAME.bottom);
    let drawing = html! {
        (y_axis(FRAME, y, &y.ticks(5), |tick| tidy(rate(tick, "").trim_end_matches("/s")), "operations per second"))
        (x_axis(FRAME, x, &x.ticks(5), |tick| tidy(&plain(tick)), "operations per byte"))
        @for (point, at) in roofs.iter().zip(&above) {
            (roof(x, y, point.best(), copy))
            (words(FRAME.right, *at, Anchor::End, "roof-label halo", point.roof_label()))
        }
        @if let Some(point) = under_memory { (slope(x, y, point, &roofs)) }
        @for (point, height) in points.iter().zip(&labels) {
            @let (px, py) = (x.at(point.intensity), y.at(point.rate));
            g {
                (hover(describe(point)))
                (mark(&point.name, px, py, 5.5))
            }
            @if points.len() > NAMED {
                // The legend names them.
            } @else {
                @let name = short(&point.name);
                @let at = beside(px, 10.0, width(name), (FRAME.left, WIDTH - 2.0));
                (words(at, *height, Anchor::Start, "label halo", name))
            }
        }
    };
    let missing = "no ceiling of memory was measured here, so only those of arithmetic are drawn";
    Some(Chart {
        id: format!("roofline-{}", batch.id()),
        title: batch.titled("Roofline"),
        shows: shows(&points),
        height: FRAME.bottom + 38.0,
        drawing,
        note: copy.is_none().then(|| format!("On this device {missing}.")),
        figures: figures(&points),
    })
}

/// The row that comes closest to its ceiling of arithmetic.
fn shows(points: &[Point<'_>]) -> Traced {
    let share = |point: &Point<'_>| point.ceiling.share;
    let closest = points.iter().max_by(|a, b| share(a).total_cmp(&share(b)));
    closest.map_or_else(Traced::default, |point| {
        Traced::from(point.name.as_str())
            .and(" uses the largest share of its arithmetic: end to end, it reaches ")
            .and(point.share_figure())
            .and(" of the ")
            .and(point.arithmetic())
            .and(" rate of the whole device.")
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
fn slope(x: Scale, y: Scale, point: &Point<'_>, roofs: &[&Point<'_>]) -> Markup {
    let copy = point.ceiling.bytes_per_second.unwrap_or(f64::NAN);
    let (left, _) = x.ends();
    let (bottom, _) = y.ends();
    let (_, highest) = ends(&roofs.iter().map(|roof| roof.best()).collect::<Vec<_>>());
    let start = left.max(bottom / copy);
    let (from, to) = (
        (x.at(start), y.at(start * copy)),
        (x.at(highest / copy), y.at(highest)),
    );
    html! {
        (line("roof", from, to))
        (words(from.0 + 12.0,
            (from.1 + 5.0).min(FRAME.bottom - 5.0), Anchor::Start, "roof-label halo", Traced::from("memory ").and(point.copy_figure())))
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

fn describe(point: &Point<'_>) -> Traced {
    Traced::from(point.name.as_str())
        .and(": ")
        .and(point.rate_figure())
        .and(" at ")
        .and(point.intensity_figure())
        .and(" operations per byte, ")
        .and(point.share_figure())
        .and(" of the ")
        .and(point.arithmetic())
        .and(" ceiling")
}

impl Point<'_> {
    /// The most that its arithmetic did, in operations per second.
    fn best(&self) -> f64 {
        self.ceiling.operations_per_second
    }

    fn of(&self, field: &str, text: Option<String>) -> Figure {
        Figure::new(self.placed.pointer(field), text)
    }

    fn rate_figure(&self) -> Figure {
        self.of("operations_per_second", Some(rate(self.rate, "OP")))
    }

    fn intensity_figure(&self) -> Figure {
        self.of("operations_per_byte", Some(plain(self.intensity)))
    }

    fn share_figure(&self) -> Figure {
        let share = format!("{:.1}%", 100.0 * self.ceiling.share);
        self.of("ceiling/share", Some(share))
    }

    fn arithmetic(&self) -> Figure {
        let name = self.ceiling.arithmetic.to_owned();
        self.of("ceiling/arithmetic", Some(name))
    }

    fn best_figure(&self) -> Figure {
        let best = tidy(&rate(self.best(), "OP"));
        self.of("ceiling/operations_per_second", Some(best))
    }

    fn copy_figure(&self) -> Figure {
        let copy = self.ceiling.bytes_per_second;
        let copy = copy.map(|copy| tidy(&rate(copy, "B")));
        self.of("ceiling/bytes_per_second", copy)
    }

    /// What stands over its ceiling.
    fn roof_label(&self) -> Traced {
        self.arithmetic().traced().and(" ").and(self.best_figure())
    }
}

fn figures(points: &[Point<'_>]) -> Table {
    let lines: Vec<_> = points
        .iter()
        .map(|point| {
            let figures = vec![
                point.intensity_figure(),
                point.rate_figure(),
                point.arithmetic(),
                point.best_figure(),
                point.share_figure(),
                point.copy_figure(),
            ];
            (label(&point.name), figures)
        })
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
    figure::table(&header, lines)
}
