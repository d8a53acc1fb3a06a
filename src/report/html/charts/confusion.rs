//! Which classes are confused with which: the counts of f32, and how each other precision differs from it.

use maud::{Markup, html};

use super::super::figure::{Figure, Traced};
use super::super::series::label as named;
use super::super::view::{Batch, Placed, View};

/// With more classes than this a matrix fills no page, and only its largest fields are listed.
const MOST_IN_MATRIX: usize = 20;
/// How many fields are listed then.
const LISTED: usize = 12;

/// A field of a matrix that is not 0.
#[derive(Clone, Copy)]
struct Field {
    class: usize,
    label: usize,
    /// Images, or how many more images than in f32.
    count: i64,
    /// Its place in the row's differences; none for a count.
    at: Option<usize>,
}

/// One matrix.
struct Matrix<'a> {
    placed: Placed<'a>,
    classes: usize,
    fields: Vec<Field>,
    /// Whether it is compared with that of f32.
    is_difference: bool,
    /// The largest count of all matrices of its kind, apart from the correct labels of a plain one.
    most: f64,
}

/// The matrices of a batch size; empty where no confusion is known.
pub fn section(view: &View<'_>, batch: &Batch<'_>) -> Markup {
    let rows: Vec<Placed<'_>> = batch
        .measured()
        .filter(|placed| placed.row.confusion.is_some())
        .collect();
    let f32 = rows.iter().find(|placed| placed.name() == "f32");
    let Some(first) = f32.or(rows.first()) else {
        return html! {};
    };
    let plain = Matrix::plain(*first);
    let mut differences: Vec<Matrix<'_>> = rows
        .iter()
        .filter(|placed| placed.name() != "f32")
        .filter_map(|placed| Matrix::difference(*placed))
        .collect();
    // One scale for all, so that their colours can be compared.
    let most = differences.iter().map(|one| one.most).fold(1.0, f64::max);
    differences.iter_mut().for_each(|one| one.most = most);
    html! {
        h3 { "Confusion" }
        p.lead {
            "The images of each class (rows) by the label that they get (columns): first the counts of "
            (first.name()) ", then how many images more (+) or fewer (−) than in f32 each other precision puts there. An empty field is none."
        }
        @if f32.is_none() { p.note { "f32 is no row of this run, so the counts are those of " (first.name()) "." } }
        div.charts.matrices {
            (plain.draw(view))
            @for matrix in differences.iter().filter(|one| !one.fields.is_empty()) { (matrix.draw(view)) }
        }
        @for matrix in differences.iter().filter(|one| one.fields.is_empty()) {
            p.note { (named(&matrix.placed.name())) " has the same count as f32 in every field." }
        }
    }
}

impl<'a> Matrix<'a> {
    fn plain(placed: Placed<'a>) -> Self {
        let counts = placed.row.confusion.as_deref().unwrap_or_default();
        let mut fields = Vec::new();
        for (class, line) in counts.iter().enumerate() {
            for (label, &count) in line.iter().enumerate().filter(|(_, count)| **count > 0) {
                fields.push(Field {
                    class,
                    label,
                    count: count as i64,
                    at: None,
                });
            }
        }
        let wrong = fields.iter().filter(|field| field.class != field.label);
        let most = wrong.map(|field| field.count).max().unwrap_or(1) as f64;
        Self {
            placed,
            classes: counts.len(),
            fields,
            is_difference: false,
            most,
        }
    }

    fn difference(placed: Placed<'a>) -> Option<Self> {
        let changes = placed.row.confusion_vs_f32.as_deref()?;
        let fields: Vec<Field> = changes
            .iter()
            .enumerate()
            .map(|(at, change)| Field {
                class: change.class,
                label: change.label,
                count: change.more,
                at: Some(at),
            })
            .collect();
        let most = fields.iter().map(|field| field.count.abs()).max();
        Some(Self {
            placed,
            classes: placed.row.confusion.as_deref().map_or(0, <[_]>::len),
            fields,
            is_difference: true,
            most: most.unwrap_or(1) as f64,
        })
    }

    fn draw(&self, view: &View<'_>) -> Markup {
        let name = self.placed.name();
        let kind = if self.is_difference { "change-" } else { "" };
        let id = format!("confusion-{kind}{}", self.placed.at);
        html! {
            figure.chart id=(id) {
                figcaption {
                    span.title { (named(&name)) @if self.is_difference { " beside f32" } }
                    p.shows data-json=[self.shows(view).places()] { (self.shows(view).text) }
                }
                div.scroll tabindex="0" role="region" aria-label={ "Confusion of " (name) } {
                    @if self.classes > MOST_IN_MATRIX { (self.list(view)) } @else { (self.table(view)) }
                }
            }
        }
    }

    /// The fields that say the most, the largest first: mistakes, or changes.
    fn largest(&self) -> Vec<Field> {
        let of_interest = |field: &&Field| field.at.is_some() || field.class != field.label;
        let mut fields: Vec<Field> = self.fields.iter().filter(of_interest).copied().collect();
        fields.sort_by_key(|field| {
            (
                std::cmp::Reverse(field.count.abs()),
                field.class,
                field.label,
            )
        });
        fields
    }

    /// The largest mistake, or the largest change.
    fn shows(&self, view: &View<'_>) -> Traced {
        let largest = self.largest();
        let Some(field) = largest.first() else {
            return "There are no mistakes.".into();
        };
        let start = match field.at {
            None => "The most frequent mistake: ",
            Some(_) => "The largest change from f32: ",
        };
        if field.at.is_some() && field.class == field.label {
            return Traced::from(start)
                .and(self.figure(*field))
                .and(" correct labels of ")
                .and(view.quoted_class(field.class))
                .and(".");
        }
        Traced::from(start)
            .and(self.figure(*field))
            .and(" images of ")
            .and(view.quoted_class(field.class))
            .and(" with the label ")
            .and(view.quoted_class(field.label))
            .and(".")
    }

    fn figure(&self, field: Field) -> Figure {
        let Field { class, label, .. } = field;
        let pointer = match field.at {
            Some(at) => format!("confusion_vs_f32/{at}/more"),
            None => format!("confusion/{class}/{label}"),
        };
        let text = match (field.at, field.count) {
            (Some(_), count) if count < 0 => format!("−{}", -count),
            (Some(_), count) => format!("+{count}"),
            (None, count) => count.to_string(),
        };
        Figure::new(self.placed.pointer(&pointer), Some(text))
    }

    fn table(&self, view: &View<'_>) -> Markup {
        html! {
            table.matrix {
                caption.visually-hidden { "Images of each class by label, " (self.placed.name()) }
                thead {
                    tr {
                        th scope="col" { "class" }
                        @for label in 0..self.classes { th scope="col" { span { (view.short_class(label, 11)) } } }
                    }
                }
                tbody {
                    @for class in 0..self.classes {
                        tr {
                            th scope="row" { (view.short_class(class, 11)) }
                            @for label in 0..self.classes { (self.cell(class, label)) }
                        }
                    }
                }
            }
        }
    }

    /// A field: stronger the larger it is, apart from correct labels, which are plain.
    fn cell(&self, class: usize, label: usize) -> Markup {
        let is_here = |field: &&Field| (field.class, field.label) == (class, label);
        let Some(field) = self.fields.iter().find(is_here) else {
            return html! { td {} };
        };
        let figure = self.figure(*field);
        let share = field.count.abs() as f64 / self.most;
        let strength = format!("--h:{:.2}", 0.12 + 0.88 * share.min(1.0));
        let kind = match field.at {
            None if class == label => return figure.cell_of("hit", None),
            None => "mistake",
            Some(_) if field.count < 0 => "fewer",
            Some(_) => "more",
        };
        figure.cell_of(kind, Some(&strength))
    }

    fn list(&self, view: &View<'_>) -> Markup {
        html! {
            table {
                caption.visually-hidden { "The largest fields, " (self.placed.name()) }
                thead { tr { th scope="col" { "class" } th scope="col" { "label" } th scope="col" { "images" } } }
                tbody {
                    @for field in self.largest().into_iter().take(LISTED) {
                        tr {
                            th scope="row" { (view.quoted_class(field.class).inline()) }
                            td { (view.quoted_class(field.label).inline()) }
                            (self.figure(field).cell())
                        }
                    }
                }
            }
        }
    }
}
