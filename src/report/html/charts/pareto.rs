//! Accuracy against time, with memory as the size of the marks.

use maud::html;

use super::super::figure::{self, Figure, Table, Traced};
use super::super::plot::{
    Anchor, Chart, Frame, NAMED, WIDTH, hover, line, spread, words, x_axis, y_axis,
};
use super::super::scale::Scale;
use super::super::series::{class, label, mark, n, short};
use super::super::text_width::width;
use super::super::view::{Batch, Placed};
use super::format::tidy;
use crate::units::{duration, points as by};

const FRAME: Frame = Frame {
    left: 52.0,
    right: WIDTH - 14.0,
    top: 28.0,
    bottom: 208.0,
};

/// The radius of the largest mark, and the least.
const RADIUS: (f64, f64) = (15.0, 4.0);

/// A row as a point.
struct Point<'a> {
    placed: Placed<'a>,
    name: String,
    time: f64,
    accuracy: f64,
    low: f64,
    high: f64,
    bytes: u64,
}

/// One batch size; none where nothing was measured.
pub fn chart(batch: &Batch<'_>) -> Option<Chart> {
    let points: Vec<Point<'_>> = batch.measured().filter_map(point).collect();
    if points.is_empty() {
        return None;
    }
    let (x, y) = scales(&points);
    let largest = points
        .iter()
        .map(|point| point.bytes)
        .max()
        .unwrap_or(1)
        .max(1) as f64;
    let radius =
        |point: &Point<'_>| (RADIUS.0 * (point.bytes as f64 / largest).sqrt()).max(RADIUS.1);
    let front = front(&points);
    let path: Vec<String> = front
        .iter()
        .map(|&at| {
            format!(
                "{},{}",
                n(x.at(points[at].time)),
                n(y.at(points[at].accuracy))
            )
        })
        .collect();
    // Above their intervals, side by side: the marks may overlap.
    let wanted: Vec<f64> = points.iter().map(|point| x.at(point.time)).collect();
    let widths = points.iter().map(|point| width(short(&point.name)));
    let widest = widths.fold(0.0, f64::max);
    let labels = spread(&wanted, 6.0 + widest, WIDTH - 2.0 - widest / 2.0);
    // If there are too many, or too long ones, only the legend names them.
    let named = points.len() <= NAMED && labels.iter().all(|&at| at >= FRAME.left + widest / 2.0);
    let drawing = html! {
        (y_axis(FRAME, y, &y.ticks(5), tidy_percent, "accuracy"))
        (x_axis(FRAME, x, &x.ticks(4), |tick| tidy(&duration(tick)), "time of a batch, end to end"))
        polyline.front points=(path.join(" ")) {}
        @for (point, at) in points.iter().zip(&labels) {
            @let (px, py) = (x.at(point.time), y.at(point.accuracy));
            @let whisker = format!("whisker {}", class(&point.name));
            g {
                (hover(describe(point)))
                (line(&whisker, (px, y.at(point.low)), (px, y.at(point.high))))
                (mark(&point.name, px, py, radius(point)))
            }
            @if named {
                (words(*at, y.at(point.high) - 5.0, Anchor::Middle, "label", short(&point.name)))
            }
        }
    };
    Some(Chart {
        id: format!("pareto-{}", batch.id()),
        title: batch.titled("Trade-off"),
        shows: shows(&points),
        height: FRAME.bottom + 38.0,
        drawing,
        note: None,
        figures: figures(&points),
    })
}

fn point(placed: Placed<'_>) -> Option<Point<'_>> {
    let (row, accuracy) = (placed.row, placed.row.accuracy?);
    let interval = row.accuracy_interval.as_ref();
    Some(Point {
        placed,
        name: placed.name(),
        time: row.end_to_end_ns? as f64,
        accuracy,
        low: interval.map_or(accuracy, |interval| interval.low),
        high: interval.map_or(accuracy, |interval| interval.high),
        bytes: row.memory.device_allocated_bytes?,
    })
}

/// Axes around all points. Times that differ by a large factor get a logarithmic axis.
fn scales(points: &[Point<'_>]) -> (Scale, Scale) {
    let least = |value: fn(&Point<'_>) -> f64| points.iter().map(value).fold(f64::MAX, f64::min);
    let most = |value: fn(&Point<'_>) -> f64| points.iter().map(value).fold(f64::MIN, f64::max);
    let (low, high) = (least(|p| p.time), most(|p| p.time));
    let x = if high > 4.0 * low {
        Scale::log(low / 1.6, high * 1.6, FRAME.left, FRAME.right)
    } else {
        let space = 0.16 * high;
        Scale::linear(
            (low - space).max(0.0),
            high + space,
            FRAME.left,
            FRAME.right,
        )
    };
    let (low, high) = (least(|p| p.low), most(|p| p.high));
    let space = (0.12 * (high - low)).max(0.002);
    let y = Scale::linear(
        (low - space).max(0.0),
        (high + space).min(1.0),
        FRAME.bottom,
        FRAME.top,
    );
    (x, y)
}

/// The fastest, beside f32.
fn shows(points: &[Point<'_>]) -> Traced {
    let fastest = points.iter().min_by(|a, b| a.time.total_cmp(&b.time));
    fastest.map_or_else(Traced::default, |point| {
        let (placed, row) = (point.placed, point.placed.row);
        let traced = Traced::from(point.name.as_str()).and(" is the fastest: ");
        let beside = row.speed_vs_f32.as_ref().zip(row.accuracy_points_vs_f32);
        match beside.filter(|_| point.name != "f32") {
            Some((speed, change)) => {
                let ratio = Some(format!("{:.2}", speed.value));
                let change =
                    Figure::new(placed.pointer("accuracy_points_vs_f32"), Some(by(change)));
                traced
                    .and(Figure::new(placed.pointer("speed_vs_f32/value"), ratio))
                    .and(" times as fast as f32, with an accuracy that differs by ")
                    .and(change)
                    .and(" points.")
            }
            None => traced
                .and("a batch takes ")
                .and(point.time_figure())
                .and(", and ")
                .and(point.accuracy_figure())
                .and(" of the labels are correct."),
        }
    })
}

/// The points that no other beats in both, by time.
fn front(points: &[Point<'_>]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by(|&a, &b| {
        let by_time = points[a].time.total_cmp(&points[b].time);
        by_time.then(points[b].accuracy.total_cmp(&points[a].accuracy))
    });
    let mut best = f64::MIN;
    order.retain(|&at| {
        let better = points[at].accuracy > best;
        best = best.max(points[at].accuracy);
        better
    });
    order
}

fn describe(point: &Point<'_>) -> Traced {
    Traced::from(point.name.as_str())
        .and(": ")
        .and(point.accuracy_figure())
        .and(" in ")
        .and(point.time_figure())
        .and(", ")
        .and(point.bytes_figure())
}

impl Point<'_> {
    fn accuracy_figure(&self) -> Figure {
        Figure::percent(self.placed.pointer("accuracy"), Some(self.accuracy))
    }

    fn time_figure(&self) -> Figure {
        Figure::time(self.placed.pointer("end_to_end_ns"), Some(self.time))
    }

    fn bytes_figure(&self) -> Figure {
        Figure::bytes(
            self.placed.pointer("memory/device_allocated_bytes"),
            Some(self.bytes),
        )
    }
}

fn tidy_percent(share: f64) -> String {
    tidy(&format!("{:.2} %", 100.0 * share)).replace(' ', "")
}

fn figures(points: &[Point<'_>]) -> Table {
    let lines: Vec<_> = points
        .iter()
        .map(|point| {
            let (placed, row) = (point.placed, point.placed.row);
            let interval = row.accuracy_interval.as_ref();
            let figures = vec![
                point.time_figure(),
                point.accuracy_figure(),
                Figure::percent(
                    placed.pointer("accuracy_interval/low"),
                    interval.map(|i| i.low),
                ),
                Figure::percent(
                    placed.pointer("accuracy_interval/high"),
                    interval.map(|i| i.high),
                ),
                point.bytes_figure(),
            ];
            (label(&point.name), figures)
        })
        .collect();
    let header = [
        "precision",
        "end to end",
        "accuracy",
        "from (95%)",
        "to",
        "memory",
    ];
    figure::table(&header, lines)
}
