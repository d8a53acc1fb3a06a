//! The parts of the report below the verdict, in their order.

use maud::{Markup, html};

use super::charts::{classes, confusion, latency, layers, limit, memory, pareto, parts, roofline};
use super::plot::Chart;
use super::series::label;
use super::view::{Batch, View};
use super::{gallery, provenance, results};

/// A part of the page with a heading of its own.
pub struct Section {
    pub id: &'static str,
    /// Its short name, for the navigation.
    pub short: &'static str,
    heading: &'static str,
    /// How to read it.
    lead: Option<&'static str>,
    content: Markup,
}

impl Section {
    pub fn draw(&self) -> Markup {
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
pub fn all(view: &View<'_>) -> Vec<Section> {
    let section = |id, short, heading, lead, content: Option<Markup>| {
        content.map(|content| Section {
            id,
            short,
            heading,
            lead,
            content,
        })
    };
    let of_parts = by_batch(view, parts::chart)
        .map(|charts| html! { (parts::legend()) (charts) (reasons(view)) });
    [
        section("results", "Results", "Results", None, (!view.batches.is_empty()).then(|| results::table(view))),
        section("comparison", "Comparison", "Comparison with an earlier result", None, results::comparison(view)),
        section(
            "trade-off", "Trade-off", "Accuracy against time",
            Some("Up and to the left is better. A mark's size shows its memory, and the bar through it the 95% interval of its \
                  accuracy. The line connects the precisions that no other precision beats in both accuracy and time."),
            by_batch(view, pareto::chart).map(|charts| html! { (legend(view)) (charts) }),
        ),
        section(
            "roofline", "Roofline", "Roofline",
            Some("How close each precision comes to the highest rates measured on this device: operations per second against \
                  operations per byte of parameters and activations. Under the slope, memory is the limit; under a level line, arithmetic is. A mark above the slope reads its data from caches, which are \
                  faster than memory."),
            by_batch(view, roofline::chart).map(|charts| html! { (legend(view)) (charts) }),
        ),
        section(
            "time", "Where time goes", "Where the time goes",
            Some("What a batch spends its time on, from its images in host memory to its outputs in host memory, and why it is not faster."),
            of_parts,
        ),
        section(
            "layers", "Layers", "Layer by layer",
            Some("How far the outputs after each layer are from those of f32, and how long each layer takes. The loss is the distance as a share of \
                  the f32 outputs. It includes what the layers before lost, and the last layer's outputs are those of its activation."),
            of_layers(view),
        ),
        section(
            "latency", "Latency", "Latency",
            Some("The distribution of the times of single passes, without the upload. The solid tick is the median; 99 in 100 are \
                  below the dashed tick. The slowest may lie outside the axis."),
            by_batch(view, latency::chart)
                .map(|charts| html! { (charts) (of_others(view, latency::chart)) }),
        ),
        section("classes", "Classes", "Classes", None, of_classes(view)),
        section(
            "memory", "Memory", "Memory",
            Some("Parameters (strong) and activations (pale), as count × bytes per value. The tick is what was allocated: more with working memory, less where layers share a buffer."),
            of_memory(view),
        ),
        section(
            "changed", "Changed images", "Images whose label changed",
            Some("The label that each precision gives to the images on which they do not all agree."),
            gallery::section(view),
        ),
        section("run", "Setup", "Setup of this run", None, Some(provenance::section(view))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A chart for each adapter at the batch size that the answer is about; none if there is no chart.
fn by_batch(view: &View<'_>, chart: fn(&Batch<'_>) -> Option<Chart>) -> Option<Markup> {
    let (drawn, _) = view.charted();
    let charts = drawn.into_iter().filter_map(chart);
    side_by_side(&charts.collect::<Vec<_>>())
}

/// The figures of the other batch sizes, on demand; nothing if there are none.
fn of_others(view: &View<'_>, chart: fn(&Batch<'_>) -> Option<Chart>) -> Markup {
    let (_, others) = view.charted();
    let listed = view.listed();
    let listed = |batch: &&Batch<'_>| listed.iter().any(|one| std::ptr::eq(*one, *batch));
    let others = others.into_iter().filter(listed);
    let charts: Vec<Chart> = others.filter_map(chart).collect();
    html! {
        @if !charts.is_empty() {
            details.more {
                summary { "The other batch sizes in figures" }
                div.charts { @for chart in &charts { (chart.draw_figures()) } }
            }
        }
    }
}

/// Charts in as many columns as fit; none if there is no chart.
fn side_by_side(charts: &[Chart]) -> Option<Markup> {
    (!charts.is_empty()).then(|| html! { div.charts { @for chart in charts { (chart.draw()) } } })
}

/// The meaning of the marks.
fn legend(view: &View<'_>) -> Markup {
    view.series.legend(view.series.names())
}

/// Why each row of the charts is not faster, in words.
fn reasons(view: &View<'_>) -> Markup {
    let (drawn, _) = view.charted();
    html! {
        details.more {
            summary { "Why not faster, row by row" }
            dl.batches {
                @for placed in drawn.into_iter().flat_map(Batch::measured) {
                    @if let Some(why) = &placed.row.why {
                        dt {
                            "Batch " (placed.batch().inline()) " "
                            @if let Some(backend) = view.document.requested_on(placed.row.requested.adapter) { "on " (backend) " " }
                            (label(&placed.name()))
                        }
                        dd data-json=(placed.pointer("why/text")) { (why.text) }
                    }
                }
            }
        }
    }
}

/// The layers at the batch size of the answer: the losses once, since they depend on no adapter, and the times where they
/// are known.
fn of_layers(view: &View<'_>) -> Option<Markup> {
    let (drawn, others) = view.charted();
    let loss = view.focus().and_then(|batch| layers::losses(view, batch));
    let times = |batches: &[&Batch<'_>]| -> Vec<Chart> {
        let charts = batches.iter();
        charts
            .filter_map(|batch| layers::times(view, batch))
            .collect()
    };
    let mut charts = times(&drawn);
    if charts.is_empty() {
        // Kernels for small batches may run all layers at once: the largest batch size shows the layers.
        charts = times(&others).pop().into_iter().collect();
    }
    let charts: Vec<Chart> = loss.into_iter().chain(charts).collect();
    side_by_side(&charts).map(|charts| html! { (legend(view)) (charts) })
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
    Some(html! {
        p.lead { (batch.title().inline()) ". The JSON has the other batch sizes." }
        (legend(view))
        (charts)
        (confusion::section(view, batch))
    })
}

fn of_memory(view: &View<'_>) -> Option<Markup> {
    let (drawn, _) = view.charted();
    let charts = drawn.into_iter().filter_map(memory::chart);
    side_by_side(&charts.chain(limit::chart(view)).collect::<Vec<_>>())
}
