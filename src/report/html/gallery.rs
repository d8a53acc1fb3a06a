//! The images whose label changed, and the label of each precision.

use maud::{Markup, html};

use super::figure::{Figure, Traced};
use super::series::{short, swatch};
use super::thumbnails::{Thumbnails, room};
use super::view::View;
use crate::results::{Answer, Changed, ChangedImage};

/// The most answers of all images together, which keep the page small whatever the number of precisions.
const MOST_ANSWERS: usize = 160;

/// The images at the batch size of the answer, and how many there are at the others; none where no label changes.
pub fn section(view: &View<'_>) -> Option<Markup> {
    let all = view.changed();
    if all.iter().all(|(_, changed)| changed.total == 0) {
        return None;
    }
    let ((first, shown), others) = all.split_first()?;
    let dataset = &view.document.dataset;
    let answers = shown.images.first().map_or(1, |image| image.answers.len());
    let most = room(dataset.columns, dataset.rows).min(MOST_ANSWERS / answers.max(1));
    let images: Vec<&ChangedImage> = shown.images.iter().take(most).collect();
    let pixels: Vec<&[u8]> = images.iter().map(|image| &image.pixels[..]).collect();
    let thumbnails = Thumbnails::new(&pixels, dataset.columns, dataset.rows);
    let traced = how_many(*first, shown);
    let traced = match (shown.images.len() == images.len(), shown.total) {
        (true, total) if total == images.len() => traced.and("."),
        // A list's figure is its length.
        (true, _) => traced
            .and("; ")
            .and(of(*first, "images", shown.images.len()))
            .and(" of them are shown, taken in turn from each precision."),
        (false, _) => traced.and("; as many are shown as this page has space for."),
    };
    Some(html! {
        p.shows { (traced.inline()) }
        @if let Some(thumbnails) = &thumbnails { (thumbnails.sheet()) }
        @if !images.is_empty() {
            ul.gallery {
                @for (at, image) in images.iter().enumerate() {
                    li.card { (card(view, image, &format!("/changed/{first}/images/{at}"), thumbnails.as_ref().map(|all| (all, at)))) }
                }
            }
        }
        @if !others.is_empty() {
            p.note {
                @for (at, changed) in others { (how_many(*at, changed).and(". ").inline()) }
                "The JSON has images of every batch size."
            }
        }
    })
}

fn of(at: usize, field: &str, number: usize) -> Figure {
    Figure::count(format!("/changed/{at}/{field}"), Some(number as u64))
}

/// How many labels change, without a full stop.
fn how_many(at: usize, changed: &Changed) -> Traced {
    let batch = Traced::from("Batch ")
        .and(of(at, "batch", changed.batch))
        .and(": ");
    match changed.total {
        0 => batch.and("no label changes"),
        1 => batch.and("the label of one image changes"),
        total => batch
            .and("the labels of ")
            .and(of(at, "total", total))
            .and(" images change"),
    }
}

fn card(
    view: &View<'_>,
    image: &ChangedImage,
    pointer: &str,
    thumbnail: Option<(&Thumbnails, usize)>,
) -> Markup {
    let index = Figure::count(format!("{pointer}/index"), Some(image.index as u64));
    let spoken = match image.truth {
        Some(truth) => format!("Image {}, {}", image.index, view.class(truth)),
        None => format!("Image {}", image.index),
    };
    let answers = image.answers.iter();
    let mut labels: Vec<usize> = Vec::new();
    for answer in answers {
        if !labels.contains(&answer.label) {
            labels.push(answer.label);
        }
    }
    html! {
        div.card-head {
            @if let Some((thumbnails, at)) = thumbnail { (thumbnails.draw(at, &spoken)) }
            div {
                @if let Some(truth) = image.truth {
                    p.truth { (view.class(truth)) }
                    p.sub { "true class" }
                }
                p.sub { "image " (index.inline()) }
            }
        }
        dl.answers {
            @for label in labels {
                dt { (given(view, label, image.truth)) }
                @for (at, answer) in image.answers.iter().enumerate().filter(|(_, answer)| answer.label == label) {
                    dd { (swatch(&answer.name)) (short(&answer.name)) " " (output(view, answer, &format!("{pointer}/answers/{at}"))) }
                }
            }
        }
    }
}

/// A label that some precisions give, and whether it is correct.
fn given(view: &View<'_>, label: usize, truth: Option<usize>) -> Markup {
    let (class, mark, spoken) = match truth.map(|truth| truth == label) {
        Some(true) => ("right", "✓ ", ", right"),
        Some(false) => ("wrong", "✗ ", ", wrong"),
        None => ("", "", ""),
    };
    html! {
        span class=(class) {
            span aria-hidden="true" { (mark) }
            (view.quoted_class(label).inline())
            span.visually-hidden { (spoken) }
        }
    }
}

/// The output at the label: a probability as a percentage, any other output as it is.
fn output(view: &View<'_>, answer: &Answer, pointer: &str) -> Markup {
    let output = answer.outputs.get(answer.label).copied().unwrap_or(0.0);
    let shown = if view.has_probabilities() {
        format!("{:.1}%", 100.0 * output)
    } else {
        format!("{output:.3}")
    };
    Figure::new(format!("{pointer}/outputs/{}", answer.label), Some(shown)).inline()
}
