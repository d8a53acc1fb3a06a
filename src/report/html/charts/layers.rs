//! What each layer of a network loses and takes.

use maud::{Markup, html};

use super::super::figure::{self, Figure, Table, Traced};
use super::super::plot::{Anchor, Chart, Frame, WIDTH, bar, hover, line, words, x_axis};
use super::super::scale::Scale;
use super::super::series::{class, label, mark};
use super::super::text_width::fitted;
use super::super::view::{Batch, Placed, View};
use super::format::tidy;
use crate::results::LayerFigures;
use crate::units::duration;

const TOP: f64 = 8.0;
const LEFT: f64 = 8.0;
/// The height of a layer's name, of a precision's mark in it, and of a precision's bar with its name.
const NAME: f64 = 18.0;
const MARK: f64 = 11.0;
const BAR: f64 = 34.0;
/// Deeper networks have their other layers in the figures.
const MOST_LAYERS: usize = 12;

/// The losses of each layer, a mark for each precision; none where no precision differs from f32.
pub fn losses(view: &View<'_>, batch: &Batch<'_>) -> Option<Chart> {
    let rows: Vec<Placed<'_>> = batch.measured().filter(|placed| loses(placed)).collect();
    let all = rows.iter().flat_map(|placed| &placed.row.layers);
    let all: Vec<f64> = all.filter_map(|layer| layer.relative_error).collect();
    let positive = all.iter().copied().filter(|&error| error > 0.0);
    let least = positive.clone().reduce(f64::min)?;
    let most = positive.reduce(f64::max)?;
    let layers = rows.first()?.row.layers.len().min(MOST_LAYERS);
    let band = NAME + MARK * rows.len() as f64 + 8.0;
    let frame = Frame {
        left: LEFT,
        right: WIDTH - 14.0,
        top: TOP,
        bottom: TOP + band * layers as f64,
    };
    let x = Scale::log(least / 1.6, most * 1.6, frame.left, frame.right);
    let drawing = html! {
        (x_axis(frame, x, &x.ticks(5), short_share, "loss: distance from the outputs of f32"))
        @for layer in 0..layers {
            @let top = TOP + band * layer as f64;
            (line("axis", (frame.left, top), (frame.right, top)))
            (words(LEFT, top + 13.0, Anchor::Start, "label", shape(view, &rows[0], layer)))
            @for (place, placed) in rows.iter().enumerate() {
                @if let Some(error) = placed.row.layers[layer].relative_error.filter(|error| *error > 0.0) {
                    @let y = top + NAME + MARK * (place as f64 + 0.5);
                    g {
                        (hover(Traced::from(placed.name()).and(": ").and(loss(placed, layer))))
                        (line("grid", (frame.left, y), (x.at(error), y)))
                        (mark(&placed.name(), x.at(error), y, 4.0))
                    }
                }
            }
        }
    };
    let mut all = view.batches.iter().flat_map(Batch::measured);
    let timed = all.any(|placed| times_of(&placed).is_some());
    let untimed = "No time of a layer is known: the CPU path has no device clock, and some kernels run all layers at once.";
    Some(Chart {
        id: format!("losses-{}", batch.id()),
        title: Traced::from("Loss, ").and("batch ").and(batch.figure()),
        shows: most_lost(&rows),
        height: frame.bottom + 38.0,
        drawing,
        note: (!timed).then(|| untimed.to_owned()),
        figures: figures(&batch.measured().collect::<Vec<_>>()),
    })
}

/// The time of each layer, a bar for each precision; none where no time is known.
pub fn times(view: &View<'_>, batch: &Batch<'_>) -> Option<Chart> {
    let rows: Vec<(Placed<'_>, u64)> = batch
        .measured()
        .filter_map(|placed| Some((placed, times_of(&placed)?)))
        .collect();
    let longest = rows.iter().map(|(_, time)| *time).max()?.max(1) as f64;
    let frame = Frame {
        left: LEFT,
        right: WIDTH - 14.0,
        top: TOP,
        bottom: TOP + BAR * rows.len() as f64 + 4.0,
    };
    let x = Scale::linear(0.0, longest, frame.left, frame.right);
    let drawing = html! {
        (x_axis(frame, x, &x.ticks(4), |tick| tidy(&duration(tick)), "time of the kernels of each layer, in order"))
        @for (place, (placed, _)) in rows.iter().enumerate() {
            @let top = TOP + BAR * place as f64;
            (words(LEFT, top + 10.0, Anchor::Start, "label", fitted(&placed.name(), WIDTH - 2.0 * LEFT)))
            (stack(placed, x, top + 14.0))
        }
    };
    let of_rows: Vec<Placed<'_>> = rows.iter().map(|(placed, _)| *placed).collect();
    let title = Traced::from("Time, batch ").and(batch.figure());
    Some(Chart {
        id: format!("layer-times-{}", batch.id()),
        title: match batch.on {
            Some(backend) => title.and(" on ").and(backend),
            None => title,
        },
        shows: longest_layer(view, &of_rows),
        height: frame.bottom + 38.0,
        drawing,
        note: Some(note(view, batch)),
        figures: figures(&of_rows),
    })
}

/// How to read the times.
fn note(view: &View<'_>, batch: &Batch<'_>) -> String {
    let focus = view.focus().map(|focus| focus.size);
    let other = if focus == Some(batch.size) {
        ""
    } else {
        "It is another batch size than in the other charts, because there no layer was timed by itself: the CPU path has no device \
         clock, and one kernel may run all layers. "
    };
    format!(
        "{other}Each bar is divided at the end of a layer. Each kernel is timed in extra runs, so the sum differs a little from \
         'kernels' in the table. A precision whose layers run in one kernel has no bar."
    )
}

/// A bar in as many parts as there are layers.
fn stack(placed: &Placed<'_>, x: Scale, top: f64) -> Markup {
    let mut end = 0;
    let parts: Vec<(usize, u64, u64)> = placed
        .row
        .layers
        .iter()
        .map(|figures| {
            let start = end;
            end += figures.time_ns.unwrap_or(0);
            (figures.layer, start, end)
        })
        .collect();
    let fill = format!("fill solid part {}", class(&placed.name()));
    html! {
        @for (layer, start, end) in parts {
            @let (from, to) = (x.at(start as f64), x.at(end as f64));
            g {
                (hover(Traced::from("layer ").and(number(placed, layer)).and(": ").and(time(placed, layer))))
                (bar(&fill, from, top, to - from - 1.5, 14.0))
            }
        }
    }
}

/// Whether some of its layers differ from f32.
fn loses(placed: &Placed<'_>) -> bool {
    let differs = |layer: &LayerFigures| layer.relative_error.is_some_and(|error| error > 0.0);
    placed.row.layers.iter().any(differs)
}

/// The time of all its layers; none where one is not known.
fn times_of(placed: &Placed<'_>) -> Option<u64> {
    let layers = &placed.row.layers;
    let times: Option<Vec<u64>> = layers.iter().map(|layer| layer.time_ns).collect();
    times
        .filter(|times| !times.is_empty())
        .map(|times| times.iter().sum())
}

/// The largest loss of a layer.
fn most_lost(rows: &[Placed<'_>]) -> Traced {
    let all = rows.iter().flat_map(|placed| {
        let known = placed.row.layers.iter().enumerate();
        known.filter_map(move |(layer, one)| Some((placed, layer, one.relative_error?)))
    });
    let most = all.max_by(|a, b| a.2.total_cmp(&b.2));
    most.map_or_else(Traced::default, |(placed, layer, _)| {
        Traced::from("After layer ")
            .and(number(placed, layer))
            .and(", the outputs of ")
            .and(placed.name())
            .and(" are the furthest from those of f32: ")
            .and(loss(placed, layer))
            .and(".")
    })
}

/// The layer that takes the longest in the first row.
fn longest_layer(view: &View<'_>, rows: &[Placed<'_>]) -> Traced {
    let recommended = view.recommended().map(|placed| placed.at);
    let row = rows.iter().find(|placed| Some(placed.at) == recommended);
    let Some(placed) = row.or(rows.first()) else {
        return Traced::default();
    };
    let layers = placed.row.layers.iter().enumerate();
    let longest = layers.max_by_key(|(_, layer)| layer.time_ns);
    longest.map_or_else(Traced::default, |(layer, _)| {
        Traced::from("In ")
            .and(placed.name())
            .and(" layer ")
            .and(number(placed, layer))
            .and(" takes the longest: ")
            .and(time(placed, layer))
            .and(".")
    })
}

fn number(placed: &Placed<'_>, layer: usize) -> Figure {
    let pointer = placed.pointer(&format!("layers/{layer}/layer"));
    Figure::count(pointer, Some(layer as u64))
}

fn loss(placed: &Placed<'_>, layer: usize) -> Figure {
    let pointer = placed.pointer(&format!("layers/{layer}/relative_error"));
    let error = placed.row.layers[layer].relative_error;
    Figure::new(pointer, error.map(fine_share))
}

fn time(placed: &Placed<'_>, layer: usize) -> Figure {
    let pointer = placed.pointer(&format!("layers/{layer}/time_ns"));
    let time = placed.row.layers[layer].time_ns;
    Figure::time(pointer, time.map(|time| time as f64))
}

/// `layer 0: 784 → 64`
fn shape(view: &View<'_>, placed: &Placed<'_>, layer: usize) -> Traced {
    let width = |at: usize| {
        let width = view
            .document
            .model
            .layers
            .get(at)
            .map(|&width| width as u64);
        Figure::count(format!("/model/layers/{at}"), width)
    };
    Traced::from("layer ")
        .and(number(placed, layer))
        .and(": ")
        .and(width(layer))
        .and(" → ")
        .and(width(layer + 1))
}

/// A share in percent, with as many decimals as a small one needs.
fn fine_share(error: f64) -> String {
    let percent = 100.0 * error;
    if percent == 0.0 || percent >= 10.0 {
        return format!("{percent:.1}%");
    }
    let decimals = (1.0 - percent.log10().floor()).clamp(1.0, 12.0) as usize;
    format!("{percent:.decimals$}%")
}

/// The same for an axis.
fn short_share(error: f64) -> String {
    tidy(fine_share(error).trim_end_matches('%')) + "%"
}

fn figures(rows: &[Placed<'_>]) -> Table {
    let lines = rows.iter().flat_map(|placed| {
        (0..placed.row.layers.len()).map(|layer| {
            let figures = vec![
                number(placed, layer),
                loss(placed, layer),
                time(placed, layer),
            ];
            (label(&placed.name()), figures)
        })
    });
    figure::table(&["precision", "layer", "loss", "time"], lines.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_losses_have_two_digits() {
        let texts = [0.1234, 0.034_56, 0.000_123, 1.2e-7].map(fine_share);
        assert_eq!(texts, ["12.3%", "3.5%", "0.012%", "0.000012%"]);
        assert_eq!(short_share(0.01), "1%");
    }
}
