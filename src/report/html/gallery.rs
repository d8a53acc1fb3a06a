//! The images whose label changed, and the label of each precision.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};

use super::figure::{Figure, Traced};
use super::plot::bar;
use super::view::View;
use crate::results::{Answer, Changed, ChangedImage};

/// Every batch size: the first is open.
pub fn section(view: &View<'_>) -> Markup {
    let all = view.changed();
    html! {
        @for (place, (at, changed)) in all.iter().enumerate() {
            details.batch open[place == 0] {
                summary { (traced(*at, changed).inline()) }
                @if !changed.images.is_empty() {
                    ul.gallery {
                        @for (image, one) in changed.images.iter().enumerate() {
                            li { (card(view, one, &format!("/changed/{at}/images/{image}"))) }
                        }
                    }
                }
            }
        }
    }
}

fn traced(at: usize, changed: &Changed) -> Traced {
    let of = |field: &str, number: usize| {
        Figure::count(format!("/changed/{at}/{field}"), Some(number as u64))
    };
    let batch = Traced::from("Batch ")
        .and(of("batch", changed.batch))
        .and(": ");
    let shown = changed.images.len();
    match changed.total {
        0 => batch.and("no label changes"),
        1 => batch.and("the label of one image changes"),
        total => {
            let all = batch
                .and("the labels of ")
                .and(of("total", total))
                .and(" images change");
            if total == shown {
                return all;
            }
            // A list's figure is its length.
            all.and("; ")
                .and(of("images", shown))
                .and(" of them are shown, taken in turn from each precision")
        }
    }
}

fn card(view: &View<'_>, image: &ChangedImage, pointer: &str) -> Markup {
    let index = Figure::count(format!("{pointer}/index"), Some(image.index as u64));
    let f32 = image
        .answers
        .iter()
        .find(|answer| answer.name == "f32")
        .map(|answer| answer.label);
    html! {
        article.card {
            div.card-head {
                (picture(view, image))
                div {
                    @if let Some(truth) = image.truth {
                        p.truth { (view.class(truth)) }
                        p.sub { "true class" }
                    }
                    p.sub { "image " (index.inline()) }
                }
            }
            ul.answers {
                @for (at, answer) in image.answers.iter().enumerate() {
                    li.changed[Some(answer.label) != f32] { (given(view, answer, image.truth, &format!("{pointer}/answers/{at}"))) }
                }
            }
            details {
                summary { "All outputs" span.visually-hidden { " for image " (index.inline()) } }
                div.scroll tabindex="0" role="region" aria-label={ "Outputs for image " (image.index) } {
                    (outputs(view, image, pointer))
                }
            }
        }
    }
}

/// The pixels as a PNG inside the page.
fn picture(view: &View<'_>, image: &ChangedImage) -> Markup {
    let dataset = &view.document.dataset;
    let alt = match image.truth {
        Some(truth) => format!("Image {}, {}", image.index, view.class(truth)),
        None => format!("Image {}", image.index),
    };
    match png(&image.pixels, dataset.columns, dataset.rows) {
        Some(bytes) => {
            let source = format!("data:image/png;base64,{}", STANDARD.encode(bytes));
            html! { img src=(source) alt=(alt) width="84" height="84"; }
        }
        None => html! { span.no-image role="img" aria-label=(alt) { "no image" } },
    }
}

/// Grey pixels, row after row; none where they are no such image.
fn png(pixels: &[u8], columns: usize, rows: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (width, height) = (u32::try_from(columns).ok()?, u32::try_from(rows).ok()?);
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header().ok()?.write_image_data(pixels).ok()?;
    Some(bytes)
}

/// One precision's label, and its output.
fn given(view: &View<'_>, answer: &Answer, truth: Option<usize>, pointer: &str) -> Markup {
    let output = answer.outputs.get(answer.label).copied().unwrap_or(0.0);
    let (class, mark, spoken) = match truth.map(|truth| truth == answer.label) {
        Some(true) => ("what right", "✓ ", ", right"),
        Some(false) => ("what wrong", "✗ ", ", wrong"),
        None => ("what", "", ""),
    };
    html! {
        span.who { (view.series.short_label(&answer.name)) }
        span class=(class) {
            span aria-hidden="true" { (mark) }
            (view.quoted_class(answer.label).inline())
            span.visually-hidden { (spoken) }
        }
        (Figure::new(format!("{pointer}/outputs/{}", answer.label), Some(shown(view, output))).inline())
        (meter(view, answer, output))
    }
}

/// A bar as long as the probability; none where the outputs are no probabilities.
fn meter(view: &View<'_>, answer: &Answer, output: f32) -> Markup {
    if !view.has_probabilities() {
        return html! {};
    }
    let class = format!("fill solid {}", view.series.class(&answer.name));
    html! {
        svg.meter viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true" {
            (bar("track", 0.0, 0.0, 100.0, 4.0))
            (bar(&class, 0.0, 0.0, 100.0 * f64::from(output), 4.0))
        }
    }
}

fn outputs(view: &View<'_>, image: &ChangedImage, pointer: &str) -> Markup {
    let classes = image
        .answers
        .first()
        .map_or(0, |answer| answer.outputs.len());
    html! {
        table {
            thead { tr { th scope="col" { "class" } @for answer in &image.answers { th scope="col" { (answer.name) } } } }
            tbody {
                @for class in 0..classes {
                    tr {
                        th scope="row" { (view.quoted_class(class).inline()) }
                        @for (at, answer) in image.answers.iter().enumerate() {
                            td.number data-json={ (pointer) "/answers/" (at) "/outputs/" (class) } {
                                (answer.outputs.get(class).map_or_else(String::new, |&output| shown(view, output)))
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A probability as a percentage, any other output as it is.
fn shown(view: &View<'_>, output: f32) -> String {
    if view.has_probabilities() {
        format!("{:.1}%", 100.0 * output)
    } else {
        format!("{output:.3}")
    }
}
