//! The rows of a document as CSV.

use serde::Serialize;

use super::csv::to_csv;
use super::document::Document;
use crate::adapter::{Backend, Kind};
use crate::engine::Place;
use crate::error::Result;
use crate::plan::ChosenBy;
use crate::results::{Row, Status};
use crate::stats::Samples;
use crate::{Precision, Scheme, WeightScales};

/// A row without nesting, with its adapter, model and data: the lines of several files can be concatenated.
#[derive(Serialize)]
struct Line<'a> {
    requested_precision: Precision,
    requested_scheme: Option<Scheme>,
    requested_weights: Option<WeightScales>,
    /// The precision of each layer, with spaces between them.
    requested_layers: String,
    requested_batch: usize,
    device: Option<Place>,
    path: Option<&'a str>,
    kernel: Option<&'a str>,
    chosen_by: Option<ChosenBy>,
    threads: Option<usize>,
    batch: usize,
    reason: Option<&'a str>,
    status: Status,
    detail: Option<&'a str>,
    accuracy: Option<f64>,
    correct: Option<usize>,
    agreement_with_f32: Option<f64>,
    label_changes: Option<usize>,
    samples: Option<usize>,
    wall_min_ns: Option<u64>,
    wall_median_ns: Option<u64>,
    wall_mean_ns: Option<f64>,
    wall_stddev_ns: Option<f64>,
    wall_p90_ns: Option<u64>,
    wall_p99_ns: Option<u64>,
    gpu_median_ns: Option<u64>,
    upload_ns: Option<u64>,
    end_to_end_ns: Option<u64>,
    images_per_second: Option<f64>,
    operations_per_second: Option<f64>,
    operations_per_byte: Option<f64>,
    ceiling_arithmetic: Option<&'a str>,
    ceiling_operations_per_second: Option<f64>,
    ceiling_share: Option<f64>,
    ceiling_bytes_per_second: Option<f64>,
    parameters_bytes: u64,
    activations_bytes: u64,
    total_bytes: u64,
    planned_bytes: Option<u64>,
    device_allocated_bytes: Option<u64>,
    adapter: &'a str,
    backend: Backend,
    kind: Kind,
    driver: &'a str,
    model_sha256: &'a str,
    dataset_sha256: &'a str,
    /// Whether everything that was requested was measured.
    complete: bool,
}

impl<'a> Line<'a> {
    fn new(document: &'a Document, row: &'a Row) -> Self {
        // A row that did not run is listed under the adapter that it was requested on.
        let on = row.effective.adapter.unwrap_or(row.requested.adapter);
        let adapter = &document.adapters[on].info;
        let wall = |field: fn(&Samples) -> u64| row.wall_ns.as_ref().map(field);
        let layers = row.requested.layers.iter();
        let layers: Vec<&str> = layers.map(|layer| layer.name()).collect();
        Self {
            requested_precision: row.requested.precision,
            requested_scheme: row.requested.scheme,
            requested_weights: row.requested.weights,
            requested_layers: layers.join(" "),
            requested_batch: row.requested.batch,
            device: row.effective.device,
            path: row.effective.path,
            kernel: row.effective.kernel,
            chosen_by: row.effective.chosen_by,
            threads: row.effective.threads,
            batch: row.effective.batch,
            reason: row.effective.reason.as_deref(),
            status: row.status,
            detail: row.detail.as_deref(),
            accuracy: row.accuracy,
            correct: row.correct,
            agreement_with_f32: row.agreement_with_f32,
            label_changes: row.label_changes,
            samples: row.wall_ns.as_ref().map(|wall| wall.samples.len()),
            wall_min_ns: wall(|wall| wall.min),
            wall_median_ns: wall(|wall| wall.median),
            wall_mean_ns: row.wall_ns.as_ref().map(|wall| wall.mean),
            wall_stddev_ns: row.wall_ns.as_ref().map(|wall| wall.stddev),
            wall_p90_ns: wall(|wall| wall.p90),
            wall_p99_ns: wall(|wall| wall.p99),
            gpu_median_ns: row.gpu_ns.as_ref().map(|gpu| gpu.median),
            upload_ns: row.upload_ns,
            end_to_end_ns: row.end_to_end_ns,
            images_per_second: row.images_per_second,
            operations_per_second: row.operations_per_second,
            operations_per_byte: row.operations_per_byte,
            ceiling_arithmetic: row.ceiling.map(|ceiling| ceiling.arithmetic),
            ceiling_operations_per_second: row.ceiling.map(|c| c.operations_per_second),
            ceiling_share: row.ceiling.map(|ceiling| ceiling.share),
            ceiling_bytes_per_second: row.ceiling.and_then(|c| c.bytes_per_second),
            parameters_bytes: row.memory.textbook.parameters_bytes,
            activations_bytes: row.memory.textbook.activations_bytes,
            total_bytes: row.memory.textbook.total_bytes,
            planned_bytes: row.memory.planned_bytes,
            device_allocated_bytes: row.memory.device_allocated_bytes,
            adapter: &adapter.name,
            backend: adapter.backend,
            kind: adapter.kind,
            driver: &adapter.driver,
            model_sha256: &document.model.sha256,
            dataset_sha256: &document.dataset.sha256,
            complete: document.incomplete.is_none(),
        }
    }
}

/// All rows.
pub(super) fn rows(document: &Document) -> Result<String> {
    to_csv(document.results.iter().map(|row| Line::new(document, row)))
}
