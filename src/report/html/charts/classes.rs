//! The accuracy of each class, and how a precision changes it.

use maud::{Markup, html};

use super::super::figure::{Figure, Traced};
use super::super::plot::{Anchor, Chart, Frame, WIDTH, hover, line, words, x_axis};
use super::super::scale::Scale;
use super::super::view::{Batch, Placed, View};
use super::format::tidy;
use crate::results::ClassAccuracy;

const BAND: f64 = 22.0;
const TOP: f64 = 8.0;
const LEFT: f64 = 96.0;

/// A row whose classes are known.
#[derive(Clone, Copy)]
struct Known<'a> {
    placed: Placed<'a>,
    classes: &'a [ClassAccuracy],
}

impl Known<'_> {
    fn of(&self, class: usize, field: &str) -> String {
        self.placed
            .pointer(&format!("class_accuracy/{class}/{field}"))
    }

    fn accuracy(&self, class: usize) -> Figure {
        Figure::percent(self.of(class, "accuracy"), self.classes[class].accuracy)
    }

    fn correct(&self, class: usize) -> Figure {
        let correct = self.classes[class].correct as u64;
        Figure::count(self.of(class, "correct"), Some(correct))
    }

    /// How many more images of the class get the correct label than in f32.
    fn change(&self, class: usize) -> f64 {
        self.classes[class].more_than_f32.unwrap_or(0) as f64
    }

    fn change_figure(&self, class: usize) -> Figure {
        let change = signed(self.change(class));
        Figure::new(self.of(class, "more_than_f32"), Some(change))
    }
}

fn known<'a>(batch: &Batch<'a>) -> Vec<Known<'a>> {
    batch
        .measured()
        .filter_map(|placed| {
            let classes = placed.row.class_accuracy.as_deref()?;
            Some(Known { placed, classes })
        })
        .collect()
}

/// Accuracy by class, a mark for each precision; none where no confusion is known.
pub fn accuracies(view: &View<'_>, batch: &Batch<'_>) -> Option<Chart> {
    let rows = known(batch);
    let first = rows.first()?;
    let classes = first.classes.len();
    let all = rows.iter().flat_map(|known| known.classes);
    let all = all.filter_map(|class| class.accuracy);
    let least = all.fold(1.0, f64::min);
    let frame = frame(classes);
    let x = Scale::linear((least - 0.04).max(0.0), 1.0, frame.left, frame.right);
    let drawing = html! {
        (x_axis(frame, x, &x.ticks(5), |tick| format!("{}%", tidy(&format!("{:.1}", 100.0 * tick))), "images of the class with the correct label"))
        (names(view, classes))
        @for (row, known) in rows.iter().enumerate() {
            @for class in 0..classes {
                @if let Some(share) = known.classes[class].accuracy {
                    g {
                        (hover(named(view, known, class).and(known.accuracy(class))))
                        // Side by side where they would hide each other.
                        (view.series.mark(&known.placed.name(), x.at(share), middle(class) + offset(row, rows.len()), 3.6))
                    }
                }
            }
        }
    };
    let hardest = first.placed.row.hardest_class;
    Some(Chart {
        id: format!("classes-{}", batch.id()),
        title: "Accuracy by class".into(),
        summary: hardest.map_or_else(Traced::default, |class| {
            Traced::from("In ")
                .and(first.placed.name())
                .and(" the hardest class is ")
                .and(view.class(class))
                .and(" with ")
                .and(first.accuracy(class))
                .and(".")
        }),
        height: frame.bottom + 38.0,
        drawing,
        note: None,
        figures: figures(view, &rows),
    })
}

/// How many more images of each class get the correct label than in f32; none where there is nothing to compare.
pub fn changes(view: &View<'_>, batch: &Batch<'_>) -> Option<Chart> {
    let rows = known(batch);
    let others: Vec<Known<'_>> = rows
        .iter()
        .copied()
        .filter(|known| known.placed.name() != "f32")
        .filter(|known| known.classes.iter().all(|one| one.more_than_f32.is_some()))
        .collect();
    let classes = others.first()?.classes.len();
    let all = others
        .iter()
        .flat_map(|known| (0..classes).map(|class| known.change(class).abs()));
    let most = all.reduce(f64::max)?.max(1.0);
    let frame = frame(classes);
    let x = Scale::linear(-1.15 * most, 1.15 * most, frame.left, frame.right);
    let drawing = html! {
        (x_axis(frame, x, &whole(&x.ticks(5)), signed, "correct labels more than f32"))
        (names(view, classes))
        (line("zero", (x.at(0.0), frame.top), (x.at(0.0), frame.bottom)))
        @for (row, known) in others.iter().enumerate() {
            @let name = known.placed.name();
            @for class in 0..classes {
                @let change = known.change(class);
                @let y = middle(class) + offset(row, others.len());
                g {
                    (hover(named(view, known, class).and(known.change_figure(class))))
                    (line(&format!("stem {}", view.series.class(&name)), (x.at(0.0), y), (x.at(change), y)))
                    (view.series.mark(&name, x.at(change), y, 3.4))
                }
            }
        }
    };
    let described = others.iter().map(|known| {
        let parts = (0..classes).filter(|&class| known.change(class) != 0.0);
        let part = |class| {
            Traced::from(view.class(class))
                .and(" ")
                .and(known.change_figure(class))
        };
        let parts: Vec<Traced> = parts.map(part).collect();
        let traced = Traced::from(known.placed.name()).and(": ");
        match parts.as_slice() {
            [] => traced.and("no class changes"),
            _ => traced.and(Traced::joined(parts, ", ")),
        }
    });
    Some(Chart {
        id: format!("class-changes-{}", batch.id()),
        title: "Change from f32".into(),
        summary: Traced::joined(described, "; "),
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
            (words(LEFT - 8.0, middle(class) + 3.5, Anchor::End, "tick", view.short_class(class, 14)))
        }
    }
}

fn named(view: &View<'_>, known: &Known<'_>, class: usize) -> Traced {
    Traced::from(view.class(class))
        .and(", ")
        .and(known.placed.name())
        .and(": ")
}

/// The number of images of each class, and how many each precision labels correctly.
fn figures(view: &View<'_>, rows: &[Known<'_>]) -> Markup {
    let classes = rows.first().map_or(0, |known| known.classes.len());
    let images = |class: usize| {
        let of_first = rows.first().map(|known| {
            let images = known.classes[class].images as u64;
            Figure::count(known.of(class, "images"), Some(images))
        });
        of_first.map(|figure| figure.cell())
    };
    html! {
        table {
            thead {
                tr {
                    th scope="col" { "class" }
                    th scope="col" { "images" }
                    @for known in rows { th scope="col" { "correct in " (known.placed.name()) } }
                }
            }
            tbody {
                @for class in 0..classes {
                    tr {
                        th scope="row" { (view.class(class)) }
                        @if let Some(cell) = images(class) { (cell) }
                        @for known in rows { (known.correct(class).cell()) }
                    }
                }
            }
        }
    }
}
