//! The ceilings of an adapter, in every format.

use std::fmt::Write;

use serde::Serialize;

use super::adapter::adapter_lines;
use super::csv::to_csv;
use super::document::{SCHEMA, Tool};
use super::format::OutputFormat;
use super::json::to_json;
use super::layout::Layout;
use super::table::{Column, Table, or_nothing};
use crate::adapter::{AdapterInfo, Backend, Kind};
use crate::error::{Error, Result};
use crate::units::{count, rate};

/// The document of `peak`.
#[derive(Clone, Debug, Serialize)]
pub struct PeakDocument {
    schema: u32,
    tool: Tool,
    adapter: AdapterInfo,
    adapter_reason: String,
    /// Why not everything was measured; none where it was.
    incomplete: Option<String>,
    ceilings: Vec<CeilingLine>,
}

/// Whether there is a figure, or why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum CeilingStatus {
    Ok,
    /// The adapter lacks what it takes.
    Unsupported,
    /// Something went wrong.
    Failed,
    /// The run ended before it was measured.
    Unmeasured,
}

impl CeilingStatus {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unsupported => "unsupported",
            Self::Failed => "failed",
            Self::Unmeasured => "unmeasured",
        }
    }
}

/// A ceiling. Figures that were not measured are null in JSON.
#[derive(Clone, Debug, Serialize)]
pub struct CeilingLine {
    name: &'static str,
    unit: &'static str,
    status: CeilingStatus,
    detail: Option<String>,
    per_second: Option<f64>,
    median_per_second: Option<f64>,
    spread: Option<f64>,
    shape: Option<String>,
    samples: Vec<f64>,
    /// What is done, in words.
    #[serde(skip)]
    what: &'static str,
    /// What is counted, as a short unit: `FLOP`, `OP` or `B`.
    #[serde(skip)]
    short_unit: &'static str,
}

/// The figures of a ceiling that was measured.
#[derive(Clone, Debug)]
pub struct PeakFigures {
    /// The rate of the fastest sample.
    pub best: f64,
    /// The median rate.
    pub median: f64,
    /// The standard deviation over the mean.
    pub spread: f64,
    /// The shape of the fastest microkernel, in words.
    pub shape: String,
    /// The rate of each sample.
    pub samples: Vec<f64>,
}

impl PeakDocument {
    /// Ceilings of an adapter, none of which is measured yet.
    #[must_use]
    pub fn new(adapter: &AdapterInfo, adapter_reason: &str, ceilings: Vec<CeilingLine>) -> Self {
        Self {
            schema: SCHEMA,
            tool: Tool::now(),
            adapter: adapter.clone(),
            adapter_reason: adapter_reason.to_owned(),
            incomplete: None,
            ceilings,
        }
    }

    /// Adds the figures of the ceiling of this name.
    pub fn measured(&mut self, name: &str, figures: PeakFigures) {
        self.put(name, |line| line.with(figures));
    }

    /// Adds why the ceiling of this name could not be measured.
    pub fn failed(&mut self, name: &str, why: &str) {
        self.put(name, |line| line.without(CeilingStatus::Failed, why));
    }

    /// Ends the document before everything is measured.
    pub fn end_early(&mut self, why: &str) {
        self.incomplete = Some(why.to_owned());
        for line in &mut self.ceilings {
            if line.status == CeilingStatus::Unmeasured {
                line.detail = Some(why.to_owned());
            }
        }
    }

    /// Whether anything was measured.
    #[must_use]
    pub fn has_figures(&self) -> bool {
        self.ceilings
            .iter()
            .any(|line| line.status == CeilingStatus::Ok)
    }

    fn put(&mut self, name: &str, change: impl FnOnce(CeilingLine) -> CeilingLine) {
        if let Some(line) = self.ceilings.iter_mut().find(|line| line.name == name) {
            *line = change(line.clone());
        }
    }

    /// The document in a format; a table in this layout.
    ///
    /// # Errors
    /// `Error::Usage` for a format that it does not have.
    /// `Error::Internal` where a serializer refuses, which it does for no value of ours.
    pub fn render(&self, format: OutputFormat, layout: Layout) -> Result<String> {
        match format {
            OutputFormat::Table => Ok(self.table(layout)),
            OutputFormat::Markdown => Ok(self.table(Layout::Markdown)),
            OutputFormat::Json => to_json(self),
            OutputFormat::Csv => to_csv(self.ceilings.iter().map(|line| CsvLine::new(line, self))),
            OutputFormat::Html => Err(Error::no_output(
                "peak",
                "html",
                "table, json, csv or markdown",
            )),
        }
    }

    fn table(&self, layout: Layout) -> String {
        let head = adapter_lines(&self.adapter, &self.adapter_reason);
        let mut text = layout.preamble(head);
        let rows = self.ceilings.iter().map(CeilingLine::cells).collect();
        text.push('\n');
        text.push_str(&Table::new(&COLUMNS, rows).render(layout));
        let mut notes = String::new();
        // Writing to a string cannot fail.
        if let Some(why) = &self.incomplete {
            let _ = writeln!(notes, "Incomplete: {why}");
        }
        for CeilingLine { name, detail, .. } in &self.ceilings {
            if let Some(detail) = detail {
                let _ = writeln!(notes, "{name} was not measured: {detail}");
            }
        }
        if layout == Layout::Markdown && !notes.is_empty() {
            // Without an empty line, Markdown takes a note for a row of the table.
            text.push('\n');
        }
        text.push_str(&layout.wrap(notes));
        if layout != Layout::Markdown {
            text.push('\n');
            text.push_str(&layout.wrap(LEGEND.to_owned()));
        }
        text
    }
}

/// The columns of the ceilings.
const COLUMNS: [Column; 7] = [
    Column::text("ceiling"),
    Column::text("what"),
    Column::text("fastest as"),
    Column::number("best"),
    Column::number("median"),
    Column::number("spread"),
    Column::number("samples"),
];

/// The meaning of the columns.
const LEGEND: &str = "\
best    the ceiling: the fastest sample, by the host's clock, including the submit and the wait for it
spread  standard deviation over mean. An operation is one product or one sum, so a multiply-add is two.
";

impl CeilingLine {
    /// A ceiling that is not measured yet: `what` says in words what is done, `short_unit` what is counted.
    #[must_use]
    pub fn unmeasured(
        name: &'static str,
        unit: &'static str,
        what: &'static str,
        short_unit: &'static str,
    ) -> Self {
        Self {
            name,
            unit,
            status: CeilingStatus::Unmeasured,
            detail: None,
            per_second: None,
            median_per_second: None,
            spread: None,
            shape: None,
            samples: Vec::new(),
            what,
            short_unit,
        }
    }

    /// The same, for an adapter that lacks what it needs.
    #[must_use]
    pub fn unsupported(self, reason: &str) -> Self {
        self.without(CeilingStatus::Unsupported, reason)
    }

    /// The same, with the reason why nothing was measured.
    fn without(self, status: CeilingStatus, why: &str) -> Self {
        Self {
            status,
            detail: Some(why.to_owned()),
            ..self
        }
    }

    /// The same, with its figures.
    fn with(self, figures: PeakFigures) -> Self {
        Self {
            status: CeilingStatus::Ok,
            detail: None,
            per_second: Some(figures.best),
            median_per_second: Some(figures.median),
            spread: Some(figures.spread),
            shape: Some(figures.shape),
            samples: figures.samples,
            ..self
        }
    }

    fn cells(&self) -> Vec<String> {
        let rate = |figure: f64| rate(figure, self.short_unit);
        let best = self.per_second.map(rate);
        let spread = self.spread.map(|spread| format!("±{:.0}%", 100.0 * spread));
        vec![
            self.name.to_owned(),
            self.what.to_owned(),
            or_nothing(self.shape.clone()),
            best.unwrap_or_else(|| self.status.name().to_owned()),
            or_nothing(self.median_per_second.map(rate)),
            or_nothing(spread),
            count(self.samples.len() as u64),
        ]
    }
}

/// A ceiling without nesting, with its adapter.
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
    fn new(line: &'a CeilingLine, document: &'a PeakDocument) -> Self {
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
