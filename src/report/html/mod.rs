//! The report: one page that needs nothing but itself.
//!
//! It is made from the [`Document`] alone, and every figure has its place in the JSON (`data-json`). maud escapes all
//! text, so names from files and drivers stay names; only the style sheet is inserted unescaped. There is no script.

mod charts;
mod figure;
mod gallery;
mod palette;
mod plot;
mod provenance;
mod results;
mod scale;
mod sections;
mod series;
mod text_width;
mod thumbnails;
mod verdict;
mod view;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use self::figure::Figure;
use self::view::View;
use super::document::Document;

const STYLE: &str = include_str!("style.css");

/// Nothing is loaded from anywhere, whatever a name in the document contains.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// The document as a page.
pub(super) fn page(document: &Document) -> String {
    let view = View::new(document);
    let title = title(document);
    let sections = sections::all(&view);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="generator" content={ "fmnist-gpu " (document.tool.version) };
                title { (title) " – fmnist-gpu" }
                // An icon of its own, or the browser asks a server for one.
                link rel="icon" href="data:,";
                style { (PreEscaped(palette::style())) (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#verdict" { "Skip to the verdict" }
                (view.series.shapes())
                (head(document, &title))
                main {
                    (verdict::section(&view))
                    nav aria-label="Sections" {
                        @for section in &sections { a href={ "#" (section.id) } { (section.short) } }
                    }
                    @for section in &sections { (section.draw()) }
                }
                footer { p { "Every figure on this page is in the JSON of the same run. Point at a mark, or open the figures below a chart, to read its values." } }
            }
        }
    };
    page.into_string()
}

/// What was measured, where and when, and the answer.
fn head(document: &Document, title: &str) -> Markup {
    let images = Figure::count(
        "/dataset/images".to_owned(),
        Some(document.dataset.images as u64),
    );
    html! {
        header.page-head {
            p.brand { "fmnist-gpu" span { "precision report" } }
            h1 data-json="/verdict/sentence" { (document.verdict.sentence) }
            p.sub {
                (title) "; " (images.inline()) " images, " (document.dataset.name) ", "
                span data-json="/tool/date" { (day(&document.tool.date)) }
            }
        }
    }
}

/// The network and the devices.
fn title(document: &Document) -> String {
    let layers = document.model.layers.iter();
    let layers: Vec<String> = layers.map(ToString::to_string).collect();
    let adapters = document.requested().iter();
    let names: Vec<&str> = adapters.map(|entry| entry.info.name.as_str()).collect();
    format!("{} on {}", layers.join("-"), names.join(" and "))
}

/// The day of a date with its time.
fn day(date: &str) -> &str {
    date.split_once('T').map_or(date, |(day, _)| day)
}
