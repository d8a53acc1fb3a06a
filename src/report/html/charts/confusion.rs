//! Which classes are confused with which.

use maud::{Markup, html};

use super::super::figure::{Figure, Traced};
use super::super::plot::{Anchor, Chart, WIDTH, bar, words};
use super::super::series::n;
use super::super::view::{Placed, View};

const LEFT: f64 = 84.0;
const TOP: f64 = 66.0;
/// Room for the last label, which leans out.
const RIGHT: f64 = 26.0;
/// With more classes than this the numbers do not fit their fields.
const NUMBERED: usize = 12;

/// One row; none where its confusion is not known.
pub fn chart(view: &View<'_>, placed: Placed<'_>) -> Option<Chart> {
    let counts = placed.row.confusion.as_deref()?;
    let classes = counts.len();
    let side = (WIDTH - LEFT - RIGHT) / classes as f64;
    let errors = pairs(counts);
    let most = errors.first().map_or(1, |(.., number)| *number).max(1) as f64;
    let class = view.series.class(&placed.name());
    let drawing = html! {
        (words(LEFT, 10.0, Anchor::Start, "axis-title", "label →"))
        (words(2.0, TOP - 6.0, Anchor::Start, "axis-title", "class ↓"))
        @for label in 0..classes {
            @let x = LEFT + side * (label as f64 + 0.5) + 3.5;
            @let turn = format!("rotate(-50 {} {})", n(x), n(TOP - 5.0));
            text.tick x=(n(x)) y=(n(TOP - 5.0)) transform=(turn) { (view.short_class(label, 9)) }
        }
        @for (truth, line) in counts.iter().enumerate() {
            @let y = TOP + side * truth as f64;
            (words(LEFT - 6.0, y + side / 2.0 + 3.5, Anchor::End, "tick", view.short_class(truth, 13)))
            @for (label, &number) in line.iter().enumerate() {
                @let x = LEFT + side * label as f64;
                (field(&class, (x, y), side, number, if truth == label { None } else { Some(number as f64 / most) }))
                @if classes <= NUMBERED && number > 0 {
                    (words(x + side / 2.0, y + side / 2.0 + 3.2, Anchor::Middle, "cell", number_of(placed, truth, label, number)))
                }
            }
        }
    };
    let worst: Vec<Traced> = errors
        .iter()
        .take(3)
        .map(|(truth, label, number)| {
            number_of(placed, *truth, *label, *number)
                .traced()
                .and(" images of ")
                .and(view.class(*truth))
                .and(" are labelled ")
                .and(view.class(*label))
        })
        .collect();
    Some(Chart {
        id: format!("confusion-{}", placed.at),
        title: placed.name().into(),
        summary: match worst.as_slice() {
            [] => "There are no mistakes.".into(),
            _ => Traced::from("The most frequent mistakes: ")
                .and(Traced::joined(worst, "; "))
                .and("."),
        },
        height: TOP + side * classes as f64 + 4.0,
        drawing,
        note: None,
        figures: figures(view, placed, counts),
    })
}

fn number_of(placed: Placed<'_>, truth: usize, label: usize, number: usize) -> Figure {
    let pointer = placed.pointer(&format!("confusion/{truth}/{label}"));
    Figure::count(pointer, Some(number as u64))
}

/// A field: what is right is plain, a mistake the stronger the more frequent.
fn field(class: &str, at: (f64, f64), side: f64, number: usize, share: Option<f64>) -> Markup {
    let (x, y) = at;
    html! {
        (bar(if share.is_some() { "field" } else { "field right" }, x, y, side - 1.0, side - 1.0))
        @if let Some(share) = share.filter(|_| number > 0) {
            rect class={ "heat " (class) } x=(n(x)) y=(n(y)) width=(n(side - 1.0)) height=(n(side - 1.0))
                fill-opacity=(n(0.08 + 0.62 * share)) {}
        }
    }
}

/// Mistakes by class and label, the most frequent first.
fn pairs(counts: &[Vec<usize>]) -> Vec<(usize, usize, usize)> {
    let mut all = Vec::new();
    for (truth, line) in counts.iter().enumerate() {
        for (label, &number) in line.iter().enumerate() {
            if truth != label && number > 0 {
                all.push((truth, label, number));
            }
        }
    }
    all.sort_by_key(|&(truth, label, number)| (std::cmp::Reverse(number), truth, label));
    all
}

fn figures(view: &View<'_>, placed: Placed<'_>, counts: &[Vec<usize>]) -> Markup {
    html! {
        table {
            thead {
                tr {
                    th scope="col" { "class" }
                    @for label in 0..counts.len() { th scope="col" { (view.class(label)) } }
                }
            }
            tbody {
                @for (truth, line) in counts.iter().enumerate() {
                    tr {
                        th scope="row" { (view.class(truth)) }
                        @for (label, &number) in line.iter().enumerate() {
                            (number_of(placed, truth, label, number).cell())
                        }
                    }
                }
            }
        }
    }
}
