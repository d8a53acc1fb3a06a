//! Figures with the place in the JSON where they stand: nothing in the report comes from anywhere else.

use maud::{Markup, html};

use crate::units::{bytes, count, duration, percent};

/// A figure's text, with the place of its number in the JSON document as a JSON pointer.
pub struct Figure {
    pointer: String,
    text: Option<String>,
}

impl Figure {
    pub fn new(pointer: String, text: Option<String>) -> Self {
        Self { pointer, text }
    }

    /// Nanoseconds.
    pub fn time(pointer: String, nanoseconds: Option<f64>) -> Self {
        Self::new(pointer, nanoseconds.map(duration))
    }

    pub fn bytes(pointer: String, value: Option<u64>) -> Self {
        Self::new(pointer, value.map(bytes))
    }

    pub fn count(pointer: String, value: Option<u64>) -> Self {
        Self::new(pointer, value.map(count))
    }

    /// A share as a percentage.
    pub fn percent(pointer: String, share: Option<f64>) -> Self {
        Self::new(pointer, share.map(percent))
    }

    /// In a text.
    pub fn inline(&self) -> Markup {
        match &self.text {
            Some(text) => html! { span data-json=(self.pointer) { (text) } },
            None => html! { "–" },
        }
    }

    /// A cell of a table.
    pub fn cell(&self) -> Markup {
        match &self.text {
            Some(text) => html! { td.number data-json=(self.pointer) { (text) } },
            None => html! { td.number { "–" } },
        }
    }
}

/// A table of figures: the first column of a line names it.
pub fn table(header: &[&str], lines: &[(Markup, Vec<Figure>)]) -> Markup {
    html! {
        table {
            thead { tr { @for name in header { th scope="col" { (name) } } } }
            tbody {
                @for (name, figures) in lines {
                    tr { th scope="row" { (name) } @for figure in figures { (figure.cell()) } }
                }
            }
        }
    }
}
