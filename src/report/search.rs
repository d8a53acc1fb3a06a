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
use crate::mode::Mode;
use crate::search::{
    Confirmation, Exposure, Finalist, Gain, Measured, Rival, SearchGoal, SearchOptions,
    SearchResult, Sensitivity, Trial,
};
use crate::stats::{Estimate, Interval};
use crate::units::{self, bytes, count, duration, percent};

/// The document of `search`.
#[derive(Clone, Debug, Serialize)]
pub struct SearchDocument {
    schema: u32,
    tool: Tool,
    adapter: AdapterInfo,
    model: ModelInfo,
    /// The images to choose by.
    dataset: DatasetInfo,
    /// The images on which the choice was confirmed.
    confirming: DatasetInfo,
    /// Whether the network has learned from these images: `held-back` (no), `other-split` or `unknown`.
    exposure: &'static str,
    goal: &'static str,
    max_accuracy_drop_points: f64,
    min_gain: f64,
    batch: usize,
    sensitivities: Vec<SearchLine>,
    trials: Vec<SearchLine>,
    /// The fastest or smallest first.
    finalists: Vec<SearchLine>,
    /// The mode of the result.
    best: String,
    /// The best finalist in the same precision in all layers.
    plain: String,
    /// If that is f32: what seems best of the other plain ones, and how many times as fast or as small as f32 it is.
    instead_of_f32: Option<RivalLine>,
    /// The mix that is the result or seems best, and how many times as fast or as small as `plain` it is.
    mixed: Option<RivalLine>,
    /// Assignments that seemed better and lose too much on the confirming images.
    rejected: Vec<ConfirmedLine>,
    /// The result on the confirming images.
    confirmed: ConfirmedLine,
    output: String,
    /// The command that makes the same network.
    quantize_command: String,
}

/// A finalist beside the one that it would have to beat.
#[derive(Clone, Debug, Serialize)]
struct RivalLine {
    mode: String,
    gain: Estimate,
    /// Whether that is enough: `yes`, `no` or `undecided`.
    enough: &'static str,
}

impl RivalLine {
    fn new(result: &SearchResult, rival: Rival) -> Self {
        Self {
            mode: result.finalists[rival.at].trial.mode.to_string(),
            gain: rival.gain,
            enough: match rival.verdict {
                Gain::Enough => "yes",
                Gain::TooLittle => "no",
                Gain::Undecided => "undecided",
            },
        }
    }
}

/// An assignment on the confirming images.
#[derive(Clone, Debug, Serialize)]
struct ConfirmedLine {
    mode: String,
    #[serde(flatten)]
    found: Confirmation,
    accuracy: f64,
    accuracy_interval: Interval,
    /// Of the accuracy lost against f32.
    loss_points: Estimate,
}

impl ConfirmedLine {
    fn new(mode: &Mode, found: &Confirmation) -> Self {
        Self {
            mode: mode.to_string(),
            found: *found,
            accuracy: found.accuracy(),
            accuracy_interval: found.interval(),
            loss_points: in_points(found.loss()),
        }
    }
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
    /// Lost against f32, with its interval, in percentage points.
    loss_points: f64,
    loss_points_low: f64,
    loss_points_high: f64,
    label_changes: usize,
    output_error: f64,
    relative_time: f64,
    parameter_bytes: u64,
    median_ns: Option<u64>,
}

impl SearchLine {
    fn new(
        what: &'static str,
        layer: Option<usize>,
        mode: String,
        of: &Measured,
        images: usize,
    ) -> Self {
        let loss = in_points(of.loss(images));
        Self {
            what,
            layer: layer.map(|layer| format!("layers.{layer}")),
            mode,
            accuracy: of.accuracy,
            loss_points: loss.value,
            loss_points_low: loss.low,
            loss_points_high: loss.high,
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
    /// The images to choose by.
    pub dataset: DatasetInfo,
    /// The images to confirm the choice.
    pub confirming: DatasetInfo,
    /// Whether the network has learned from them.
    pub exposure: Exposure,
    /// How it searched.
    pub options: &'a SearchOptions,
    /// The file that the result is in.
    pub output: String,
}

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

fn document(subject: &SearchSubject<'_>, result: &SearchResult, command: &str) -> SearchDocument {
    let images = subject.dataset.images;
    let mut sensitivities = Vec::new();
    for one in &result.sensitivities {
        let layer = Some(one.layer);
        let name = one.choice.name();
        sensitivities.push(SearchLine::new(
            "only this layer",
            layer,
            name.clone(),
            &one.only_this,
            images,
        ));
        if let Some(measured) = &one.all_others {
            sensitivities.push(SearchLine::new(
                "all other layers",
                layer,
                name,
                measured,
                images,
            ));
        }
    }
    let trial = |trial: &Trial| {
        SearchLine::new(
            "trial",
            None,
            trial.mode.to_string(),
            &trial.measured,
            images,
        )
    };
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
        confirming: subject.confirming.clone(),
        exposure: subject.exposure.name(),
        goal: subject.options.goal.name(),
        max_accuracy_drop_points: 100.0 * subject.options.max_drop,
        min_gain: subject.options.min_gain,
        batch: subject.options.batch,
        sensitivities,
        trials: result.trials.iter().map(trial).collect(),
        finalists: result.finalists.iter().map(finalist).collect(),
        best: result.best.mode.to_string(),
        plain: result.finalists[result.plain].trial.mode.to_string(),
        instead_of_f32: result.instead_of_f32.map(|one| RivalLine::new(result, one)),
        mixed: result.mixed.map(|one| RivalLine::new(result, one)),
        rejected: (result.rejected.iter())
            .map(|(mode, found)| ConfirmedLine::new(mode, found))
            .collect(),
        confirmed: ConfirmedLine::new(&result.best.mode, &result.confirmation),
        output: subject.output.clone(),
        quantize_command: command.to_owned(),
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

/// What was chosen and why, and what it does on the images that chose nothing.
fn sentences(subject: &SearchSubject<'_>, result: &SearchResult) -> Vec<String> {
    let SearchOptions {
        max_drop,
        min_gain,
        goal,
        ..
    } = *subject.options;
    let mut all = choice(result, goal, min_gain);
    for (mode, found) in &result.rejected {
        all.push(match found.out_of_range {
            true => format!("{mode} seemed better, but leaves its range on the images to confirm with."),
            false => format!(
                "{mode} seemed better, but on the images to confirm with its accuracy is {} points from f32's {}, more than {} below.",
                change(found.loss()),
                around(found.loss()),
                points(max_drop)
            ),
        });
    }
    all.push(confirmed(result, max_drop));
    all.push(
        match subject.exposure {
            Exposure::HeldBack => {
                "The network has not learned from any of these images: its metadata name this training split, of which 'train' held \
                 them back."
            }
            Exposure::OtherSplit => {
                "By its metadata (data_sha256) the network was trained on another split than this one. It may still have learned from some \
                 of these images, if both splits share them."
            }
            Exposure::Unknown => {
                "The network does not say whether it has learned from these images. If it has, these accuracies are too high: give \
                 other images with --data."
            }
        }
        .to_owned(),
    );
    all
}

/// What the result does on the images that did not choose it.
fn confirmed(result: &SearchResult, max_drop: f64) -> String {
    let found = &result.confirmation;
    let interval = found.interval();
    let used = match result.rejected.len() {
        0 => "that were not used to choose".to_owned(),
        _ => format!(
            "that were used only to reject {}",
            (result.rejected.iter().map(|(mode, _)| mode.to_string()))
                .collect::<Vec<_>>()
                .join(", ")
        ),
    };
    let mut text = format!(
        "On {} images {used}, {} has an accuracy of {} ({} to {})",
        count(found.images),
        result.best.mode,
        percent(found.accuracy()),
        percent(interval.low),
        percent(interval.high)
    );
    if result.best.mode != result.f32.mode {
        let loss = found.loss();
        text += &format!(", {} points against f32 {}", change(loss), around(loss));
        if loss.high > max_drop {
            text += &format!(
                ". A loss of {} is within that interval, so more images are needed to know whether the limit is kept",
                points(max_drop)
            );
        }
    }
    text + "."
}

/// Why the best is the best.
fn choice(result: &SearchResult, goal: SearchGoal, min_gain: f64) -> Vec<String> {
    let name = |at: usize| result.finalists[at].trial.mode.to_string();
    let plain = name(result.plain);
    let least = format!("{}%", (1_000.0 * min_gain).round() / 10.0);
    let (better, decides) = match goal {
        SearchGoal::Latency => ("faster", ", and a longer --min-time may decide it"),
        SearchGoal::Memory => ("smaller", ""),
    };
    let is = |rival: Rival, than: &str| match goal {
        SearchGoal::Latency => {
            let Estimate { value, low, high } = rival.gain;
            format!("is {value:.2}× as fast as {than} ({low:.2} to {high:.2})")
        }
        SearchGoal::Memory => {
            format!(
                "takes {:.1}% of the bytes of {than}",
                100.0 / rival.gain.value
            )
        }
    };
    let mut all = Vec::new();
    if plain == "f32" {
        all.push(match result.instead_of_f32 {
            Some(rival) if rival.verdict == Gain::Undecided => format!(
                "It is undecided whether one precision for all layers is {better} than f32 by {least}: {} {}{decides}.",
                name(rival.at),
                is(rival, "f32")
            ),
            Some(rival) => format!(
                "No precision for all layers is {better} than f32 by {least}: the best one, {}, {}.",
                name(rival.at),
                is(rival, "f32")
            ),
            None => "No other precision for all layers is within the allowed accuracy loss.".to_owned(),
        });
    }
    let than = format!("plain {plain}");
    all.push(match result.mixed {
        None => format!("No mix is within the allowed accuracy loss, so {than} is the result."),
        Some(mix) if mix.at == result.best_at => {
            format!("The mix {} {}, the best precision for all layers.", name(mix.at), is(mix, &than))
        }
        Some(mix) if mix.verdict == Gain::TooLittle => format!(
            "No mix is better than {than} here: the best one, {}, {}, and a mix must be {better} by {least}.",
            name(mix.at),
            is(mix, &than)
        ),
        Some(mix) if mix.verdict == Gain::Enough => format!(
            "The mix {} {}, but another precision for all layers seems {better} still.",
            name(mix.at),
            is(mix, &than)
        ),
        Some(mix) => format!(
            "No mix is surely better than {than} here: the best one, {}, {}, and a mix must be {better} by {least}{decides}.",
            name(mix.at),
            is(mix, &than)
        ),
    });
    all
}

/// `+0.04`: the change of the accuracy in points, of a loss.
fn change(loss: Estimate) -> String {
    units::points(-100.0 * loss.value)
}

/// `(−0.18 to +0.10)`
fn around(loss: Estimate) -> String {
    let [low, high] = [loss.high, loss.low].map(|end| units::points(-100.0 * end));
    format!("({low} to {high})")
}

/// A share in percentage points.
fn in_points(of: Estimate) -> Estimate {
    Estimate {
        value: 100.0 * of.value,
        low: 100.0 * of.low,
        high: 100.0 * of.high,
    }
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
