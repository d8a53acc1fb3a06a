//! The largest batch under a memory limit, and what it costs in speed.

use maud::html;

use super::super::figure::{self, Figure};
use super::super::plot::{Anchor, Chart, Frame, WIDTH, bar, words, x_axis};
use super::super::scale::Scale;
use super::super::view::View;
use crate::bench::Budget;
use crate::units::{bytes, count};

const BAND: f64 = 34.0;
const TOP: f64 = 10.0;
const LEFT: f64 = 8.0;

/// The largest batch of each precision; none without a limit.
pub fn chart(view: &View<'_>) -> Option<Chart> {
    let budget: &Budget = view.document.memory_limit.as_ref()?;
    let most = budget
        .lines
        .iter()
        .filter_map(|line| line.batch)
        .max()
        .unwrap_or(1) as f64;
    let frame = Frame {
        left: LEFT,
        right: WIDTH - 14.0,
        top: TOP,
        bottom: TOP + BAND * budget.lines.len() as f64 + 4.0,
    };
    let x = Scale::linear(0.0, 1.02 * most, frame.left, frame.right);
    let whole: Vec<f64> = x
        .ticks(4)
        .into_iter()
        .filter(|tick| tick.fract() == 0.0)
        .collect();
    let text = |at: usize| {
        let line = &budget.lines[at];
        let batch = line
            .batch
            .map_or_else(|| "none fits".to_owned(), |batch| count(batch as u64));
        match line.speed_kept {
            Some(kept) => format!(
                "{}  {batch}, at {:.0}% of the speed",
                line.name,
                100.0 * kept
            ),
            None => format!("{}  {batch}", line.name),
        }
    };
    let drawing = html! {
        (x_axis(frame, x, &whole, |tick| count(tick as u64), "images in the largest batch that fits"))
        @for (at, line) in budget.lines.iter().enumerate() {
            @let top = TOP + BAND * at as f64;
            @let class = format!("fill solid {}", view.series.class(&line.name));
            (words(LEFT, top + 10.0, Anchor::Start, "label", &text(at)))
            (bar(&class, LEFT, top + 14.0, x.at(line.batch.unwrap_or(0) as f64) - LEFT, 14.0))
        }
    };
    let described: Vec<String> = (0..budget.lines.len()).map(text).collect();
    let lines: Vec<_> = budget
        .lines
        .iter()
        .enumerate()
        .map(|(at, line)| {
            let of = |field: &str| format!("/memory_limit/lines/{at}/{field}");
            let figures = vec![
                Figure::count(of("batch"), line.batch.map(|batch| batch as u64)),
                Figure::bytes(of("bytes"), Some(line.bytes)),
                Figure::new(
                    of("speed_kept"),
                    line.speed_kept.map(|kept| format!("{:.0}%", 100.0 * kept)),
                ),
            ];
            (view.series.label(&line.name), figures)
        })
        .collect();
    Some(Chart {
        id: "memory-limit".to_owned(),
        title: format!("Under {}", bytes(budget.limit_bytes)),
        summary: described.join("; "),
        height: frame.bottom + 38.0,
        drawing,
        note: None,
        figures: figure::table(
            &["precision", "largest batch", "planned", "speed kept"],
            &lines,
        ),
    })
}
