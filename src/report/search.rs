//! The result of a search, in every format.

mod document;
mod sentences;

use std::fmt::Write;

use super::adapter::adapter_line;
use super::csv::to_csv;
use super::format::OutputFormat;
use super::json::to_json;
use super::layout::{Layout, Screen};
use super::table::{Column, NOTHING, Table};
use crate::error::{Error, Result};
use crate::search::{Finalist, Measured, SearchResult, Sensitivity, Trial};
use crate::units::{bytes, count, duration, percent};
use document::document;
pub use document::{SearchDocument, SearchSubject};
use sentences::{around, change, points, sentences};

/// The result of a search in a format, with the `command` that makes the same network.
///
/// # Errors
/// `Error::Usage` for a format that it does not have.
pub fn search_document(
    subject: &SearchSubject<'_>,
    result: &SearchResult,
    command: &str,
    format: OutputFormat,
) -> Result<String> {
    let layout = match format {
        OutputFormat::Table => Layout::Terminal(Screen::PLAIN),
        OutputFormat::Markdown => Layout::Markdown,
        OutputFormat::Json => return to_json(&document(subject, result, command)),
        OutputFormat::Csv => {
            let document = document(subject, result, command);
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
    text += &search_result(subject, result, command, layout);
    Ok(text)
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
    for (what, images) in [
        ("Choose: ", &subject.dataset),
        ("Confirm:", &subject.confirming),
    ] {
        let number = count(images.images as u64);
        let _ = writeln!(text, "{what}  {number} images, {}", images.name);
    }
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
    Column::number("against f32"),
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

/// The comparison of the finalists, and the result, with the `command` that makes the same network.
#[must_use]
pub fn search_result(
    subject: &SearchSubject<'_>,
    result: &SearchResult,
    command: &str,
    layout: Layout,
) -> String {
    let images = subject.dataset.images;
    let row = |finalist: &Finalist| {
        let of = &finalist.trial.measured;
        vec![
            finalist.trial.mode.to_string(),
            duration(finalist.time.as_nanos() as f64),
            bytes(of.parameter_bytes),
            percent(of.accuracy),
            format!("{} {}", change(of.loss(images)), around(of.loss(images))),
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
    text.push('\n');
    text += &layout.paragraph(
        "",
        "against f32: the change of the accuracy on the images to choose by, in points, with its 95% interval. All are measured as quantized \
         files, so int8 dynamic-tensor and f16 on matrix units are not among them.",
    );
    text.push('\n');
    for sentence in sentences(subject, result) {
        text += &layout.paragraph("", &sentence);
    }
    let _ = writeln!(
        text,
        "\n{}: {}\nThis command makes the same network:",
        subject.output, result.best.mode
    );
    match layout {
        Layout::Terminal(_) => text += &format!("{command}\n"),
        Layout::Markdown => text += &format!("\n```sh\n{command}\n```\n"),
    }
    text
}

fn error(of: &Measured) -> String {
    if of.output_error == f64::MAX {
        "out of range".into()
    } else {
        format!("{:.1e}", of.output_error)
    }
}
