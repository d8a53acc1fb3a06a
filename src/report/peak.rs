//! The ceilings of an adapter, in every format.

use std::fmt::{Display, Write};

use serde::Serialize;

use super::document::{SCHEMA, Tool};
use super::grid::{Layout, NOTHING, grid};
use super::table::adapter_line;
use super::{Format, to_json};
use crate::adapter::{AdapterInfo, Backend, Kind};
use crate::error::{Error, Result};
use crate::peak::{Ceiling, Peak, ProcessorCeiling};
use crate::units::{count, rate};

/// What `peak` says.
#[derive(Clone, Debug, Serialize)]
pub struct PeakDocument {
    schema: u32,
    tool: Tool,
    adapter: AdapterInfo,
    adapter_reason: String,
    /// Why not everything was measured; none where it was.
    incomplete: Option<String>,
    ceilings: Vec<Line>,
}

/// Whether there is a figure, or why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    /// The adapter lacks what it takes.
    Unsupported,
    /// Something went wrong.
    Failed,
    /// It was not come to.
    Unmeasured,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unsupported => "unsupported",
            Self::Failed => "failed",
            Self::Unmeasured => "unmeasured",
        }
    }
}

/// A ceiling as JSON has it. What was not measured is null.
#[derive(Clone, Debug, Serialize)]
struct Line {
    name: &'static str,
    unit: &'static str,
    status: Status,
    detail: Option<String>,
    per_second: Option<f64>,
    median_per_second: Option<f64>,
    spread: Option<f64>,
    shape: Option<String>,
    samples: Vec<f64>,
    /// What is done, in words.
    #[serde(skip)]
    what: &'static str,
    /// What is counted, in short.
    #[serde(skip)]
    short: &'static str,
}

impl PeakDocument {
    /// The ceilings of an adapter, none of which is measured yet.
    #[must_use]
    pub fn of_adapter(adapter: &AdapterInfo, adapter_reason: &str) -> Self {
        let line = |ceiling: Ceiling| Line::of_adapter(ceiling, adapter);
        Self::of_lines(adapter, adapter_reason, Ceiling::ALL.map(line).to_vec())
    }

    /// Those of the CPU path's processor.
    #[must_use]
    pub fn of_processor(adapter: &AdapterInfo, adapter_reason: &str) -> Self {
        let lines = ProcessorCeiling::ALL.map(Line::of_processor).to_vec();
        Self::of_lines(adapter, adapter_reason, lines)
    }

    fn of_lines(adapter: &AdapterInfo, adapter_reason: &str, ceilings: Vec<Line>) -> Self {
        Self {
            schema: SCHEMA,
            tool: Tool::now(),
            adapter: adapter.clone(),
            adapter_reason: adapter_reason.to_owned(),
            incomplete: None,
            ceilings,
        }
    }

    /// Takes what was measured of the ceiling of this name.
    pub fn measured<S: Display>(&mut self, name: &str, peak: &Peak<S>) {
        self.put(name, |line| line.with(peak));
    }

    /// Takes what went wrong with the ceiling of this name.
    pub fn failed(&mut self, name: &str, why: &str) {
        self.put(name, |line| line.without(Status::Failed, why));
    }

    /// Ends it before all is measured.
    pub fn end_early(&mut self, why: &str) {
        self.incomplete = Some(why.to_owned());
        for line in &mut self.ceilings {
            if line.status == Status::Unmeasured {
                line.detail = Some(why.to_owned());
            }
        }
    }

    /// Whether anything was measured.
    #[must_use]
    pub fn has_figures(&self) -> bool {
        self.ceilings.iter().any(|line| line.status == Status::Ok)
    }

    fn put(&mut self, name: &str, change: impl FnOnce(Line) -> Line) {
        if let Some(line) = self.ceilings.iter_mut().find(|line| line.name == name) {
            *line = change(line.clone());
        }
    }

    /// The document in a format; a table in this layout.
    ///
    /// # Errors
    /// `Error::Usage` for a format that it does not have.
    /// `Error::Internal` where a serializer refuses, which it does for no value of ours.
    pub fn render(&self, format: Format, layout: Layout) -> Result<String> {
        match format {
            Format::Table => Ok(self.table(layout)),
            Format::Markdown => Ok(self.table(Layout::Markdown)),
            Format::Json => to_json(self),
            Format::Csv => self.csv(),
            Format::Html => Err(Error::no_output(
                "peak",
                "html",
                "table, json, csv or markdown",
            )),
        }
    }

    fn table(&self, layout: Layout) -> String {
        let item = match layout {
            Layout::Terminal(_) => ["Adapter:  ", "          "],
            Layout::Markdown => ["- Adapter: ", "- "],
        };
        let mut text = format!("{}{}\n", item[0], adapter_line(&self.adapter));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}{}", item[1], self.adapter_reason);
        if self.adapter.kind == Kind::Software {
            let _ = writeln!(
                text,
                "{}It runs shaders on the processor: these figures say nothing about a GPU.",
                item[1]
            );
        }
        let header = [
            "ceiling",
            "what",
            "fastest as",
            "best",
            "median",
            "spread",
            "samples",
        ];
        let rows: Vec<Vec<String>> = self.ceilings.iter().map(Line::cells).collect();
        text = layout.wrap(text);
        text.push('\n');
        text.push_str(&grid(layout, &header, &rows, 3));
        let mut notes = String::new();
        if let Some(why) = &self.incomplete {
            let _ = writeln!(notes, "Incomplete: {why}");
        }
        for Line { name, detail, .. } in &self.ceilings {
            if let Some(detail) = detail {
                let _ = writeln!(notes, "{name}: not measured: {detail}");
            }
        }
        if layout == Layout::Markdown && !notes.is_empty() {
            // A line right under a table is a row of it.
            text.push('\n');
        }
        text.push_str(&layout.wrap(notes));
        if layout != Layout::Markdown {
            text.push('\n');
            text.push_str(&layout.wrap(LEGEND.to_owned()));
        }
        text
    }

    fn csv(&self) -> Result<String> {
        let internal = |error: String| Error::encoding("CSV", error);
        let mut writer = csv::Writer::from_writer(Vec::new());
        for line in &self.ceilings {
            writer
                .serialize(CsvLine::new(line, self))
                .map_err(|error| internal(error.to_string()))?;
        }
        let bytes = writer
            .into_inner()
            .map_err(|error| internal(error.to_string()))?;
        String::from_utf8(bytes).map_err(|error| internal(error.to_string()))
    }
}

/// What the columns mean.
const LEGEND: &str = "\
best    the ceiling: the fastest sample, by the host's clock, with the submit and the wait for it
spread  standard deviation over mean; an operation is one product or one sum, so a multiply-add is two
";

impl Line {
    fn of_adapter(ceiling: Ceiling, adapter: &AdapterInfo) -> Self {
        let (what, short) = match ceiling {
            Ceiling::F32 => ("multiply-add, registers only", "FLOP"),
            Ceiling::F16 => ("multiply-add in f16, registers only", "FLOP"),
            Ceiling::Matrix => ("f16 matrices, registers only", "FLOP"),
            Ceiling::Int8Dot => ("dot4I8Packed, registers only", "OP"),
            Ceiling::Copy => ("memory, bytes read and written", "B"),
        };
        let line = Self::unmeasured(ceiling.name(), ceiling.unit(), what, short);
        match ceiling.lacks(adapter) {
            Some(reason) => line.without(Status::Unsupported, reason),
            None => line,
        }
    }

    fn of_processor(ceiling: ProcessorCeiling) -> Self {
        let (what, short) = match ceiling {
            ProcessorCeiling::F32 => ("multiply-add, registers only", "FLOP"),
            ProcessorCeiling::Int8 => ("int8 products, registers only", "OP"),
        };
        Self::unmeasured(ceiling.name(), "operations", what, short)
    }

    fn unmeasured(
        name: &'static str,
        unit: &'static str,
        what: &'static str,
        short: &'static str,
    ) -> Self {
        Self {
            name,
            unit,
            status: Status::Unmeasured,
            detail: None,
            per_second: None,
            median_per_second: None,
            spread: None,
            shape: None,
            samples: Vec::new(),
            what,
            short,
        }
    }

    /// The same with why nothing was measured.
    fn without(self, status: Status, why: &str) -> Self {
        Self {
            status,
            detail: Some(why.to_owned()),
            ..self
        }
    }

    /// The same with what was measured.
    fn with<S: Display>(self, peak: &Peak<S>) -> Self {
        Self {
            status: Status::Ok,
            detail: None,
            per_second: Some(peak.best()),
            median_per_second: Some(peak.median()),
            spread: Some(peak.spread()),
            shape: Some(peak.shape.to_string()),
            samples: peak.samples.clone(),
            ..self
        }
    }

    fn cells(&self) -> Vec<String> {
        let or_nothing = |text: Option<String>| text.unwrap_or_else(|| NOTHING.to_owned());
        let best = self.per_second.map(|best| rate(best, self.short));
        let spread = self.spread.map(|spread| format!("±{:.0}%", 100.0 * spread));
        vec![
            self.name.to_owned(),
            self.what.to_owned(),
            or_nothing(self.shape.clone()),
            best.unwrap_or_else(|| self.status.name().to_owned()),
            or_nothing(
                self.median_per_second
                    .map(|median| rate(median, self.short)),
            ),
            or_nothing(spread),
            count(self.samples.len() as u64),
        ]
    }
}

/// A ceiling without its nesting, with what it was measured on.
#[derive(Serialize)]
struct CsvLine<'a> {
    name: &'a str,
    unit: &'a str,
    status: &'a str,
    detail: Option<&'a str>,
    per_second: Option<f64>,
    median_per_second: Option<f64>,
    spread: Option<f64>,
    shape: Option<&'a str>,
    samples: usize,
    adapter: &'a str,
    backend: Backend,
    kind: Kind,
    driver: &'a str,
    complete: bool,
}

impl<'a> CsvLine<'a> {
    fn new(line: &'a Line, document: &'a PeakDocument) -> Self {
        let adapter = &document.adapter;
        Self {
            name: line.name,
            unit: line.unit,
            status: line.status.name(),
            detail: line.detail.as_deref(),
            per_second: line.per_second,
            median_per_second: line.median_per_second,
            spread: line.spread,
            shape: line.shape.as_deref(),
            samples: line.samples.len(),
            adapter: &adapter.name,
            backend: adapter.backend,
            kind: adapter.kind,
            driver: &adapter.driver,
            complete: document.incomplete.is_none(),
        }
    }
}
