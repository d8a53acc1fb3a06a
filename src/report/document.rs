//! The result document: everything that one measurement says.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::adapter::AdapterInfo;
use crate::baseline::{Change, Comparison};
use crate::dataset::Dataset;
use crate::engine::MatrixUse;
use crate::memory;
use crate::quantize::Source;
use crate::results::{Budget, Changed, ControlWorkload, Machine, Row};
use crate::units::count;
use crate::verdict::{Goal, Verdict};
use crate::verify::numerics::Observed;

/// The version of every JSON document. Adding fields keeps it; removing or redefining one raises it.
pub const SCHEMA: u32 = 2;

/// One measurement: the document of `bench --format json`.
#[derive(Clone, Debug, Serialize)]
pub struct Document {
    /// [`SCHEMA`]
    pub schema: u32,
    /// What measured.
    pub tool: Tool,
    /// The command line.
    pub command: String,
    /// The machine that it ran on.
    pub machine: Machine,
    /// What it measured on: the requested adapters, and the CPU path if it is none of them and a row ran there.
    pub adapters: Vec<AdapterEntry>,
    /// How many of the adapters were requested.
    #[serde(skip)]
    pub requested_adapters: usize,
    /// The CPU path, to be added when a row runs there.
    #[serde(skip)]
    pub cpu_path: AdapterInfo,
    /// The network.
    pub model: ModelInfo,
    /// The images.
    pub dataset: DatasetInfo,
    /// A row for each precision and batch size.
    pub results: Vec<Row>,
    /// The images whose label changed, for each batch size.
    pub changed: Vec<Changed>,
    /// The requested batch sizes without rows, the largest first.
    pub missing_batches: Vec<usize>,
    /// Why some batch sizes have no rows, in words; none where everything was measured.
    pub incomplete: Option<String>,
    /// The control workloads beside the samples of each batch size.
    pub control_workloads: Vec<ControlWorkload>,
    /// The batches that fit the memory limit; none where no limit was set.
    pub memory_limit: Option<Budget>,
    /// Which precision to deploy, and why.
    pub verdict: Verdict,
    /// The comparison with an earlier result; none where none was requested.
    pub comparison: Option<Comparison>,
    /// The checks that the user requested and that decide the exit code.
    pub gates: Vec<Gate>,
}

/// A check that decides the exit code.
#[derive(Clone, Debug, Serialize)]
pub struct Gate {
    /// The option that requests it, and what it compares with.
    pub name: String,
    /// What failed, by how much; none where it passed.
    pub failure: Option<String>,
}

/// An adapter, or the CPU path, that rows ran on.
#[derive(Clone, Debug, Serialize)]
pub struct AdapterEntry {
    /// What it is.
    #[serde(flatten)]
    pub info: AdapterInfo,
    /// Why it was used, in words.
    pub reason: String,
    /// Whether f16 may run on its matrix units, and why.
    #[serde(rename = "f16_on_matrix_units")]
    pub matrix_units: MatrixUse,
    /// The most important observations of its numerics report; none where they were not made. `verify` reports all of
    /// them.
    pub numerics: Option<BTreeMap<String, Observed>>,
}

impl Document {
    /// A measurement of these batch sizes without rows yet. `adapters` are those that rows are requested on.
    #[must_use]
    pub fn new(
        command: String,
        adapters: Vec<AdapterEntry>,
        cpu_path: AdapterInfo,
        model: ModelInfo,
        dataset: DatasetInfo,
        batches: &[usize],
    ) -> Self {
        let mut missing_batches = batches.to_vec();
        missing_batches.sort_unstable_by(|a, b| b.cmp(a));
        missing_batches.dedup();
        Self {
            schema: SCHEMA,
            tool: Tool::now(),
            command,
            machine: Machine::here(),
            requested_adapters: adapters.len(),
            adapters,
            cpu_path,
            model,
            dataset,
            results: Vec::new(),
            changed: Vec::new(),
            missing_batches,
            incomplete: None,
            control_workloads: Vec::new(),
            memory_limit: None,
            verdict: Verdict::unmeasured(Goal::default()),
            comparison: None,
            gates: Vec::new(),
        }
    }

    /// The adapters that rows were requested on.
    #[must_use]
    pub fn requested(&self) -> &[AdapterEntry] {
        &self.adapters[..self.requested_adapters.min(self.adapters.len())]
    }

    /// What a row was requested on, if the measurement was made on several adapters: `vulkan`, `cpu`.
    #[must_use]
    pub fn requested_on(&self, adapter: usize) -> Option<&'static str> {
        let several = self.requested().len() > 1;
        let entry = self.requested().get(adapter).filter(|_| several)?;
        Some(entry.info.backend.name())
    }

    /// The name of a row, with what it was requested on if there are several adapters: `f16 on vulkan`, `f16 on the CPU`.
    #[must_use]
    pub fn row_name(&self, row: &Row) -> String {
        match self.requested_on(row.requested.adapter) {
            Some("cpu") => format!("{} on the CPU", row.name),
            Some(backend) => format!("{} on {backend}", row.name),
            None => row.name.clone(),
        }
    }

    /// The same with the batch size: `f16 on the CPU at batch 1,000`.
    #[must_use]
    pub fn row_place(&self, row: &Row) -> String {
        let batch = count(row.effective.batch as u64);
        format!("{} at batch {batch}", self.row_name(row))
    }

    /// Adds the rows of a batch size, and the CPU path to the adapters if a row ran there.
    pub fn add(&mut self, rows: &[Row], changed: &Changed, control_workloads: &[ControlWorkload]) {
        let adapters = rows.iter().filter_map(|row| row.effective.adapter);
        if adapters
            .max()
            .is_some_and(|last| last >= self.adapters.len())
        {
            self.adapters.push(AdapterEntry {
                info: self.cpu_path.clone(),
                reason: "the chosen adapter cannot run every precision".to_owned(),
                matrix_units: MatrixUse::no(
                    self.cpu_path.lacks_matrix_units().unwrap_or("not used"),
                ),
                numerics: None,
            });
        }
        self.results.extend_from_slice(rows);
        self.changed.push(changed.clone());
        self.control_workloads.extend_from_slice(control_workloads);
    }

    /// The name of a row that is compared with an earlier result, as [`Document::row_name`] gives it.
    #[must_use]
    pub fn change_name(&self, change: &Change) -> String {
        let row = change.row.and_then(|at| self.results.get(at));
        row.map_or_else(|| change.name.clone(), |row| self.row_name(row))
    }

    /// Why the measurement is incomplete, and what is missing, in a sentence; none where it is complete.
    #[must_use]
    pub fn shortfall(&self) -> Option<String> {
        let reason = self.incomplete.as_ref()?;
        let missing: Vec<String> = self
            .missing_batches
            .iter()
            .map(|&batch| count(batch as u64))
            .collect();
        Some(match missing.as_slice() {
            [] => format!("Incomplete: {reason}."),
            missing => format!(
                "Incomplete: {reason}. Not measured: batch {}.",
                missing.join(", ")
            ),
        })
    }
}

/// The program that measured.
#[derive(Clone, Debug, Serialize)]
pub struct Tool {
    /// Its version.
    pub version: &'static str,
    /// The commit that it was built from; none outside a checkout.
    pub commit: Option<&'static str>,
    /// The version of wgpu that it was built with.
    pub wgpu: &'static str,
    /// `release` or `debug`.
    pub profile: &'static str,
    /// When it ran, in UTC: `2026-11-23T12:00:00Z`.
    pub date: String,
}

impl Tool {
    /// This program, now.
    #[must_use]
    pub fn now() -> Self {
        let seconds = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        // Whole seconds: humantime writes every digit that it is given.
        let date = humantime::format_rfc3339_seconds(UNIX_EPOCH + seconds);
        Self {
            version: env!("CARGO_PKG_VERSION"),
            commit: option_env!("FMNIST_GPU_COMMIT"),
            wgpu: env!("FMNIST_GPU_WGPU"),
            profile: if cfg!(debug_assertions) {
                "debug"
            } else {
                "release"
            },
            date: date.to_string(),
        }
    }
}

/// The network that was measured.
#[derive(Clone, Debug, Serialize)]
pub struct ModelInfo {
    /// Its file; `embedded` for the model inside the program, and `random weights` with the seed.
    pub path: String,
    /// SHA-256 of the file, or of the random weights.
    pub sha256: String,
    /// The widths from input to output.
    pub layers: Vec<usize>,
    /// The activation of each layer.
    pub activations: Vec<&'static str>,
    /// Weights and biases.
    pub parameters: u64,
    /// What a quantized file runs as, and nothing else; none where the file has float weights.
    pub quantized: Option<String>,
    /// The name of each output.
    pub classes: Vec<String>,
}

impl ModelInfo {
    /// What a result says of `model`.
    #[must_use]
    pub fn new(model: &Source) -> Self {
        let architecture = model.architecture();
        let widths = architecture.widths();
        let activations = architecture.layers.iter();
        let mode = model.mode().filter(|_| model.model().is_none());
        Self {
            path: display(model.path()),
            sha256: model.sha256().to_owned(),
            activations: activations.map(|layer| layer.activation.name()).collect(),
            // A model in memory has no more than 64 bits count.
            parameters: memory::parameters(&widths).unwrap_or(u64::MAX),
            layers: widths,
            quantized: mode.map(|mode| mode.to_string()),
            classes: (0..architecture.outputs())
                .map(|label| model.class_name(label))
                .collect(),
        }
    }
}

/// The images that were classified.
#[derive(Clone, Debug, Serialize)]
pub struct DatasetInfo {
    /// Where they come from.
    pub name: String,
    /// SHA-256 of pixels and labels.
    pub sha256: String,
    /// How many.
    pub images: usize,
    /// Whether their classes are known. Without labels there is no accuracy.
    pub labelled: bool,
    /// Rows of pixels of an image.
    pub rows: usize,
    /// Pixels in a row.
    pub columns: usize,
}

impl DatasetInfo {
    /// What a result says of `data`.
    #[must_use]
    pub fn new(data: &Dataset) -> Self {
        Self {
            name: data.name.clone(),
            sha256: data.sha256(),
            images: data.len(),
            labelled: data.labels.is_some(),
            rows: data.images.width / data.images.columns,
            columns: data.images.columns,
        }
    }
}

fn display(path: &Path) -> String {
    path.display().to_string()
}
