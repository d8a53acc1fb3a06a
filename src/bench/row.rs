//! One line of a result: what was asked for, what ran, and what was measured.

use serde::Serialize;

use super::analysis::{Mcnemar, Warning, Why};
use super::classes::{self, ClassAccuracy};
use super::sample::Taken;
use crate::engine::{Network, Place};
use crate::memory::Footprint;
use crate::plan::ChosenBy;
use crate::stats::{Estimate, Interval, Samples, wilson};
use crate::{Mode, Precision, Scheme, WeightScales};

/// What was asked for.
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
}

impl Requested {
    /// A mode at a batch size.
    #[must_use]
    pub fn new(mode: &Mode, batch: usize) -> Self {
        Self {
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

    /// How the precision, with what else tells it from its like, is called in words.
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
    /// The way in which it ran.
    pub path: Option<&'static str>,
    /// The kernel that did the products.
    pub kernel: Option<&'static str>,
    /// What chose the kernel.
    pub chosen_by: Option<ChosenBy>,
    /// The threads of the CPU path that it ran on; none on the adapter.
    pub threads: Option<usize>,
    /// Images in a batch: at most as many as the data set holds.
    pub batch: usize,
    /// How weights were rounded to the codes of a deployed model: `compensated` for calibration images, or to
    /// `nearest`; none where there are no codes, and by the reference scheme.
    pub rounding: Option<String>,
    /// Why it did not run as asked.
    pub reason: Option<String>,
}

/// Bytes planned and bytes really made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Memory {
    /// What the network needs by plan.
    #[serde(flatten)]
    pub planned: Footprint,
    /// The sum of all buffers that were made; none where nothing ran.
    pub device_allocated_bytes: Option<u64>,
}

/// The most that the adapter did, in this run, of the arithmetic that a row's kernel uses.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ceiling {
    /// The arithmetic.
    pub arithmetic: &'static str,
    /// Operations per second of the microkernel, at best.
    pub operations_per_second: f64,
    /// The threads that it was measured on, all of them; none on an adapter.
    pub threads: Option<usize>,
    /// The row's operations per second as a share of it.
    pub share: f64,
    /// Bytes per second of a copy of memory, read and written together, at best; none where that was not
    /// measured.
    pub bytes_per_second: Option<f64>,
}

/// Where the time of one batch goes: medians over some runs with a timestamp round every dispatch,
/// which take longer than plain ones.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Breakdown {
    /// The way in which it ran.
    pub path: &'static str,
    /// The kernel that did the products.
    pub kernel: &'static str,
    /// The pixels' way to the device.
    pub upload_ns: u64,
    /// Each dispatch, in order.
    pub kernels: Vec<KernelTime>,
    /// Between the dispatches.
    pub gaps_ns: u64,
    /// Everything else up to the outputs in host memory: recording, submitting, reading back.
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
}

/// A row of results.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// How its precision, with what else tells it from its like, is called.
    pub name: String,
    /// What was asked for.
    pub requested: Requested,
    /// What really ran.
    pub effective: Effective,
    /// Share of the labels that are right.
    pub accuracy: Option<f64>,
    /// Wilson's interval for the accuracy.
    pub accuracy_interval: Option<Interval>,
    /// Labels that are right.
    pub correct: Option<usize>,
    /// Which images' labels are right: a bit each in their order, the first the highest of its byte, in
    /// hexadecimal. Two results of the same images can be compared image by image.
    pub right_images: Option<String>,
    /// Share of the labels that are those of f32.
    pub agreement_with_f32: Option<f64>,
    /// Labels that are not those of f32.
    pub label_changes: Option<usize>,
    /// How often each label was given to the images of each class, `[truth][label]`; none where there are
    /// too many classes.
    pub confusion: Option<Vec<Vec<usize>>>,
    /// How many of each class are labelled right, where `confusion` is known.
    pub class_accuracy: Option<Vec<ClassAccuracy>>,
    /// The class with the lowest accuracy.
    pub hardest_class: Option<usize>,
    /// How many percentage points more accurate it is than f32; none where f32 has no answers.
    pub accuracy_points_vs_f32: Option<f64>,
    /// The images on which only one of this precision and f32 is right; none for f32 itself.
    pub mcnemar: Option<Mcnemar>,
    /// From the batch on the device to its outputs in host memory.
    pub wall_ns: Option<Samples>,
    /// The kernels alone, by the device's clock.
    pub gpu_ns: Option<Samples>,
    /// Median time of the pixels' way to the device.
    pub upload_ns: Option<u64>,
    /// The upload before each sample of `wall_ns`, in their order.
    pub upload_samples_ns: Option<Vec<u64>>,
    /// Upload and wall, medians.
    pub end_to_end_ns: Option<u64>,
    /// The end-to-end time of f32 over this one's, of samples taken in turn, with the interval of a
    /// bootstrap; none where f32 was not measured beside it.
    pub speed_vs_f32: Option<Estimate>,
    /// Batch over median wall time.
    pub images_per_second: Option<f64>,
    /// 2 · Σ in · out · batch over median wall time.
    pub operations_per_second: Option<f64>,
    /// Operations for each byte of the planned parameters and activations.
    pub operations_per_byte: Option<f64>,
    /// What bounds it; none where it was not measured.
    pub ceiling: Option<Ceiling>,
    /// Bytes planned and made.
    pub memory: Memory,
    /// The planned memory over that of f32 at the same batch size, measured or not.
    pub memory_vs_f32: Option<f64>,
    /// Where the time goes, of the kernel chosen and of the separate passes beside it; empty unless asked
    /// for, and where the adapter has no timestamps.
    pub breakdown: Vec<Breakdown>,
    /// What bounds it; none where it was not measured.
    pub why: Option<Why>,
    /// What is to be doubted of its numbers and its samples.
    pub warnings: Vec<Warning>,
    /// How it ended.
    pub status: Status,
    /// Why, where it did not end well.
    pub detail: Option<String>,
}

impl Row {
    /// A row of which nothing is known yet but what it would need.
    pub(crate) fn new(requested: Requested, batch: usize, planned: Footprint) -> Self {
        Self {
            name: requested.name(),
            requested,
            effective: Effective {
                batch,
                ..Effective::default()
            },
            accuracy: None,
            accuracy_interval: None,
            correct: None,
            right_images: None,
            agreement_with_f32: None,
            label_changes: None,
            confusion: None,
            class_accuracy: None,
            hardest_class: None,
            accuracy_points_vs_f32: None,
            mcnemar: None,
            wall_ns: None,
            gpu_ns: None,
            upload_ns: None,
            upload_samples_ns: None,
            end_to_end_ns: None,
            speed_vs_f32: None,
            images_per_second: None,
            operations_per_second: None,
            operations_per_byte: None,
            ceiling: None,
            memory: Memory {
                planned,
                device_allocated_bytes: None,
            },
            memory_vs_f32: None,
            breakdown: Vec::new(),
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

    /// The end-to-end time of each sample in nanoseconds; none where it was not measured.
    #[must_use]
    pub fn end_to_end_samples(&self) -> Option<Vec<f64>> {
        let (uploads, wall) = (self.upload_samples_ns.as_ref()?, self.wall_ns.as_ref()?);
        let pairs = uploads.iter().zip(&wall.samples);
        Some(pairs.map(|(upload, wall)| (upload + wall) as f64).collect())
    }

    pub(super) fn unsupported(&mut self, reason: &str) {
        self.status = Status::Unsupported;
        self.detail = Some(reason.to_owned());
        self.effective.reason = Some(reason.to_owned());
    }

    pub(super) fn ran(&mut self, network: &Network) {
        let placement = network.placement();
        self.effective.device = Some(placement.place);
        self.effective.path = Some(network.path());
        self.effective.kernel = Some(network.kernel());
        self.effective.chosen_by = network.chosen_by();
        self.effective.threads = network.threads();
        self.effective.reason.clone_from(&placement.reason);
        self.memory.device_allocated_bytes = Some(network.allocated_bytes());
    }

    /// Holds the labels against the truth and, where they are not its own, against those of f32.
    pub(super) fn classified(&mut self, labels: &[usize], truth: &[u8], f32: Option<&[usize]>) {
        let count = labels.len() as f64;
        let right = right_images(labels, truth);
        let correct = right.iter().filter(|&&right| right).count();
        self.correct = Some(correct);
        self.accuracy = Some(correct as f64 / count);
        self.accuracy_interval = Some(wilson(correct as u64, labels.len() as u64));
        if let Some(f32) = f32 {
            let changes = labels.iter().zip(f32).filter(|(a, b)| a != b).count();
            self.label_changes = Some(changes);
            self.agreement_with_f32 = Some(1.0 - changes as f64 / count);
            let right_in_f32 = right_images(f32, truth);
            let correct_in_f32 = right_in_f32.iter().filter(|&&right| right).count();
            self.accuracy_points_vs_f32 =
                Some(100.0 * (correct as f64 - correct_in_f32 as f64) / count);
            if self.requested.precision != Precision::F32 {
                self.mcnemar = Some(Mcnemar::new(&right_in_f32, &right));
            }
        }
        self.right_images = Some(to_hex(&right));
    }

    /// Keeps how often each label was given to each class, and what that says of the classes.
    pub(super) fn classes(
        &mut self,
        confusion: Option<Vec<Vec<usize>>>,
        f32: Option<&[Vec<usize>]>,
    ) {
        let all = confusion
            .as_deref()
            .map(|counts| classes::accuracies(counts, f32));
        self.hardest_class = all.as_deref().and_then(classes::hardest);
        self.class_accuracy = all;
        self.confusion = confusion;
    }

    /// Holds the planned memory against that of f32.
    pub(super) fn beside_memory_of(&mut self, f32: &Footprint) {
        let own = self.memory.planned.total_bytes as f64;
        self.memory_vs_f32 = Some(own / f32.total_bytes.max(1) as f64);
    }

    /// What came out of an overflow is no answer, so it has no accuracy either.
    pub(super) fn overflowed(&mut self, reason: &str) {
        self.status = Status::Overflow;
        self.detail = Some(reason.to_owned());
    }

    /// Holds the row's rate against the best of a microkernel, with the best copy of memory beside it.
    pub(super) fn bounded(
        &mut self,
        arithmetic: &'static str,
        best: f64,
        threads: Option<usize>,
        copy: Option<f64>,
    ) {
        self.ceiling = self.operations_per_second.map(|rate| Ceiling {
            arithmetic,
            operations_per_second: best,
            threads,
            share: rate / best,
            bytes_per_second: copy,
        });
    }

    pub(super) fn measured(&mut self, taken: Taken, batch: usize, operations: u64) {
        // A coarse clock may show nothing at all; a rate must stay a number.
        let seconds = taken.wall.median.max(1) as f64 / 1e9;
        self.images_per_second = Some(batch as f64 / seconds);
        self.operations_per_second = Some(operations as f64 * batch as f64 / seconds);
        let bytes = self.memory.planned.total_bytes.max(1) as f64;
        self.operations_per_byte = Some(operations as f64 * batch as f64 / bytes);
        self.upload_ns = Some(taken.upload.median);
        self.upload_samples_ns = Some(taken.upload.samples);
        self.end_to_end_ns = Some(taken.upload.median + taken.wall.median);
        self.wall_ns = Some(taken.wall);
        self.gpu_ns = taken.gpu;
    }
}

/// Whether each image's label is its true one.
fn right_images(labels: &[usize], truth: &[u8]) -> Vec<bool> {
    let pairs = labels.iter().zip(truth);
    pairs
        .map(|(label, truth)| *label == usize::from(*truth))
        .collect()
}

/// A bit each, the first the highest of its byte, in hexadecimal.
fn to_hex(bits: &[bool]) -> String {
    let byte = |bits: &[bool]| {
        let bits = bits.iter().enumerate();
        bits.fold(0_u8, |byte, (at, &bit)| byte | u8::from(bit) << (7 - at))
    };
    bits.chunks(8)
        .map(|bits| format!("{:02x}", byte(bits)))
        .collect()
}
