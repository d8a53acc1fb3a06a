//! What `verify` found, in every format.

use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;

use super::document::{SCHEMA, Tool};
use super::grid::{Layout, NOTHING, Screen, grid};
use super::table::adapter_line;
use super::{Format, to_json};
use crate::Precision;
use crate::adapter::{AdapterInfo, Kind};
use crate::error::{Error, Result};
use crate::units::count;
use crate::verify::passport::{self, Difference, Earlier};
use crate::verify::{Outcome, Passport, Row, Status};

/// What `verify` says.
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
    passport: Passport,
    compared: Option<Compared>,
    /// Why not every check was made; none where all were.
    incomplete: Option<String>,
    seconds: f64,
    results: Vec<Row>,
}

/// How it came about.
#[derive(Clone, Debug)]
pub struct VerifySubject {
    /// The command line.
    pub command: String,
    /// What was checked.
    pub adapter: AdapterInfo,
    /// Why this adapter.
    pub adapter_reason: String,
    /// What was broken on purpose.
    pub broken: Option<&'static str>,
    /// Which checks were made, where not all of them.
    pub only: Option<String>,
}

/// How a run of `verify` ended.
#[derive(Clone, Debug, Default)]
pub struct VerifyEnd {
    /// Why it ended before every check was made; none where it did not.
    pub incomplete: Option<String>,
    /// How long it took.
    pub took: Duration,
}

/// An earlier passport beside this one.
#[derive(Clone, Debug, Serialize)]
pub struct Compared {
    /// The file that it is from.
    pub file: String,
    /// Whose it is.
    pub adapter: String,
    /// Its driver.
    pub driver: String,
    /// What differs; empty where nothing does.
    pub differences: Vec<Difference>,
}

impl Compared {
    /// Compares a passport with an earlier one, of this file.
    #[must_use]
    pub fn new(file: &std::path::Path, before: &Earlier, now: &Passport) -> Self {
        Self {
            file: file.display().to_string(),
            adapter: before.adapter.to_string(),
            driver: before.driver.to_string(),
            differences: now.differences(&before.passport),
        }
    }
}

impl VerifyDocument {
    /// A document of an outcome.
    #[must_use]
    pub fn new(
        subject: VerifySubject,
        outcome: &Outcome,
        passport: Passport,
        compared: Option<Compared>,
        end: VerifyEnd,
    ) -> Self {
        let skipped = outcome.count(Status::Skipped);
        Self {
            schema: SCHEMA,
            tool: Tool::now(),
            command: subject.command,
            adapter: subject.adapter,
            adapter_reason: subject.adapter_reason,
            broken_on_purpose: subject.broken,
            only: subject.only,
            checks: outcome.rows.len() - skipped,
            passed: outcome.count(Status::Passed),
            failed: outcome.count(Status::Failed),
            skipped,
            int8_sums_sha256: outcome.int8_sums.clone(),
            passport,
            compared,
            incomplete: end.incomplete,
            seconds: (10.0 * end.took.as_secs_f64()).round() / 10.0,
            results: outcome.rows.clone(),
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
    pub fn file(&self, format: Format) -> Result<String> {
        self.render(format, Layout::Terminal(Screen::PLAIN))
    }

    fn table(&self, layout: Layout) -> String {
        let markdown = layout == Layout::Markdown;
        let item = if markdown { "- " } else { "" };
        // Writing to a string cannot fail.
        let mut head = format!("{item}Adapter:  {}\n", adapter_line(&self.adapter));
        let _ = writeln!(head, "{item}          {}", self.adapter_reason);
        if self.adapter.kind == Kind::Software {
            let _ = writeln!(
                head,
                "{item}          It runs shaders on the processor: another driver has answers of its own."
            );
        }
        if let Some(broken) = self.broken_on_purpose {
            let _ = writeln!(head, "{item}Broken on purpose: {broken}");
        }
        if let Some(only) = &self.only {
            let _ = writeln!(head, "{item}Only checks whose name contains '{only}'");
        }
        let mut text = layout.wrap(head);
        text.push('\n');
        text.push_str(&self.groups(layout));
        text.push('\n');
        text.push_str(&layout.wrap(self.notes()));
        text.push('\n');
        text.push_str(&self.passport_table(layout));
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
        let header = [
            "what",
            "precision",
            "checks",
            "failed",
            "skipped",
            "trials",
            "largest error",
            "NMSE",
            "ULP",
        ];
        let cells = |&(group, precision): &(&str, Precision)| {
            let of = || {
                let rows = self.results.iter();
                rows.filter(move |row| (row.group, row.precision) == (group, precision))
            };
            let number = |status| of().filter(|row| row.status == status).count() as u64;
            let largest = |get: fn(&Row) -> Option<f64>| {
                let most = of().filter_map(get).reduce(f64::max);
                most.map_or(NOTHING.to_owned(), figure)
            };
            let trials: usize = of().map(|row| row.trials).sum();
            vec![
                group.to_owned(),
                precision.to_string(),
                count(number(Status::Passed) + number(Status::Failed)),
                count(number(Status::Failed)),
                count(number(Status::Skipped)),
                count(trials as u64),
                largest(|row| row.largest_error),
                largest(|row| row.nmse),
                largest(|row| row.ulps),
            ]
        };
        let rows: Vec<Vec<String>> = names.iter().map(cells).collect();
        grid(layout, &header, &rows, 2)
    }

    /// What failed, why what was skipped was, and what was allowed.
    fn notes(&self) -> String {
        let mut text = String::new();
        let failed = self.results.iter().filter(|r| r.status == Status::Failed);
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
        for row in self.results.iter().filter(|r| r.status == Status::Skipped) {
            let reason = row.detail.as_deref().unwrap_or_default();
            match reasons.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, number)) => *number += 1,
                None => reasons.push((reason, 1)),
            }
        }
        for (reason, number) in reasons {
            let _ = writeln!(text, "skipped {}: {reason}", count(number));
        }
        text.push_str(&self.allowed());
        text.push_str(
            "ULP: units in the last place of the expected value, or of the root mean square of all where that is larger\n",
        );
        text
    }

    /// Each tolerance with the groups and precisions that it holds for.
    fn allowed(&self) -> String {
        let mut allowed: Vec<(&str, &str, Vec<&str>)> = Vec::new();
        for row in self.results.iter().filter(|r| r.status != Status::Skipped) {
            let (key, precision) = ((row.tolerance, row.group), row.precision.name());
            match allowed.iter_mut().find(|(t, g, _)| (*t, *g) == key) {
                Some((.., known)) if known.contains(&precision) => {}
                Some((.., known)) => known.push(precision),
                None => allowed.push((key.0, key.1, vec![precision])),
            }
        }
        let mut text = "Allowed, and why:\n".to_owned();
        for (tolerance, group, precisions) in allowed {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {group} {}: {tolerance}", precisions.join(", "));
        }
        text
    }

    fn passport_table(&self, layout: Layout) -> String {
        let rows = passport::names().map(|(name, meaning)| {
            let seen = self.passport.observations.get(name);
            let seen = seen.map_or(NOTHING.to_owned(), ToString::to_string);
            let reason = self.passport.not_applicable.get(name);
            let reason = reason.map_or(String::new(), |reason| format!(" ({reason})"));
            vec![name.to_owned(), seen, format!("{meaning}{reason}")]
        });
        let rows: Vec<Vec<String>> = rows.collect();
        grid(layout, &["passport", "seen", "of"], &rows, 3)
    }

    /// What it comes to.
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
                0 => "the same passport".to_owned(),
                number => format!("{number} observations differ; that is no failure by itself"),
            };
            let _ = writeln!(text, "Beside {file} ({adapter}, {driver}): {all}");
            for Difference { name, before, now } in differences {
                let _ = writeln!(text, "  {name}: {before} before, {now} now");
            }
        }
        if let Some(hash) = &self.int8_sums_sha256 {
            let _ = writeln!(text, "SHA-256 of int8 sums, the same everywhere: {hash}");
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

    /// What it comes to in a word or three. Only what was checked, all of it, is well.
    fn word(&self) -> &'static str {
        match (self.failed, &self.incomplete, self.checks) {
            (1.., ..) => "WRONG",
            (0, Some(_), _) => "Not finished",
            (0, None, 0) => "Nothing was checked",
            (0, None, _) => "Well",
        }
    }

    fn csv(&self) -> Result<String> {
        let internal = |error: String| Error::encoding("CSV", error);
        let mut writer = csv::Writer::from_writer(Vec::new());
        for row in &self.results {
            writer
                .serialize(row)
                .map_err(|error| internal(error.to_string()))?;
        }
        let bytes = writer
            .into_inner()
            .map_err(|error| internal(error.to_string()))?;
        String::from_utf8(bytes).map_err(|error| internal(error.to_string()))
    }
}

/// A difference, short.
fn figure(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        value if (0.01..1000.0).contains(&value) => format!("{value:.2}"),
        value => format!("{value:.1e}"),
    }
}
