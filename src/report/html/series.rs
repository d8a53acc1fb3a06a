//! The mark of each precision in every chart: a colour, and a shape for readers who cannot see colours.

use maud::{Markup, html};

use crate::report::document::Document;
use crate::results::Row;

/// How many different marks there are; further precisions reuse them.
const LOOKS: usize = 10;

/// The precisions of a document, f32 first, then in the order of the rows.
pub struct Series(Vec<String>);

impl Series {
    pub fn of(document: &Document) -> Self {
        // Those of the batch size with the most rows first: a memory limit has batch sizes of few precisions.
        let same = |a: &Row, b: &Row| a.effective.batch == b.effective.batch;
        let mut groups: Vec<&[Row]> = document.results.chunk_by(same).collect();
        groups.sort_by_key(|rows| std::cmp::Reverse(rows.len()));
        let rows = groups.into_iter().flatten().map(|row| row.name.clone());
        let answers = document.changed.iter().flat_map(|changed| &changed.images);
        let answers = answers.flat_map(|image| image.answers.iter().map(|one| one.name.clone()));
        let mut names: Vec<String> = Vec::new();
        for name in rows.chain(answers) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        // The others are compared with it.
        names.sort_by_key(|name| name != "f32");
        Self(names)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Its place among all, from 0.
    pub fn place(&self, name: &str) -> usize {
        self.0.iter().position(|one| one == name).unwrap_or(0)
    }

    /// The class that gives a mark its colour.
    pub fn class(&self, name: &str) -> String {
        format!("s{}", self.place(name) % LOOKS)
    }

    /// A mark of the precision's shape whose area is that of a circle of `radius`, in a drawing.
    pub fn mark(&self, name: &str, x: f64, y: f64, radius: f64) -> Markup {
        let class = format!("mark {}", self.class(name));
        let place = self.place(name) % LOOKS;
        if place == 0 {
            return html! { circle class=(class) cx=(n(x)) cy=(n(y)) r=(n(radius)) {} };
        }
        let points: Vec<String> = outline(place)
            .iter()
            .map(|(dx, dy)| format!("{},{}", n(x + radius * dx), n(y + radius * dy)))
            .collect();
        html! { polygon class=(class) points=(points.join(" ")) {} }
    }

    /// A mark to stand beside the precision's name in a text.
    pub fn swatch(&self, name: &str) -> Markup {
        html! {
            svg.swatch viewBox="0 0 12 12" aria-hidden="true" { (self.mark(name, 6.0, 6.0, 4.3)) }
        }
    }

    /// As [`Series::label`], with the short name; the full name is shown when the pointer is on it.
    pub fn short_label(&self, name: &str) -> Markup {
        html! { span.series title=(name) { (self.swatch(name)) (short(name)) } }
    }

    /// The precision's name with its mark.
    pub fn label(&self, name: &str) -> Markup {
        html! { span.series { (self.swatch(name)) (name) } }
    }

    /// What the marks mean.
    pub fn legend<'a>(&self, names: impl Iterator<Item = &'a str>) -> Markup {
        html! { ul.legend { @for name in names { li { (self.label(name)) } } } }
    }
}

/// A name in short, for where there is little space; the mark distinguishes those that become equal.
pub fn short(name: &str) -> &str {
    name.split_once(',')
        .map_or(name, |(precision, _)| precision)
}

/// The corners of a shape about as large as a circle of radius 1.
fn outline(place: usize) -> &'static [(f64, f64)] {
    match place {
        1 => &[(-0.89, -0.89), (0.89, -0.89), (0.89, 0.89), (-0.89, 0.89)],
        2 => &[(0.0, -1.4), (1.28, 0.82), (-1.28, 0.82)],
        3 => &[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)],
        4 => &[(0.0, 1.4), (1.28, -0.82), (-1.28, -0.82)],
        5 => &[
            (-0.55, -1.0),
            (0.55, -1.0),
            (1.1, 0.0),
            (0.55, 1.0),
            (-0.55, 1.0),
            (-1.1, 0.0),
        ],
        6 => &[
            (-0.4, -1.2),
            (0.4, -1.2),
            (0.4, -0.4),
            (1.2, -0.4),
            (1.2, 0.4),
            (0.4, 0.4),
            (0.4, 1.2),
            (-0.4, 1.2),
            (-0.4, 0.4),
            (-1.2, 0.4),
            (-1.2, -0.4),
            (-0.4, -0.4),
        ],
        7 => &[
            (0.0, -1.35),
            (1.28, -0.42),
            (0.79, 1.09),
            (-0.79, 1.09),
            (-1.28, -0.42),
        ],
        8 => &[(-1.1, -1.1), (1.1, -1.1), (-1.1, 1.1), (1.1, 1.1)],
        _ => &[(-0.5, -1.4), (0.5, -1.4), (0.5, 1.4), (-0.5, 1.4)],
    }
}

/// A length with two decimals, without those that say nothing.
pub fn n(length: f64) -> String {
    let text = format!("{length:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}
