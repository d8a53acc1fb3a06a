//! Accuracy class by class, and what a precision changes of it.

use maud::{Markup, html};

use super::super::plot::{Anchor, Chart, Frame, WIDTH, line, words, x_axis};
use super::super::scale::Scale;
use super::super::view::{Batch, Placed, View};
use super::tidy;
use crate::units::{count, percent};

const BAND: f64 = 22.0;
const TOP: f64 = 8.0;
const LEFT: f64 = 96.0;

/// A row's confusion.
type Known<'a> = (Placed<'a>, &'a [Vec<usize>]);

fn known<'a>(batch: &Batch<'a>) -> Vec<Known<'a>> {
    batch
        .measured()
        .filter_map(|placed| Some((placed, placed.row.confusion.as_deref()?)))
        .collect()
}

/// The share of a class's images that are labelled right; none of a class without images.
fn accuracy(confusion: &[Vec<usize>], class: usize) -> Option<f64> {
    let total: usize = confusion[class].iter().sum();
    (total > 0).then(|| confusion[class][class] as f64 / total as f64)
}

/// Accuracy by class, a mark for each precision; none where no confusion is known.
pub fn accuracies(view: &View<'_>, batch: &Batch<'_>) -> Option<Chart> {
    let rows = known(batch);
    let classes = rows.first()?.1.len();
    let all = rows
        .iter()
        .flat_map(|(_, counts)| (0..classes).filter_map(|class| accuracy(counts, class)));
    let least = all.fold(1.0, f64::min);
    let frame = frame(classes);
    let x = Scale::linear((least - 0.04).max(0.0), 1.0, frame.left, frame.right);
    let drawing = html! {
        (x_axis(frame, x, &x.ticks(5), |tick| format!("{}%", tidy(&format!("{:.1}", 100.0 * tick))), "images of the class that are labelled right"))
        (names(view, classes))
        @for (row, (placed, counts)) in rows.iter().enumerate() {
            @for class in 0..classes {
                @if let Some(share) = accuracy(counts, class) {
                    g {
                        title { (view.class(class)) ", " (placed.name()) ": " (percent(share)) }
                        // Side by side where they would hide each other.
                        (view.series.mark(&placed.name(), x.at(share), middle(class) + offset(row, rows.len()), 3.6))
                    }
                }
            }
        }
    };
    let worst = worst(&rows[0], classes);
    Some(Chart {
        id: format!("classes-{}", batch.size),
        title: "Accuracy by class".to_owned(),
        summary: worst.map_or_else(String::new, |(class, share)| {
            let name = rows[0].0.name();
            format!(
                "In {name} the hardest class is {} with {}.",
                view.class(class),
                percent(share)
            )
        }),
        height: frame.bottom + 38.0,
        drawing,
        note: None,
        figures: figures(view, &rows),
    })
}

/// How many more images of each class are labelled right than in f32; none where there is nothing to compare.
pub fn changes(view: &View<'_>, batch: &Batch<'_>) -> Option<Chart> {
    let rows = known(batch);
    let f32 = rows.iter().find(|(placed, _)| placed.name() == "f32")?.1;
    let others: Vec<Known<'_>> = rows
        .iter()
        .copied()
        .filter(|(placed, _)| placed.name() != "f32")
        .collect();
    let classes = f32.len();
    let change = |counts: &[Vec<usize>], class: usize| {
        counts[class][class] as f64 - f32[class][class] as f64
    };
    let all = others
        .iter()
        .flat_map(|(_, counts)| (0..classes).map(|class| change(counts, class).abs()));
    let most = all.reduce(f64::max)?.max(1.0);
    let frame = frame(classes);
    let x = Scale::linear(-1.15 * most, 1.15 * most, frame.left, frame.right);
    let drawing = html! {
        (x_axis(frame, x, &whole(&x.ticks(5)), signed, "images more than f32 labelled right"))
        (names(view, classes))
        (line("zero", (x.at(0.0), frame.top), (x.at(0.0), frame.bottom)))
        @for (row, (placed, counts)) in others.iter().enumerate() {
            @for class in 0..classes {
                @let change = change(counts, class);
                @let y = middle(class) + offset(row, others.len());
                g {
                    title { (view.class(class)) ", " (placed.name()) ": " (signed(change)) }
                    (line(&format!("stem {}", view.series.class(&placed.name())), (x.at(0.0), y), (x.at(change), y)))
                    (view.series.mark(&placed.name(), x.at(change), y, 3.4))
                }
            }
        }
    };
    let described: Vec<String> = others
        .iter()
        .map(|(placed, counts)| {
            let parts = (0..classes).filter(|&class| change(counts, class) != 0.0);
            let parts: Vec<String> = parts
                .map(|class| format!("{} {}", view.class(class), signed(change(counts, class))))
                .collect();
            let parts = if parts.is_empty() {
                "no class changes".to_owned()
            } else {
                parts.join(", ")
            };
            format!("{}: {parts}", placed.name())
        })
        .collect();
    Some(Chart {
        id: format!("class-changes-{}", batch.size),
        title: "What changes from f32".to_owned(),
        summary: described.join("; "),
        height: frame.bottom + 38.0,
        drawing,
        note: None,
        figures: figures(view, &rows),
    })
}

fn frame(classes: usize) -> Frame {
    Frame {
        left: LEFT,
        right: WIDTH - 14.0,
        top: TOP,
        bottom: TOP + BAND * classes as f64,
    }
}

fn middle(class: usize) -> f64 {
    TOP + BAND * (class as f64 + 0.5)
}

/// Marks of one class one under the other.
fn offset(row: usize, rows: usize) -> f64 {
    let step = (0.72 * BAND / rows.max(1) as f64).min(5.5);
    step * (row as f64 - (rows - 1) as f64 / 2.0)
}

fn whole(ticks: &[f64]) -> Vec<f64> {
    ticks
        .iter()
        .copied()
        .filter(|tick| tick.fract() == 0.0)
        .collect()
}

fn signed(change: f64) -> String {
    match change {
        0.0 => "0".to_owned(),
        change if change < 0.0 => format!("−{:.0}", -change),
        change => format!("+{change:.0}"),
    }
}

fn names(view: &View<'_>, classes: usize) -> Markup {
    html! {
        @for class in 0..classes {
            (line("grid", (LEFT, middle(class)), (WIDTH - 14.0, middle(class))))
            (words(LEFT - 8.0, middle(class) + 3.5, Anchor::End, "tick", &view.short_class(class, 14)))
        }
    }
}

fn worst((_, counts): &Known<'_>, classes: usize) -> Option<(usize, f64)> {
    let all = (0..classes).filter_map(|class| Some((class, accuracy(counts, class)?)));
    all.min_by(|(_, a), (_, b)| a.total_cmp(b))
}

/// Counts, as the JSON has them: of each class how many images, and how many each precision labels right.
fn figures(view: &View<'_>, rows: &[Known<'_>]) -> Markup {
    let classes = rows.first().map_or(0, |(_, counts)| counts.len());
    html! {
        table {
            thead {
                tr {
                    th scope="col" { "class" }
                    th scope="col" { "images" }
                    @for (placed, _) in rows { th scope="col" { "right in " (placed.name()) } }
                }
            }
            tbody {
                @for class in 0..classes {
                    tr {
                        th scope="row" { (view.class(class)) }
                        td.number { (count(rows[0].1[class].iter().sum::<usize>() as u64)) }
                        @for (placed, counts) in rows {
                            td.number data-json=(placed.pointer(&format!("confusion/{class}/{class}"))) {
                                (count(counts[class][class] as u64))
                            }
                        }
                    }
                }
            }
        }
    }
}
