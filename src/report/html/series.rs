//! The marks of a report's precisions, and their names in the order of the report.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::palette::look_of;
use crate::report::document::Document;
use crate::results::Row;

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
        let compared = document.comparison.iter().flat_map(|all| &all.rows);
        let compared = compared.map(|change| change.name.clone());
        let mut names: Vec<String> = Vec::new();
        for name in rows.chain(answers).chain(compared) {
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

    /// The shapes that [`mark`] and [`swatch`] refer to, each once in the page.
    pub fn shapes(&self) -> Markup {
        let mut known = BTreeSet::new();
        let first = self.names().filter(|name| known.insert(class(name)));
        html! {
            svg.shapes width="0" height="0" aria-hidden="true" {
                @for name in first {
                    symbol id={ "mark-" (class(name)) } viewBox="0 0 12 12" { (shape(name)) }
                }
            }
        }
    }

    /// What the marks mean.
    pub fn legend<'a>(&self, names: impl Iterator<Item = &'a str>) -> Markup {
        html! { ul.legend { @for name in names { li { (label(name)) } } } }
    }
}

/// The class that gives a mark its colour.
pub fn class(name: &str) -> &'static str {
    look_of(name).class
}

/// A mark of the precision's shape whose area is that of a circle of `radius`, in a drawing.
pub fn mark(name: &str, x: f64, y: f64, radius: f64) -> Markup {
    let side = radius * SYMBOL_SIDE / SYMBOL_RADIUS;
    let (left, top) = (n(x - side / 2.0), n(y - side / 2.0));
    html! { use href={ "#mark-" (class(name)) } x=(left) y=(top) width=(n(side)) height=(n(side)) {} }
}

/// The side of a symbol, and the radius of the circle that has the area of its shape.
const SYMBOL_SIDE: f64 = 12.0;
const SYMBOL_RADIUS: f64 = 4.3;

/// The precision's shape in the middle of a symbol.
fn shape(name: &str) -> Markup {
    let look = look_of(name);
    let class = format!("mark {}", look.class);
    let at = |offset: f64| n(SYMBOL_SIDE / 2.0 + SYMBOL_RADIUS * offset);
    if look.corners.is_empty() {
        return html! { circle class=(class) cx=(at(0.0)) cy=(at(0.0)) r=(n(SYMBOL_RADIUS)) {} };
    }
    let corners = look.corners.iter();
    let points: Vec<String> = corners
        .map(|&(x, y)| format!("{},{}", at(x), at(y)))
        .collect();
    html! { polygon class=(class) points=(points.join(" ")) {} }
}

/// A mark to stand beside the precision's name in a text.
pub fn swatch(name: &str) -> Markup {
    html! { svg.swatch aria-hidden="true" { use href={ "#mark-" (class(name)) } {} } }
}

/// The precision's name with its mark.
pub fn label(name: &str) -> Markup {
    html! { span.series { (swatch(name)) (name) } }
}

/// A name in short, for where there is little space; the mark distinguishes those that become equal.
pub fn short(name: &str) -> &str {
    name.split_once(", ")
        .map_or(name, |(precision, _)| precision)
}

/// A length with one decimal if that is not 0, which is a tenth of a pixel.
pub fn n(length: f64) -> String {
    let text = format!("{length:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_keep_the_precisions_of_layers() {
        assert_eq!(short("int8 static, weights by tensor"), "int8 static");
        assert_eq!(short("f16,int8"), "f16,int8");
    }
}
