//! One row of a result: what was requested, what ran, and what was measured.

use serde::Serialize;

use super::accuracy::{ClassAccuracy, ConfusionChange, Mcnemar};
use super::layer::LayerFigures;
use super::spread::Spread;
use super::time::Why;
use super::warning::Warning;
use crate::engine::Place;
use crate::memory::Footprint;
use crate::plan::ChosenBy;
use crate::stats::{BlockRatios, Estimate, Interval, Samples};
use crate::{Mode, Precision, Scheme, WeightScales};

/// What the user requested.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Requested {
    /// The precision.
    pub precision: Precision,
    /// How int8 is quantized; none for the others.
    pub scheme: Option<Scheme>,
    /// How many scales an int8 weight matrix has; none for the others.
    pub weights: Option<WeightScales>,
    /// The precision of each layer where they differ; empty elsewhere.
    pub layers: Vec<Precision>,
    /// The batch size.
    pub batch: usize,
    /// Which of the result's adapters, from 0. It ran elsewhere where `effective` says so.
    pub adapter: usize,
}

impl Requested {
    /// A mode at a batch size on the first adapter.
    #[must_use]
    pub fn new(mode: &Mode, batch: usize) -> Self {
        Self {
            adapter: 0,
            precision: mode.precision,
            scheme: mode.scheme,
            weights: mode.weights,
            layers: mode.layers.clone(),
            batch,
        }
    }

    /// The mode.
    #[must_use]
    pub fn mode(&self) -> Mode {
        Mode {
            precision: self.precision,
            scheme: self.scheme,
            weights: self.weights,
            layers: self.layers.clone(),
        }
    }

    /// The mode in words.
    #[must_use]
    pub fn name(&self) -> String {
        self.mode().to_string()
    }
}

/// What really ran.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Effective {
    /// Where; none where nothing ran.
    pub device: Option<Place>,
    /// Which of the result's adapters that is, from 0; none where nothing ran.
    pub adapter: Option<usize>,
    /// How the layers were run: `unfused`, `fused` or `network` on an adapter, or `cpu`.
    pub path: Option<&'static str>,
    /// The kernel that did the products.
    pub kernel: Option<&'static str>,
    /// What chose the kernel.
    pub chosen_by: Option<ChosenBy>,
    /// The threads of the CPU path that it ran on; none on an adapter.
    pub threads: Option<usize>,
    /// Images in a batch: at most as many as the data set holds.
    pub batch: usize,
    /// How weights were rounded to quantized values: `compensated` over calibration images, or to `nearest`; none
    /// where no weight is quantized, and in the reference scheme.
    pub rounding: Option<String>,
    /// Why it did not run as requested.
    pub reason: Option<String>,
}

/// The memory of a row: by the textbook formula, by plan, and as allocated.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Memory {
    /// Parameters and activations by the textbook formula: count × bytes per value.
    #[serde(flatten)]
    pub textbook: Footprint,
    /// The bytes of all buffers, as they follow from the plan before any is made. None where nothing ran.
    pub planned_bytes: Option<u64>,
    /// The sum of all buffers that were allocated; none where nothing ran.
    pub device_allocated_bytes: Option<u64>,
}

/// The highest rate that a microkernel reached in this run, in the arithmetic of a row's kernel.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RowCeiling {
    /// The arithmetic.
    pub arithmetic: &'static str,
    /// Operations per second of the microkernel's fastest sample.
    pub operations_per_second: f64,
    /// The threads that it was measured on: all of them; none on an adapter.
    pub threads: Option<usize>,
    /// The row's operations per second as a share of it.
    pub share: f64,
    /// Bytes per second of the fastest copy of memory, reads and writes together; none where it was not measured.
    pub bytes_per_second: Option<f64>,
}

/// Where the time of one batch goes. The figures are medians of runs with a timestamp around every dispatch, which
/// take longer than normal runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Breakdown {
    /// How the layers were run.
    pub path: &'static str,
    /// The kernel that did the products.
    pub kernel: &'static str,
    /// The upload of the images.
    pub upload_ns: u64,
    /// Each dispatch, in order.
    pub kernels: Vec<KernelTime>,
    /// Between the dispatches.
    pub gaps_ns: u64,
    /// Everything else until the outputs are in host memory: recording, submitting, reading back.
    pub host_ns: u64,
}

/// The time of one dispatch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KernelTime {
    /// Its layer and shader.
    pub name: String,
    /// Median by the device's clock.
    pub ns: u64,
}

/// How a row ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Checked and measured.
    Ok,
    /// The adapter cannot run it.
    Unsupported,
    /// Its values leave the precision's range.
    Overflow,
    /// It failed its check, or could not be measured.
    Failed,
}

/// A row of results.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The name of its mode: the precision, with its scheme.
    pub name: String,
    /// What the user requested.
    pub requested: Requested,
    /// What really ran.
    pub effective: Effective,
    /// Share of the labels that are correct; none where the images have no labels.
    pub accuracy: Option<f64>,
    /// Wilson's interval for the accuracy.
    pub accuracy_interval: Option<Interval>,
    /// The label of each image; empty where nothing ran.
    #[serde(skip)]
    pub labels: Vec<u32>,
    /// How many labels are correct.
    pub correct: Option<usize>,
    /// Which images are labelled correctly, in hexadecimal: one bit per image in their order, the first image in the
    /// highest bit of the first byte. Two results of the same images can be compared image by image.
    pub correct_images: Option<String>,
    /// Share of the labels that are those of f32.
    pub agreement_with_f32: Option<f64>,
    /// Labels that are not those of f32.
    pub label_changes: Option<usize>,
    /// How often the images of each class get each label, `[truth][label]`; none where there are too many classes.
    pub confusion: Option<Vec<Vec<usize>>>,
    /// Where `confusion` differs from that of f32, by class and label; none where one of them is not known, and empty for
    /// f32 itself.
    pub confusion_vs_f32: Option<Vec<ConfusionChange>>,
    /// The accuracy of each class, where `confusion` is known.
    pub class_accuracy: Option<Vec<ClassAccuracy>>,
    /// The class with the lowest accuracy.
    pub hardest_class: Option<usize>,
    /// How many percentage points more accurate it is than f32; none where f32 has no labels.
    pub accuracy_points_vs_f32: Option<f64>,
    /// The images that only one of this precision and f32 labels correctly; none for f32 itself.
    pub mcnemar: Option<Mcnemar>,
    /// From the batch on the device to its outputs in host memory.
    pub wall_ns: Option<Samples>,
    /// The kernels alone, by the device's clock.
    pub gpu_ns: Option<Samples>,
    /// Median time of the upload.
    pub upload_ns: Option<u64>,
    /// The upload before each sample of `wall_ns`, in their order.
    pub upload_samples_ns: Option<Vec<u64>>,
    /// How many samples each block has, in their order. Before a block the network is loaded anew, and its device is
    /// opened again, as far as time allows. Empty where it was not measured.
    pub blocks: Vec<usize>,
    /// Upload and wall, medians.
    pub end_to_end_ns: Option<u64>,
    /// How the end-to-end times of the samples lie round their median.
    pub spread: Option<Spread>,
    /// The end-to-end time of f32 over that of this row, with its interval over blocks; samples were taken in turn. None
    /// where f32 was not measured beside it.
    pub speed_vs_f32: Option<Estimate>,
    /// Batch over median wall time.
    pub images_per_second: Option<f64>,
    /// 2 · Σ in · out · batch over median wall time.
    pub operations_per_second: Option<f64>,
    /// Operations per byte of parameters and activations by the textbook formula.
    pub operations_per_byte: Option<f64>,
    /// The highest rate of its arithmetic; none where it was not measured.
    pub ceiling: Option<RowCeiling>,
    /// Its memory.
    pub memory: Memory,
    /// The textbook memory over that of f32 at the same batch size, measured or not.
    pub memory_vs_f32: Option<f64>,
    /// Where the time goes, for the chosen kernel and for the unfused kernels beside it; empty unless requested, and
    /// where the adapter has no timestamps.
    pub breakdown: Vec<Breakdown>,
    /// What each layer takes and loses; empty where nothing ran.
    pub layers: Vec<LayerFigures>,
    /// Why it is not faster; none where it was not measured.
    pub why: Option<Why>,
    /// Reasons to distrust its numbers or its samples.
    pub warnings: Vec<Warning>,
    /// How it ended.
    pub status: Status,
    /// Why, where it did not end well.
    pub detail: Option<String>,
}

impl Row {
    /// A row of which nothing is known yet but its request and its textbook memory.
    pub(crate) fn new(requested: Requested, batch: usize, textbook: Footprint) -> Self {
        Self {
            name: requested.name(),
            requested,
            effective: Effective {
                batch,
                ..Effective::default()
            },
            accuracy: None,
            accuracy_interval: None,
            labels: Vec::new(),
            correct: None,
            correct_images: None,
            agreement_with_f32: None,
            label_changes: None,
            confusion: None,
            confusion_vs_f32: None,
            class_accuracy: None,
            hardest_class: None,
            accuracy_points_vs_f32: None,
            mcnemar: None,
            wall_ns: None,
            gpu_ns: None,
            upload_ns: None,
            upload_samples_ns: None,
            blocks: Vec::new(),
            end_to_end_ns: None,
            spread: None,
            speed_vs_f32: None,
            images_per_second: None,
            operations_per_second: None,
            operations_per_byte: None,
            ceiling: None,
            memory: Memory {
                textbook,
                planned_bytes: None,
                device_allocated_bytes: None,
            },
            memory_vs_f32: None,
            breakdown: Vec::new(),
            layers: Vec::new(),
            why: None,
            warnings: Vec::new(),
            status: Status::Ok,
            detail: None,
        }
    }

    /// Images a second, end to end; none where it was not measured.
    #[must_use]
    pub fn speed(&self) -> Option<f64> {
        let nanoseconds = self.end_to_end_ns?.max(1) as f64;
        Some(self.effective.batch as f64 / nanoseconds * 1e9)
    }

    /// The ratio of another row's end-to-end times to this one's, block by block; none where one was not measured.
    #[must_use]
    pub fn times_of(&self, other: &Self) -> Option<BlockRatios> {
        let (own, others) = (self.end_to_end_samples()?, other.end_to_end_samples()?);
        BlockRatios::new(
            &in_blocks(&others, &other.blocks),
            &in_blocks(&own, &self.blocks),
        )
    }

    /// The end-to-end time of each sample in nanoseconds; none where it was not measured.
    #[must_use]
    pub fn end_to_end_samples(&self) -> Option<Vec<f64>> {
        let (uploads, wall) = (self.upload_samples_ns.as_ref()?, self.wall_ns.as_ref()?);
        let pairs = uploads.iter().zip(&wall.samples);
        Some(pairs.map(|(upload, wall)| (upload + wall) as f64).collect())
    }
}

/// Samples, cut into blocks of these lengths.
fn in_blocks<'a>(mut samples: &'a [f64], blocks: &[usize]) -> Vec<&'a [f64]> {
    let cut = |&length: &usize| {
        let (block, rest) = samples.split_at(length.min(samples.len()));
        samples = rest;
        block
    };
    let blocks = blocks.iter().map(cut);
    blocks.filter(|block| !block.is_empty()).collect()
}
