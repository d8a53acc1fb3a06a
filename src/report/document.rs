//! The result document: everything that one measurement says.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::adapter::AdapterInfo;
use crate::baseline::Comparison;
use crate::bench::{Budget, Changed, Machine, Row, Yardstick};
use crate::dataset::Dataset;
use crate::deploy::Source;
use crate::engine::MatrixUse;
use crate::memory;
use crate::units::count;
use crate::verdict::Verdict;
use crate::verify::passport::Observed;

/// The version of the document's form. Adding fields keeps it; removing or redefining one raises it.
pub const SCHEMA: u32 = 1;

/// One measurement, as it stands in `bench --format json`.
#[derive(Clone, Debug, Serialize)]
pub struct Document {
    /// [`SCHEMA`]
    pub schema: u32,
    /// What measured.
    pub tool: Tool,
    /// The command line that it was started with.
    pub command: String,
    /// The machine that it ran on.
    pub machine: Machine,
    /// What it measured on.
    pub adapter: AdapterInfo,
    /// Why on this adapter, in words.
    pub adapter_reason: String,
    /// Whether f16 may run on the adapter's matrix units, and why.
    #[serde(rename = "f16_on_matrix_units")]
    pub matrix_units: MatrixUse,
    /// What its driver, or the processor, does where it has a choice, in short; none where that could not be
    /// seen. `verify` has all of it.
    pub passport: Option<BTreeMap<String, Observed>>,
    /// The network.
    pub model: ModelInfo,
    /// The images.
    pub dataset: DatasetInfo,
    /// A row for each precision and batch size.
    pub results: Vec<Row>,
    /// The images whose label changed, for each batch size.
    pub changed: Vec<Changed>,
    /// The batch sizes that were asked for and have no rows, the largest first.
    pub missing_batches: Vec<usize>,
    /// Why some have none, in words; none where all was measured.
    pub incomplete: Option<String>,
    /// Fixed work beside the samples of each batch size.
    pub yardsticks: Vec<Yardstick>,
    /// What a memory limit comes to; none where none was set.
    pub memory_limit: Option<Budget>,
    /// Which precision to deploy, and why.
    pub verdict: Verdict,
    /// An earlier result beside this one; none where none was asked for.
    pub comparison: Option<Comparison>,
}

impl Document {
    /// Why it is not all that was asked for, and what is missing, in a sentence; none where it is all.
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
                "Incomplete: {reason}; not measured: batch {}.",
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
        // Whole seconds: humantime writes only as many digits as asked.
        let date = humantime::format_rfc3339_seconds(UNIX_EPOCH + seconds);
        Self {
            version: env!("CARGO_PKG_VERSION"),
            commit: option_env!("FMNIST_GPU_COMMIT"),
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
    /// Its file, or `embedded`.
    pub path: String,
    /// SHA-256 of the file.
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
            rows: data.images.width / data.images.columns,
            columns: data.images.columns,
        }
    }
}

fn display(path: &Path) -> String {
    path.display().to_string()
}
