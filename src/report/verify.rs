//! The result of `verify`, in every format.

use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;

use super::adapter::adapter_line;
use super::csv::to_csv;
use super::document::{SCHEMA, Tool};
use super::format::OutputFormat;
use super::json::to_json;
use super::layout::{Layout, Screen};
use super::table::{Column, NOTHING, Table};
use crate::Precision;
use crate::adapter::{AdapterInfo, Kind};
use crate::error::{Error, Result};
use crate::units::count;
use crate::verify::numerics::{self, Difference, Earlier};
use crate::verify::{CheckRow, CheckStatus, NumericsReport, VerifyResult};

/// The document of `verify`.
#[derive(Clone, Debug, Serialize)]
pub struct VerifyDocument {
    schema: u32,
    tool: Tool,
    command: String,
    adapter: AdapterInfo,
    adapter_reason: String,
    broken_on_purpose: Option<&'static str>,
    only: Option<String>,
    checks: usize,
    passed: usize,
    failed: usize,
    skipped: usize,
    int8_sums_sha256: Option<String>,
    numerics: NumericsReport,
    compared: Option<Compared>,
    /// Why not every check was made; none where all were.
    incomplete: Option<String>,
    seconds: f64,
    results: Vec<CheckRow>,
}

/// The subject of a run of `verify`.
#[derive(Clone, Debug)]
pub struct VerifySubject {
    /// The command line.
    pub command: String,
    /// The adapter that was checked.
    pub adapter: AdapterInfo,
    /// Why this adapter.
    pub adapter_reason: String,
    /// What was broken on purpose.
    pub broken: Option<&'static str>,
    /// Which checks were selected, where not all of them.
    pub only: Option<String>,
}

/// How a run of `verify` ended.
#[derive(Clone, Debug, Default)]
pub struct VerifyEnd {
    /// Why it ended before every check was made; none where all were.
    pub incomplete: Option<String>,
    /// How long it took.
    pub took: Duration,
}

/// The comparison with an earlier numerics report.
#[derive(Clone, Debug, Serialize)]
pub struct Compared {
    /// The file of the earlier report.
    pub file: String,
    /// Its adapter.
    pub adapter: String,
    /// Its driver.
    pub driver: String,
    /// The observations that differ.
    pub differences: Vec<Difference>,
}

impl Compared {
    /// Compares a numerics report with an earlier one, of this file.
    #[must_use]
    pub fn new(file: &std::path::Path, before: &Earlier, now: &NumericsReport) -> Self {
        Self {
            file: file.display().to_string(),
            adapter: before.adapter.to_string(),
            driver: before.driver.to_string(),
            differences: now.differences(&before.numerics),
        }
    }
}

impl VerifyDocument {
    /// The document of a run.
    #[must_use]
    pub fn new(
        subject: VerifySubject,
        result: &VerifyResult,
        numerics: NumericsReport,
        compared: Option<Compared>,
        end: VerifyEnd,
    ) -> Self {
        let skipped = result.count(CheckStatus::Skipped);
        Self {
            schema: SCHEMA,
            tool: Tool::now(),
            command: subject.command,
            adapter: subject.adapter,
            adapter_reason: subject.adapter_reason,
            broken_on_purpose: subject.broken,
            only: subject.only,
            checks: result.rows.len() - skipped,
            passed: result.count(CheckStatus::Passed),
            failed: result.count(CheckStatus::Failed),
            skipped,
            int8_sums_sha256: result.int8_sums.clone(),
            numerics,
            compared,
            incomplete: end.incomplete,
            seconds: (10.0 * end.took.as_secs_f64()).round() / 10.0,
            results: result.rows.clone(),
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
            OutputFormat::Csv => to_csv(&self.results),
            OutputFormat::Html => Err(Error::no_output(
                "verify",
                "html",
                "table, json, csv or markdown",
            )),
        }
    }

    /// As a file has it.
    ///
    /// # Errors
    /// Those of [`VerifyDocument::render`].
    pub fn file(&self, format: OutputFormat) -> Result<String> {
        self.render(format, Layout::Terminal(Screen::PLAIN))
    }

    fn table(&self, layout: Layout) -> String {
        // Writing to a string cannot fail.
        let mut head = format!("Adapter:  {}\n", adapter_line(&self.adapter));
        let _ = writeln!(head, "          {}", self.adapter_reason);
        if self.adapter.kind == Kind::Software {
            head.push_str(
                "          This is a software adapter: it runs shaders on the CPU. Another driver may give other results.\n",
            );
        }
        if let Some(broken) = self.broken_on_purpose {
            let _ = writeln!(head, "Deliberately broken: {broken}");
        }
        if let Some(only) = &self.only {
            let _ = writeln!(head, "Only checks whose name contains '{only}'");
        }
        let mut text = layout.preamble(head);
        text.push('\n');
        text.push_str(&self.groups(layout));
        text.push('\n');
        text.push_str(&layout.wrap(self.notes()));
        text.push('\n');
        text.push_str(&self.numerics_table(layout));
        text.push('\n');
        text.push_str(&layout.wrap(self.ending()));
        text
    }

    /// A line for each group and precision.
    fn groups(&self, layout: Layout) -> String {
        let mut names: Vec<(&str, Precision)> = Vec::new();
        for row in &self.results {
            let name = (row.group, row.precision);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let cells = |&(group, precision): &(&str, Precision)| {
            let of = || {
                let rows = self.results.iter();
                rows.filter(move |row| (row.group, row.precision) == (group, precision))
            };
            let number = |status| of().filter(|row| row.status == status).count() as u64;
            let largest = |get: fn(&CheckRow) -> Option<f64>| {
                let most = of().filter_map(get).reduce(f64::max);
                most.map_or(NOTHING.to_owned(), figure)
            };
            let trials: usize = of().map(|row| row.trials).sum();
            vec![
                group.to_owned(),
                precision.to_string(),
                count(number(CheckStatus::Passed) + number(CheckStatus::Failed)),
                count(number(CheckStatus::Failed)),
                count(number(CheckStatus::Skipped)),
                count(trials as u64),
                largest(|row| row.largest_error),
                largest(|row| row.nmse),
                largest(|row| row.ulps),
            ]
        };
        let rows = names.iter().map(cells).collect();
        Table::new(&GROUPS, rows).render(layout)
    }

    /// What failed, why checks were skipped, and what was allowed.
    fn notes(&self) -> String {
        let mut text = String::new();
        let failed = self
            .results
            .iter()
            .filter(|r| r.status == CheckStatus::Failed);
        for row in failed {
            let detail = row.detail.as_deref().unwrap_or_default();
            let mut lines = detail.lines();
            let first = lines.next().unwrap_or_default();
            let more = match lines.count() {
                0 => String::new(),
                more => format!(" (and {more} more)"),
            };
            let _ = writeln!(
                text,
                "FAILED {}/{} {}: {first}{more}",
                row.group, row.name, row.mode
            );
        }
        let mut reasons: Vec<(&str, u64)> = Vec::new();
        for row in self
            .results
            .iter()
            .filter(|r| r.status == CheckStatus::Skipped)
        {
            let reason = row.detail.as_deref().unwrap_or_default();
            match reasons.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, number)) => *number += 1,
                None => reasons.push((reason, 1)),
            }
        }
        for (reason, number) in reasons {
            let _ = writeln!(text, "{} skipped: {reason}", count(number));
        }
        text.push_str(&self.allowed());
        text.push_str(
            "ULP: units in the last place of the expected value, or of the root mean square of all values if that is larger\n",
        );
        text
    }

    /// Each tolerance with the groups and precisions that it holds for.
    fn allowed(&self) -> String {
        let mut allowed: Vec<(&str, &str, Vec<&str>)> = Vec::new();
        for row in self
            .results
            .iter()
            .filter(|r| r.status != CheckStatus::Skipped)
        {
            let (key, precision) = ((row.tolerance, row.group), row.precision.name());
            match allowed.iter_mut().find(|(t, g, _)| (*t, *g) == key) {
                Some((.., known)) if known.contains(&precision) => {}
                Some((.., known)) => known.push(precision),
                None => allowed.push((key.0, key.1, vec![precision])),
            }
        }
        let mut text = "Allowed differences, and why:\n".to_owned();
        for (tolerance, group, precisions) in allowed {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {group} {}: {tolerance}", precisions.join(", "));
        }
        text
    }

    fn numerics_table(&self, layout: Layout) -> String {
        let rows = numerics::names().map(|(name, meaning)| {
            let seen = self.numerics.observations.get(name);
            let seen = seen.map_or(NOTHING.to_owned(), ToString::to_string);
            let reason = self.numerics.not_applicable.get(name);
            let reason = reason.map_or(String::new(), |reason| format!(" ({reason})"));
            vec![name.to_owned(), seen, format!("{meaning}{reason}")]
        });
        Table::new(&NUMERICS, rows.collect()).render(layout)
    }

    /// The summary.
    fn ending(&self) -> String {
        let mut text = String::new();
        if let Some(compared) = &self.compared {
            let Compared {
                file,
                adapter,
                driver,
                differences,
            } = compared;
            let all = match differences.len() {
                0 => "the numerics reports are the same".to_owned(),
                number => format!("{number} observations differ, which is not a failure by itself"),
            };
            let _ = writeln!(text, "Compared with {file} ({adapter}, {driver}): {all}");
            for Difference { name, before, now } in differences {
                let _ = writeln!(text, "  {name}: {before} before, {now} now");
            }
        }
        if let Some(hash) = &self.int8_sums_sha256 {
            let _ = writeln!(
                text,
                "SHA-256 of int8 sums (the same on every correct adapter): {hash}"
            );
        }
        if let Some(why) = &self.incomplete {
            let _ = writeln!(text, "Incomplete: {why}");
        }
        let _ = writeln!(
            text,
            "{}: {} checks passed, {} failed, {} skipped, in {:.1} s",
            self.word(),
            count(self.passed as u64),
            count(self.failed as u64),
            count(self.skipped as u64),
            self.seconds,
        );
        text
    }

    /// The summary in a word or three. `Passed` requires that everything was checked.
    fn word(&self) -> &'static str {
        match (self.failed, &self.incomplete, self.checks) {
            (1.., ..) => "FAILED",
            (0, Some(_), _) => "Not finished",
            (0, None, 0) => "Nothing was checked",
            (0, None, _) => "Passed",
        }
    }
}

/// The columns of the groups of checks.
const GROUPS: [Column; 9] = [
    Column::text("what"),
    Column::text("precision"),
    Column::number("checks"),
    Column::number("failed"),
    Column::number("skipped"),
    Column::number("trials"),
    Column::number("largest error"),
    Column::number("NMSE"),
    Column::number("ULP"),
];

/// The columns of the numerics report.
const NUMERICS: [Column; 3] = [
    Column::text("numerics"),
    Column::text("observed"),
    Column::text("of"),
];

/// A difference, short.
fn figure(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        value if (0.01..1000.0).contains(&value) => format!("{value:.2}"),
        value => format!("{value:.1e}"),
    }
}
