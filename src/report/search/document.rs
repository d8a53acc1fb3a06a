//! The document of a search, as JSON and CSV have it.

use serde::Serialize;

use crate::adapter::AdapterInfo;
use crate::mode::Mode;
use crate::report::document::{DatasetInfo, ModelInfo, SCHEMA, Tool};
use crate::search::{
    Confirmation, Exposure, Finalist, Gain, Measured, Rival, SearchOptions, SearchResult, Trial,
};
use crate::stats::{Estimate, Interval};

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
    pub(super) sensitivities: Vec<SearchLine>,
    pub(super) trials: Vec<SearchLine>,
    /// The fastest or smallest first.
    pub(super) finalists: Vec<SearchLine>,
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
pub(super) struct SearchLine {
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

pub(super) fn document(
    subject: &SearchSubject<'_>,
    result: &SearchResult,
    command: &str,
) -> SearchDocument {
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

/// A share in percentage points.
fn in_points(of: Estimate) -> Estimate {
    Estimate {
        value: 100.0 * of.value,
        low: 100.0 * of.low,
        high: 100.0 * of.high,
    }
}
