//! The parts of every chart: a drawing with axes, its text, and its figures as a table.

use maud::{Markup, html};

use super::figure::{Table, Traced};
use super::scale::Scale;
use super::series::n;

/// A drawing's width in units, which are about pixels: three stand side by side on a wide screen, one fills a
/// telephone's.
pub const WIDTH: f64 = 360.0;

/// The inside of a drawing's axes, in units from its upper left corner.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
}

/// A chart: a drawing, what it shows, and its figures.
pub struct Chart {
    /// Its own name in the page.
    pub id: String,
    /// What stands over it.
    pub title: Traced,
    /// What it shows, in one sentence. It describes the drawing to readers who cannot see it; its figures are in the table.
    pub shows: Traced,
    pub height: f64,
    pub drawing: Markup,
    /// A note under it.
    pub note: Option<String>,
    /// Its figures as a table.
    pub figures: Table,
}

impl Chart {
    pub fn draw(&self) -> Markup {
        let size = format!("0 0 {} {}", n(WIDTH), n(self.height));
        let title = format!("{}-title", self.id);
        html! {
            figure.chart id=(self.id) {
                (self.caption())
                svg viewBox=(size) role="img" aria-labelledby=(title) aria-describedby=(self.shows_id()) {
                    title id=(title) data-json=[self.title.places()] { (self.title.text) }
                    (self.drawing)
                }
                @if let Some(note) = &self.note { p.note { (note) } }
                details {
                    summary { "Figures" span.visually-hidden { " of " (self.title.inline()) } }
                    (self.figures.draw(&self.title))
                }
            }
        }
    }

    /// Without its drawing.
    pub fn draw_figures(&self) -> Markup {
        html! {
            figure.figures id=(self.id) {
                (self.caption())
                (self.figures.draw(&self.title))
            }
        }
    }

    fn caption(&self) -> Markup {
        html! {
            figcaption {
                span.title data-json=[self.title.places()] { (self.title.text) }
                p.shows id=(self.shows_id()) data-json=[self.shows.places()] { (self.shows.text) }
            }
        }
    }

    fn shows_id(&self) -> String {
        format!("{}-shows", self.id)
    }
}

/// Where words stand beside their place.
#[derive(Clone, Copy)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// Words in a drawing.
pub fn words(x: f64, y: f64, anchor: Anchor, class: &str, traced: impl Into<Traced>) -> Markup {
    let traced = traced.into();
    let anchor = match anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    html! {
        text class=(class) x=(n(x)) y=(n(y)) text-anchor=(anchor) data-json=[traced.places()] { (traced.text) }
    }
}

/// The text that is shown when the pointer is on a mark.
pub fn hover(traced: impl Into<Traced>) -> Markup {
    let traced = traced.into();
    html! { title data-json=[traced.places()] { (traced.text) } }
}

pub fn line(class: &str, from: (f64, f64), to: (f64, f64)) -> Markup {
    html! { line class=(class) x1=(n(from.0)) y1=(n(from.1)) x2=(n(to.0)) y2=(n(to.1)) {} }
}

pub fn bar(class: &str, x: f64, y: f64, width: f64, height: f64) -> Markup {
    html! {
        rect class=(class) x=(n(x)) y=(n(y)) width=(n(width.max(0.0))) height=(n(height.max(0.0))) {}
    }
}

/// A horizontal axis under a frame: grid lines and their figures.
pub fn x_axis(
    frame: Frame,
    scale: Scale,
    ticks: &[f64],
    format: impl Fn(f64) -> String,
    title: &str,
) -> Markup {
    html! {
        @for &tick in ticks {
            (line("grid", (scale.at(tick), frame.top), (scale.at(tick), frame.bottom)))
            (tick_words(scale.at(tick), frame.bottom + 14.0, &format(tick)))
        }
        (line("axis", (frame.left, frame.bottom), (frame.right, frame.bottom)))
        (words(f64::midpoint(frame.left, frame.right), frame.bottom + 30.0, Anchor::Middle, "axis-title", title))
    }
}

/// A tick's words under it, inside the drawing also where it stands at an end.
fn tick_words(x: f64, y: f64, text: &str) -> Markup {
    // No character of a figure is wider than this in the size of a tick.
    let half = 3.8 * text.chars().count() as f64;
    let anchor = if x < half {
        Anchor::Start
    } else if x > WIDTH - half {
        Anchor::End
    } else {
        Anchor::Middle
    };
    words(x, y, anchor, "tick", text)
}

/// A vertical axis left of a frame; its title stands over it.
pub fn y_axis(
    frame: Frame,
    scale: Scale,
    ticks: &[f64],
    format: impl Fn(f64) -> String,
    title: &str,
) -> Markup {
    html! {
        @for &tick in ticks {
            (line("grid", (frame.left, scale.at(tick)), (frame.right, scale.at(tick))))
            (words(frame.left - 6.0, scale.at(tick) + 3.5, Anchor::End, "tick", format(tick)))
        }
        (words(2.0, frame.top - 10.0, Anchor::Start, "axis-title", title))
    }
}

/// With more marks than this in a drawing, names beside them would hide them, and only the legend names them.
pub const NAMED: usize = 3;

/// Places of labels below each other: each as near as possible to its wanted place, at least `gap` from the next, and
/// above `bottom`.
pub fn spread(wanted: &[f64], gap: f64, bottom: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|&a, &b| wanted[a].total_cmp(&wanted[b]));
    let mut places = wanted.to_vec();
    let mut above = f64::NEG_INFINITY;
    for &at in &order {
        places[at] = places[at].max(above + gap);
        above = places[at];
    }
    let mut below = bottom + gap;
    for &at in order.iter().rev() {
        places[at] = places[at].min(below - gap);
        below = places[at];
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_keep_their_distance_and_their_order() {
        assert_eq!(spread(&[10.0, 50.0], 12.0, 100.0), [10.0, 50.0]);
        assert_eq!(spread(&[12.0, 10.0, 11.0], 10.0, 100.0), [30.0, 10.0, 20.0]);
        assert_eq!(spread(&[99.0, 98.0], 10.0, 100.0), [100.0, 90.0]);
    }
}
