//! Figures with their places in the JSON: nothing in the report comes from anywhere else.

use maud::{Markup, html};

use crate::report::table::NOTHING;
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

    /// As text that can be continued.
    pub fn traced(&self) -> Traced {
        self.into()
    }

    /// In a text.
    pub fn inline(&self) -> Markup {
        match &self.text {
            Some(text) => html! { span data-json=(self.pointer) { (text) } },
            None => html! { (NOTHING) },
        }
    }

    /// A cell of a matrix, of a class of the style sheet and in a style of its own.
    pub fn cell_of(&self, class: &str, style: Option<&str>) -> Markup {
        html! {
            td class=(class) style=[style] data-json=(self.pointer) { (self.text.as_deref().unwrap_or(NOTHING)) }
        }
    }

    /// A cell of a table.
    pub fn cell(&self) -> Markup {
        match &self.text {
            Some(text) => html! { td data-json=(self.pointer) { (text) } },
            None => html! { td { (NOTHING) } },
        }
    }
}

impl From<&Figure> for Traced {
    fn from(figure: &Figure) -> Self {
        let pointer = figure.text.as_ref().map(|_| figure.pointer.clone());
        Self {
            text: figure.text.clone().unwrap_or_else(|| NOTHING.to_owned()),
            pointers: pointer.into_iter().collect(),
        }
    }
}

/// Text that contains figures, and the places of these figures in the JSON document, in their order.
#[derive(Clone, Debug, Default)]
pub struct Traced {
    pub text: String,
    pointers: Vec<String>,
}

impl Traced {
    /// A text of the JSON document, unchanged.
    pub fn quoted(pointer: String, text: &str) -> Self {
        Self {
            text: text.to_owned(),
            pointers: vec![pointer],
        }
    }

    /// Continues with words or figures.
    pub fn and(mut self, more: impl Into<Self>) -> Self {
        let more = more.into();
        self.text.push_str(&more.text);
        self.pointers.extend(more.pointers);
        self
    }

    /// All, with words between them.
    pub fn joined(all: impl IntoIterator<Item = Self>, between: &str) -> Self {
        let mut all = all.into_iter();
        let first = all.next().unwrap_or_default();
        all.fold(first, |traced, more| traced.and(between).and(more))
    }

    /// The places, for `data-json`; none where there is no figure.
    pub fn places(&self) -> Option<String> {
        (!self.pointers.is_empty()).then(|| self.pointers.join(" "))
    }

    /// In a text.
    pub fn inline(&self) -> Markup {
        html! { span data-json=[self.places()] { (self.text) } }
    }
}

impl From<&str> for Traced {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<String> for Traced {
    fn from(text: String) -> Self {
        Self {
            text,
            pointers: Vec::new(),
        }
    }
}

impl From<&Self> for Traced {
    fn from(traced: &Self) -> Self {
        traced.clone()
    }
}

impl From<Figure> for Traced {
    fn from(figure: Figure) -> Self {
        (&figure).into()
    }
}

/// A table of figures.
pub struct Table {
    header: Vec<String>,
    /// Each line's name, and its figures.
    lines: Vec<(Markup, Vec<Figure>)>,
}

impl Table {
    /// In a region that scrolls, also by the keyboard, under a caption for readers who cannot see what it belongs to.
    pub fn draw(&self, caption: &Traced) -> Markup {
        html! {
            div.scroll tabindex="0" role="region" aria-label={ "Figures: " (caption.text) } {
                table {
                    caption.visually-hidden data-json=[caption.places()] { (caption.text) }
                    thead { tr { @for name in &self.header { th scope="col" { (name) } } } }
                    tbody {
                        @for (name, figures) in &self.lines {
                            tr { th scope="row" { (name) } @for figure in figures { (figure.cell()) } }
                        }
                    }
                }
            }
        }
    }
}

/// A table of figures: the first column of a line names it.
pub fn table(header: &[&str], lines: Vec<(Markup, Vec<Figure>)>) -> Table {
    Table {
        header: header.iter().map(|&name| name.to_owned()).collect(),
        lines,
    }
}
