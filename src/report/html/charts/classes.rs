//! The accuracy of each class, and how a precision changes it.

use maud::{Markup, html};

use super::super::figure::{self, Figure, Table, Traced};
use super::super::plot::{Anchor, Chart, Frame, WIDTH, line, words, x_axis};
use super::super::scale::Scale;
use super::super::series::{class as colour, mark};
use super::super::view::{Batch, Placed, View};
use super::format::tidy;
use crate::results::ClassAccuracy;

/// From the mark of one precision to that of the next.
const STEP: f64 = 4.8;
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
    let layout = Layout::new(classes, rows.len());
    let frame = layout.frame();
    let x = Scale::linear((least - 0.04).max(0.0), 1.0, frame.left, frame.right);
    let drawing = html! {
        (x_axis(frame, x, &x.ticks(5), |tick| format!("{}%", tidy(&format!("{:.1}", 100.0 * tick))), "images of the class with the correct label"))
        (names(view, layout))
        @for (row, known) in rows.iter().enumerate() {
            @for class in 0..classes {
                @if let Some(share) = known.classes[class].accuracy {
                    (mark(&known.placed.name(), x.at(share), layout.mark(class, row), 3.0))
                }
            }
        }
    };
    let hardest = first.placed.row.hardest_class;
    Some(Chart {
        id: format!("classes-{}", batch.id()),
        title: "Accuracy by class".into(),
        shows: hardest.map_or_else(Traced::default, |class| {
            Traced::from("In ")
                .and(first.placed.name())
                .and(" the hardest class is ")
                .and(view.quoted_class(class))
                .and(": ")
                .and(first.accuracy(class))
                .and(" of its images get the correct label.")
        }),
        height: frame.bottom + 38.0,
        drawing,
        note: None,
        figures: figures(view, &rows, "correct in", Known::correct),
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
    let layout = Layout::new(classes, others.len());
    let frame = layout.frame();
    let x = Scale::linear(-1.15 * most, 1.15 * most, frame.left, frame.right);
    let drawing = html! {
        (x_axis(frame, x, &whole(&x.ticks(5)), signed, "correct labels more than f32"))
        (names(view, layout))
        (line("zero", (x.at(0.0), frame.top), (x.at(0.0), frame.bottom)))
        @for (row, known) in others.iter().enumerate() {
            @let name = known.placed.name();
            @for class in 0..classes {
                @let change = known.change(class);
                @let y = layout.mark(class, row);
                @if change != 0.0 { (line(&format!("stem {}", colour(&name)), (x.at(0.0), y), (x.at(change), y))) }
                (mark(&name, x.at(change), y, 3.0))
            }
        }
    };
    Some(Chart {
        id: format!("class-changes-{}", batch.id()),
        title: "Change from f32".into(),
        shows: most_changed(view, &others),
        height: frame.bottom + 38.0,
        drawing,
        note: None,
        figures: figures(view, &others, "change in", Known::change_figure),
    })
}

/// Where the classes and the marks of their precisions are.
#[derive(Clone, Copy)]
struct Layout {
    classes: usize,
    rows: usize,
    /// The height of a class.
    band: f64,
}

impl Layout {
    fn new(classes: usize, rows: usize) -> Self {
        let band = (6.0 + STEP * rows as f64).max(20.0);
        Self {
            classes,
            rows,
            band,
        }
    }

    fn frame(self) -> Frame {
        Frame {
            left: LEFT,
            right: WIDTH - 14.0,
            top: TOP,
            bottom: TOP + self.band * self.classes as f64,
        }
    }

    fn middle(self, class: usize) -> f64 {
        TOP + self.band * (class as f64 + 0.5)
    }

    /// The height of a row's mark: those of one class are one under the other.
    fn mark(self, class: usize, row: usize) -> f64 {
        self.middle(class) + STEP * (row as f64 - (self.rows as f64 - 1.0) / 2.0)
    }
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

fn names(view: &View<'_>, layout: Layout) -> Markup {
    html! {
        @for class in 0..layout.classes {
            @let y = layout.middle(class);
            (line("grid", (LEFT, y), (WIDTH - 14.0, y)))
            (words(LEFT - 8.0, y + 3.5, Anchor::End, "tick", view.short_class(class, 14)))
        }
    }
}

/// The largest change of a class.
fn most_changed(view: &View<'_>, others: &[Known<'_>]) -> Traced {
    let all = others.iter().flat_map(|known| {
        let of_class = move |class| (known, class, known.change(class));
        (0..known.classes.len()).map(of_class)
    });
    let largest = all.reduce(|a, b| if b.2.abs() > a.2.abs() { b } else { a });
    match largest {
        Some((known, class, change)) if change != 0.0 => view
            .quoted_class(class)
            .and(" in ")
            .and(known.placed.name())
            .and(" changes most: ")
            .and(known.change_figure(class))
            .and(" correct labels."),
        _ => "No class has more or fewer correct labels than in f32.".into(),
    }
}

/// The number of images of each class, and one figure of each precision.
fn figures<'a>(
    view: &View<'_>,
    rows: &[Known<'a>],
    what: &str,
    figure: fn(&Known<'a>, usize) -> Figure,
) -> Table {
    let classes = rows.first().map_or(0, |known| known.classes.len());
    let line = |class: usize| {
        let of_first = rows.iter().take(1).map(|known| {
            let images = known.classes[class].images as u64;
            Figure::count(known.of(class, "images"), Some(images))
        });
        let figures = of_first.chain(rows.iter().map(|known| figure(known, class)));
        (view.quoted_class(class).inline(), figures.collect())
    };
    let names: Vec<String> = rows
        .iter()
        .map(|known| format!("{what} {}", known.placed.name()))
        .collect();
    let header = ["class", "images"].into_iter();
    let header: Vec<&str> = header.chain(names.iter().map(String::as_str)).collect();
    figure::table(&header, (0..classes).map(line).collect())
}
