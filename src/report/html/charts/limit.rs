//! The largest batch under a memory limit, and its speed compared with the largest batch that was measured.

use maud::{Markup, html};

use super::super::figure::{self, Figure, Table, Traced};
use super::super::plot::{Anchor, Chart, Frame, WIDTH, bar, hover, words, x_axis};
use super::super::scale::Scale;
use super::super::series::{class, label};
use super::super::text_width::{fitted, width};
use super::super::view::View;
use super::format::tidy;
use crate::results::{Budget, BudgetLine};
use crate::units::{count, share};

/// The height of a name, of a bar, and of the gap under a precision's bars.
const NAME: f64 = 16.0;
const ROW: f64 = 15.0;
const GAP: f64 = 7.0;
const TOP: f64 = 6.0;
const LEFT: f64 = 8.0;
/// Bars have batch sizes to their left and their own figures to their right.
const BARS: (f64, f64) = (92.0, WIDTH - 82.0);

/// A precision under the limit.
struct LimitLine<'a> {
    at: usize,
    line: &'a BudgetLine,
    /// Its name, with its adapter where there are several.
    name: String,
    /// Where it begins.
    top: f64,
}

impl LimitLine<'_> {
    fn pointer(&self, field: &str) -> String {
        format!("/memory_limit/lines/{}/{field}", self.at)
    }

    /// Whether a larger batch was measured than the one that fits.
    fn has_larger(&self) -> bool {
        self.line.unlimited_batch.is_some() && self.line.unlimited_batch != self.line.batch
    }

    fn height(&self) -> f64 {
        NAME + ROW * if self.has_larger() { 2.0 } else { 1.0 } + GAP
    }

    fn batch(&self) -> Figure {
        let batch = self.line.batch.map(|batch| batch as u64);
        Figure::count(self.pointer("batch"), batch)
    }

    fn unlimited_batch(&self) -> Figure {
        let batch = self.line.unlimited_batch.map(|batch| batch as u64);
        Figure::count(self.pointer("unlimited_batch"), batch)
    }

    fn speed(&self) -> Figure {
        self.speed_of("images_per_second", self.line.images_per_second)
    }

    fn unlimited_speed(&self) -> Figure {
        let speed = self.line.unlimited_images_per_second;
        self.speed_of("unlimited_images_per_second", speed)
    }

    fn speed_of(&self, field: &str, speed: Option<f64>) -> Figure {
        let speed = speed.map(|speed| speed.round() as u64);
        Figure::count(self.pointer(field), speed)
    }

    fn kept(&self) -> Figure {
        Figure::new(self.pointer("speed_kept"), self.line.speed_kept.map(share))
    }

    fn bytes(&self) -> Figure {
        Figure::bytes(self.pointer("bytes"), Some(self.line.bytes))
    }

    /// What it comes to, in words.
    fn describe(&self) -> Traced {
        let traced = Traced::from(self.name.as_str());
        if self.line.batch.is_none() {
            let traced = traced.and(": not even one image fits, because it takes ");
            return traced.and(self.bytes());
        }
        let traced = traced.and(": ").and(self.batch()).and(" images fit");
        let traced = match self.line.images_per_second {
            Some(_) => traced
                .and(", at ")
                .and(self.speed())
                .and(" images a second"),
            None => return traced.and(", not measured"),
        };
        if !self.has_larger() {
            return traced.and("; no larger batch was measured");
        }
        traced
            .and("; ")
            .and(self.kept())
            .and(" of the ")
            .and(self.unlimited_speed())
            .and(" in batches of ")
            .and(self.unlimited_batch())
    }
}

/// The largest batch of each precision; none without a limit.
pub fn chart(view: &View<'_>) -> Option<Chart> {
    let budget: &Budget = view.document.memory_limit.as_ref()?;
    let mut bottom = TOP;
    let mut lines: Vec<LimitLine<'_>> = Vec::new();
    for (at, line) in budget.lines.iter().enumerate() {
        let top = bottom;
        let name = match view.document.requested_on(line.adapter) {
            Some(backend) => format!("{} on {backend}", line.name),
            None => line.name.clone(),
        };
        let line = LimitLine {
            at,
            line,
            name,
            top,
        };
        bottom += line.height();
        lines.push(line);
    }
    let speeds = budget
        .lines
        .iter()
        .flat_map(|line| [line.images_per_second, line.unlimited_images_per_second]);
    let most = speeds.flatten().fold(1.0, f64::max);
    let frame = Frame {
        left: BARS.0,
        right: BARS.1,
        top: TOP,
        bottom,
    };
    let x = Scale::linear(0.0, most, BARS.0, BARS.1);
    let drawing = html! {
        (x_axis(frame, x, &x.ticks(3), short_count, "images a second, end to end"))
        @for line in &lines { (band(line, x)) }
    };
    let limit = Figure::bytes(
        "/memory_limit/limit_bytes".to_owned(),
        Some(budget.limit_bytes),
    );
    Some(Chart {
        id: "memory-limit".to_owned(),
        title: Traced::from("Under ").and(limit),
        shows: shows(&lines),
        height: frame.bottom + 38.0,
        drawing,
        note: Some(
            "Strong: the largest batch that fits; pale: the largest batch that was measured. Kept: the share of its speed \
             that remains."
                .to_owned(),
        ),
        figures: figures(view, &lines),
    })
}

/// The precision of which the most images fit.
fn shows(lines: &[LimitLine<'_>]) -> Traced {
    // The first of equals.
    let most = lines.iter().rev().max_by_key(|line| line.line.batch);
    most.map_or_else(Traced::default, |line| {
        let name = Traced::from(line.name.as_str());
        match line.line.batch {
            Some(_) => name
                .and(" fits the largest batch: ")
                .and(line.batch())
                .and(" images."),
            None => "Not even one image fits in any precision.".into(),
        }
    })
}

/// A name, and a bar for the batch that fits and one for the largest.
fn band(line: &LimitLine<'_>, x: Scale) -> Markup {
    let colour = class(&line.line.name);
    let kept = match line.line.speed_kept {
        Some(_) if line.has_larger() => line.kept().traced().and(" kept"),
        _ => Traced::default(),
    };
    let space = WIDTH - 2.0 * LEFT - 12.0 - width(&kept.text);
    html! {
        (words(LEFT, line.top + 12.0, Anchor::Start, "label", fitted(&line.name, space)))
        (words(WIDTH - LEFT, line.top + 12.0, Anchor::End, "axis-title", kept))
        @if line.line.batch.is_some() {
            (one_bar(line, 0, &format!("fill solid {colour}"), x))
        } @else {
            (words(LEFT, line.top + NAME + 11.0, Anchor::Start, "axis-title",
                Traced::from("not even one image fits: ").and(line.bytes())))
        }
        @if line.has_larger() { (one_bar(line, 1, &format!("fill {colour}"), x)) }
    }
}

/// The first bar of a precision is that of the batch that fits.
fn one_bar(line: &LimitLine<'_>, place: usize, class: &str, x: Scale) -> Markup {
    let (batch, speed, figure) = if place == 0 {
        (line.batch(), line.line.images_per_second, line.speed())
    } else {
        let speed = line.line.unlimited_images_per_second;
        (line.unlimited_batch(), speed, line.unlimited_speed())
    };
    let top = line.top + NAME + ROW * place as f64;
    let end = x.at(speed.unwrap_or(0.0));
    html! {
        g {
            (hover(line.describe()))
            (words(BARS.0 - 6.0, top + 10.0, Anchor::End, "axis-title", Traced::from("batch ").and(batch)))
            (bar(class, BARS.0, top, end - BARS.0, ROW - 3.0))
            (words(end + 4.0, top + 10.0, Anchor::Start, "axis-title", figure))
        }
    }
}

/// `1.5M` for an axis.
fn short_count(number: f64) -> String {
    let (number, unit) = match number {
        number if number >= 1e6 => (number / 1e6, "M"),
        number if number >= 1e4 => (number / 1e3, "k"),
        number => return count(number as u64),
    };
    tidy(&format!("{number:.2} {unit}")).replace(' ', "")
}

fn figures(view: &View<'_>, lines: &[LimitLine<'_>]) -> Table {
    let lines: Vec<_> = lines
        .iter()
        .map(|line| {
            let figures = vec![
                line.batch(),
                line.bytes(),
                line.speed(),
                line.unlimited_batch(),
                line.unlimited_speed(),
                line.kept(),
            ];
            let on = view.document.requested_on(line.line.adapter);
            let name = label(&line.line.name);
            (
                html! { (name) @if let Some(backend) = on { " on " (backend) } },
                figures,
            )
        })
        .collect();
    let header = [
        "precision",
        "largest batch that fits",
        "memory",
        "images/s",
        "largest measured",
        "images/s",
        "kept",
    ];
    figure::table(&header, lines)
}
