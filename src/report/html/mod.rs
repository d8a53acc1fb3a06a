//! The report: one page that needs nothing but itself.
//!
//! It is made from the [`Document`] alone, and every figure has its place in the JSON (`data-json`). maud escapes all
//! text, so names from files and drivers stay names; only the style sheet is inserted unescaped. There is no script.

mod charts;
mod figure;
mod gallery;
mod plot;
mod provenance;
mod results;
mod scale;
mod series;
mod text_width;
mod verdict;
mod view;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use self::charts::{classes, confusion, latency, limit, memory, pareto, parts, roofline};
use self::figure::Figure;
use self::plot::Chart;
use self::view::{Batch, View};
use super::document::Document;

const STYLE: &str = include_str!("style.css");

/// Nothing is loaded from anywhere, whatever a name in the document contains.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// The document as a page.
pub(super) fn page(document: &Document) -> String {
    let view = View::new(document);
    let layers: Vec<String> = document
        .model
        .layers
        .iter()
        .map(ToString::to_string)
        .collect();
    let names: Vec<&str> = document
        .requested()
        .iter()
        .map(|entry| entry.info.name.as_str())
        .collect();
    let title = format!("{} on {}", layers.join("-"), names.join(" and "));
    let sections = sections(&view);
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
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#verdict" { "Skip to the verdict" }
                header.page-head {
                    p.brand { "fmnist-gpu" span { "precision report" } }
                    h1 { (title) }
                    p.sub {
                        (Figure::count("/dataset/images".to_owned(), Some(document.dataset.images as u64)).inline())
                        " images, " (document.dataset.name) ", "
                        span data-json="/tool/date" { (day(&document.tool.date)) }
                    }
                    nav aria-label="Sections" {
                        a href="#verdict" { "Verdict" }
                        @for section in &sections { a href={ "#" (section.id) } { (section.short) } }
                    }
                }
                main {
                    (verdict::section(&view))
                    @for section in &sections { (section.draw()) }
                }
                footer { p { "Every figure on this page is in the JSON of the same run. Hover over a mark, or open the figures below a chart, to read its values." } }
            }
        }
    };
    page.into_string()
}

/// A part of the page with a heading of its own.
struct Section {
    id: &'static str,
    /// Its short name, for the navigation.
    short: &'static str,
    heading: &'static str,
    /// How to read it.
    lead: Option<&'static str>,
    content: Markup,
}

impl Section {
    fn draw(&self) -> Markup {
        let heading = format!("{}-heading", self.id);
        html! {
            section id=(self.id) aria-labelledby=(heading) {
                h2 id=(heading) { (self.heading) }
                @if let Some(lead) = self.lead { p.lead { (lead) } }
                (self.content)
            }
        }
    }
}

/// All parts that the document has content for.
fn sections(view: &View<'_>) -> Vec<Section> {
    let section = |id, short, heading, lead, content: Option<Markup>| {
        content.map(|content| Section {
            id,
            short,
            heading,
            lead,
            content,
        })
    };
    let by_batch = |chart: fn(&View<'_>, &Batch<'_>) -> Option<Chart>| {
        side_by_side(
            &view
                .charted()
                .into_iter()
                .filter_map(|batch| chart(view, batch))
                .collect::<Vec<_>>(),
        )
    };
    let of_parts =
        by_batch(parts::chart).map(|charts| html! { (parts::legend()) (charts) (reasons(view)) });
    let images = view
        .document
        .changed
        .iter()
        .any(|changed| changed.total > 0);
    [
        section("results", "Results", "Results", None, (!view.batches.is_empty()).then(|| results::table(view))),
        section("comparison", "Comparison", "Comparison with an earlier result", None, results::comparison(view)),
        section(
            "trade-off", "Trade-off", "Accuracy against time",
            Some("Up and to the left is better. A mark's size shows its memory, and the bar through it the 95% interval of its \
                  accuracy. The line connects the precisions that no other precision beats in both accuracy and time."),
            by_batch(pareto::chart).map(|charts| html! { (legend(view)) (charts) }),
        ),
        section(
            "roofline", "Roofline", "Roofline",
            Some("How close each precision comes to the highest rates measured on this device: operations per second against \
                  operations per byte of parameters and activations. Under the slope, memory is the limit; under a level line, arithmetic is."),
            by_batch(roofline::chart).map(|charts| html! { (legend(view)) (charts) }),
        ),
        section(
            "time", "Where time goes", "Where the time goes",
            Some("What a batch spends its time on, from its images in host memory to its outputs in host memory, and why it is not faster."),
            of_parts,
        ),
        section(
            "latency", "Latency", "Latency",
            Some("The distribution of the times of single passes. The solid tick is the median; 99 in 100 are \
                  below the dashed tick. The slowest may lie outside the axis."),
            by_batch(latency::chart),
        ),
        section("classes", "Classes", "Classes", None, of_classes(view)),
        section(
            "memory", "Memory", "Memory",
            Some("Parameters (strong) and activations (pale), as count × bytes per value. The tick shows the memory that was allocated, including working memory."),
            of_memory(view),
        ),
        section(
            "changed", "Changed images", "Images whose label changed",
            Some("The label that each precision gives to the images on which they do not all agree."),
            images.then(|| gallery::section(view)),
        ),
        section("run", "Setup", "Setup of this run", None, Some(provenance::section(view))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Charts in as many columns as fit; none if there is no chart.
fn side_by_side(charts: &[Chart]) -> Option<Markup> {
    (!charts.is_empty()).then(|| html! { div.charts { @for chart in charts { (chart.draw()) } } })
}

/// The meaning of the marks.
fn legend(view: &View<'_>) -> Markup {
    view.series.legend(view.series.names())
}

/// Why each row is not faster, in words.
fn reasons(view: &View<'_>) -> Markup {
    html! {
        details.more {
            summary { "Why not faster, row by row" }
            dl.batches {
                @for placed in view.batches.iter().flat_map(Batch::measured) {
                    @if let Some(why) = &placed.row.why {
                        dt {
                            "Batch " (placed.batch().inline()) " "
                            @if let Some(backend) = view.document.requested_on(placed.row.requested.adapter) { "on " (backend) " " }
                            (view.series.label(&placed.name()))
                        }
                        dd data-json=(placed.pointer("why/text")) { (why.text) }
                    }
                }
            }
        }
    }
}

/// The classes of one batch size: they hardly depend on it.
fn of_classes(view: &View<'_>) -> Option<Markup> {
    let batch = view.focus()?;
    let charts: Vec<Chart> = [
        classes::accuracies(view, batch),
        classes::changes(view, batch),
    ]
    .into_iter()
    .flatten()
    .collect();
    let charts = side_by_side(&charts)?;
    let confusions: Vec<Chart> = batch
        .measured()
        .filter_map(|placed| confusion::chart(view, placed))
        .collect();
    Some(html! {
        p.lead { (batch.title().inline()) ". The JSON has the other batch sizes." }
        (legend(view))
        (charts)
        h3 { "Confusion" }
        p.lead { "The images of each class (rows) by the label that they get (columns). Darker fields are more frequent mistakes." }
        div.charts { @for chart in &confusions { (chart.draw()) } }
    })
}

fn of_memory(view: &View<'_>) -> Option<Markup> {
    let charts = view
        .charted()
        .into_iter()
        .filter_map(|batch| memory::chart(view, batch))
        .chain(limit::chart(view));
    side_by_side(&charts.collect::<Vec<_>>())
}

/// The day of a date with its time.
fn day(date: &str) -> &str {
    date.split_once('T').map_or(date, |(day, _)| day)
}
