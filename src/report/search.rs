//! The result of a search, in every format.

use std::fmt::Write;

use serde::Serialize;

use super::adapter::adapter_line;
use super::csv::to_csv;
use super::document::{DatasetInfo, ModelInfo, SCHEMA, Tool};
use super::format::OutputFormat;
use super::json::to_json;
use super::layout::{Layout, Screen};
use super::table::{Column, NOTHING, Table};
use crate::adapter::AdapterInfo;
use crate::error::{Error, Result};
use crate::search::{Finalist, Measured, SearchOptions, SearchResult, Sensitivity, Trial};
use crate::units::{bytes, count, duration, percent};

/// The document of `search`.
#[derive(Clone, Debug, Serialize)]
pub struct SearchDocument {
    schema: u32,
    tool: Tool,
    adapter: AdapterInfo,
    model: ModelInfo,
    dataset: DatasetInfo,
    goal: &'static str,
    max_accuracy_drop_points: f64,
    batch: usize,
    sensitivities: Vec<SearchLine>,
    trials: Vec<SearchLine>,
    /// The best first.
    finalists: Vec<SearchLine>,
    output: String,
}

/// A measurement as JSON and CSV have it.
#[derive(Clone, Debug, Serialize)]
struct SearchLine {
    /// What was measured: `only this layer` (in the precision, the others in f32), `all other layers`, `trial` or
    /// `finalist`.
    what: &'static str,
    layer: Option<String>,
    /// The precision, or the mode.
    mode: String,
    accuracy: f64,
    label_changes: usize,
    output_error: f64,
    relative_time: f64,
    parameter_bytes: u64,
    median_ns: Option<u64>,
}

impl SearchLine {
    fn new(what: &'static str, layer: Option<usize>, mode: String, of: &Measured) -> Self {
        Self {
            what,
            layer: layer.map(|layer| format!("layers.{layer}")),
            mode,
            accuracy: of.accuracy,
            label_changes: of.label_changes,
            output_error: of.output_error,
            relative_time: of.relative_time,
            parameter_bytes: of.parameter_bytes,
            median_ns: None,
        }
    }
}

/// The subject of a search.
#[derive(Clone, Debug)]
pub struct SearchSubject<'a> {
    /// The adapter.
    pub adapter: &'a AdapterInfo,
    /// The network.
    pub model: ModelInfo,
    /// The images that were measured on.
    pub dataset: DatasetInfo,
    /// How it searched.
    pub options: &'a SearchOptions,
    /// The file that the result is in.
    pub output: String,
}

/// The result of a search in a format.
///
/// # Errors
/// `Error::Usage` for a format that it does not have.
pub fn search_document(
    subject: &SearchSubject<'_>,
    result: &SearchResult,
    format: OutputFormat,
) -> Result<String> {
    let layout = match format {
        OutputFormat::Table => Layout::Terminal(Screen::PLAIN),
        OutputFormat::Markdown => Layout::Markdown,
        OutputFormat::Json => return to_json(&document(subject, result)),
        OutputFormat::Csv => {
            let document = document(subject, result);
            let lines = [document.sensitivities, document.trials, document.finalists];
            return to_csv(lines.into_iter().flatten());
        }
        OutputFormat::Html => {
            let allowed = "table, json, csv or markdown";
            return Err(Error::no_output("search", "html", allowed));
        }
    };
    let mut text = search_preamble(subject);
    text += &sensitivity_table(&result.f32, &result.sensitivities, layout);
    text += &search_result(subject, result, layout);
    Ok(text)
}

fn document(subject: &SearchSubject<'_>, result: &SearchResult) -> SearchDocument {
    let mut sensitivities = Vec::new();
    for one in &result.sensitivities {
        let layer = Some(one.layer);
        let name = one.choice.name();
        sensitivities.push(SearchLine::new(
            "only this layer",
            layer,
            name.clone(),
            &one.only_this,
        ));
        if let Some(measured) = &one.all_others {
            sensitivities.push(SearchLine::new("all other layers", layer, name, measured));
        }
    }
    let trial =
        |trial: &Trial| SearchLine::new("trial", None, trial.mode.to_string(), &trial.measured);
    let finalist = |finalist: &Finalist| SearchLine {
        what: "finalist",
        median_ns: u64::try_from(finalist.time.as_nanos()).ok(),
        ..trial(&finalist.trial)
    };
    SearchDocument {
        schema: SCHEMA,
        tool: Tool::now(),
        adapter: subject.adapter.clone(),
        model: subject.model.clone(),
        dataset: subject.dataset.clone(),
        goal: subject.options.goal.name(),
        max_accuracy_drop_points: 100.0 * subject.options.max_drop,
        batch: subject.options.batch,
        sensitivities,
        trials: result.trials.iter().map(trial).collect(),
        finalists: result.finalists.iter().map(finalist).collect(),
        output: subject.output.clone(),
    }
}

/// What is searched, on which adapter and data.
#[must_use]
pub fn search_preamble(subject: &SearchSubject<'_>) -> String {
    let layers: Vec<String> = subject
        .model
        .layers
        .iter()
        .map(ToString::to_string)
        .collect();
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "Network:  {}, {}",
        layers.join("-"),
        subject.model.path
    );
    let images = count(subject.dataset.images as u64);
    let _ = writeln!(text, "Images:   {}, {images}", subject.dataset.name);
    let _ = writeln!(text, "Adapter:  {}", adapter_line(subject.adapter));
    let (goal, batch) = (subject.options.goal, count(subject.options.batch as u64));
    let drop = points(subject.options.max_drop);
    let _ = writeln!(
        text,
        "Goal:     minimize {goal} at batch {batch}, with an accuracy loss of at most {drop}"
    );
    text + "\n"
}

/// The columns of the sensitivities.
const SENSITIVITIES: [Column; 9] = [
    Column::text("layer"),
    Column::text("precision"),
    Column::number("only it: error"),
    Column::number("loss"),
    Column::number("changed"),
    Column::number("time"),
    Column::number("others: error"),
    Column::number("loss"),
    Column::number("changed"),
];

/// The columns of the finalists.
const FINALISTS: [Column; 6] = [
    Column::text("precision"),
    Column::number("median"),
    Column::number("parameters"),
    Column::number("accuracy"),
    Column::number("loss"),
    Column::number("changed"),
];

/// How sensitive each layer is to a lower precision.
#[must_use]
pub fn sensitivity_table(f32: &Trial, sensitivities: &[Sensitivity], layout: Layout) -> String {
    let lost = |of: &Measured| points(f32.measured.accuracy - of.accuracy);
    let row = |one: &Sensitivity| {
        let all_others = |value: &dyn Fn(&Measured) -> String| {
            one.all_others
                .as_ref()
                .map_or_else(|| NOTHING.to_owned(), value)
        };
        vec![
            format!("layers.{}", one.layer),
            one.choice.name(),
            error(&one.only_this),
            lost(&one.only_this),
            count(one.only_this.label_changes as u64),
            format!("{:.2}", one.only_this.relative_time),
            all_others(&error),
            all_others(&lost),
            all_others(&|of| count(of.label_changes as u64)),
        ]
    };
    let rows = sensitivities.iter().map(row).collect();
    Table::new(&SENSITIVITIES, rows).render(layout)
        + "\nonly it: this layer in the precision, all others in f32; others: the reverse. error: mean square difference of the\n\
           outputs from those of f32; loss: accuracy lost; changed: images with another label than in f32; time: relative to f32\n"
}

/// The comparison of the finalists, and the result.
#[must_use]
pub fn search_result(subject: &SearchSubject<'_>, result: &SearchResult, layout: Layout) -> String {
    let row = |finalist: &Finalist| {
        let of = &finalist.trial.measured;
        vec![
            finalist.trial.mode.to_string(),
            duration(finalist.time.as_nanos() as f64),
            bytes(of.parameter_bytes),
            percent(of.accuracy),
            points(result.drop_of(of)),
            count(of.label_changes as u64),
        ]
    };
    let rows = result.finalists.iter().map(row).collect();
    let tried = count(result.trials.len() as u64);
    let mut text = format!(
        "\nThe best of {tried} assignments with an accuracy loss of at most {}, measured interleaved:\n\n",
        points(subject.options.max_drop)
    );
    text += &Table::new(&FINALISTS, rows).render(layout);
    text += "\nAll are measured as quantized files, so int8 dynamic-tensor and f16 on matrix units are not among them.\n";
    let best = &result.best.mode;
    let _ = writeln!(text, "\n{}: {best}", subject.output);
    if *best == result.f32.mode {
        text += "No assignment within the allowed accuracy loss is better than f32. Allow a larger loss, or try --goal memory.\n";
    } else if best.layers.is_empty() {
        text += "No mixed assignment within the allowed accuracy loss is better than this uniform one.\n";
    }
    text
}

/// `0.12 points`
fn points(share: f64) -> String {
    format!("{:.2} points", 100.0 * share)
}

fn error(of: &Measured) -> String {
    if of.output_error == f64::MAX {
        "out of range".into()
    } else {
        format!("{:.1e}", of.output_error)
    }
}
