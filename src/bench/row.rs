//! How a row comes about: what ran, how its labels compare with those of f32, and what was measured.

use super::classes;
use super::engines::Engines;
use super::sample::Taken;
use crate::Precision;
use crate::engine::Session;
use crate::memory::Footprint;
use crate::results::{Mcnemar, Row, RowCeiling, Spread, Status};
use crate::stats::{mcnemar, wilson};

impl Row {
    pub(super) fn unsupported(&mut self, reason: &str) {
        self.status = Status::Unsupported;
        self.detail = Some(reason.to_owned());
        self.effective.reason = Some(reason.to_owned());
    }

    /// What failed has no figures, since nothing that it gave can be trusted.
    pub(super) fn failed(&mut self, reason: &str) {
        self.status = Status::Failed;
        self.detail = Some(reason.to_owned());
        self.effective.reason = Some(reason.to_owned());
    }

    pub(super) fn ran(&mut self, network: &Session, engines: Engines<'_>) {
        let placement = network.placement();
        let adapter = engines.adapter_of(self.requested.adapter, placement.place);
        self.effective.device = Some(placement.place);
        self.effective.adapter = Some(adapter);
        self.effective.path = Some(network.path());
        self.effective.kernel = Some(network.kernel());
        self.effective.chosen_by = network.chosen_by();
        self.effective.threads = network.threads();
        self.effective.reason.clone_from(&placement.reason);
        self.memory.device_allocated_bytes = Some(network.allocated_bytes());
    }

    /// Compares the labels with those of f32, and with the true ones where they are known.
    pub(super) fn classified(
        &mut self,
        labels: &[usize],
        truth: Option<&[u8]>,
        f32: Option<&[usize]>,
    ) {
        let count = labels.len() as f64;
        // A network has fewer outputs than 32 bits count.
        self.labels = labels.iter().map(|&label| label as u32).collect();
        if let Some(f32) = f32 {
            let changes = labels.iter().zip(f32).filter(|(a, b)| a != b).count();
            self.label_changes = Some(changes);
            self.agreement_with_f32 = Some(1.0 - changes as f64 / count);
        }
        let Some(truth) = truth else { return };
        let right = correct_images(labels, truth);
        let correct = right.iter().filter(|&&right| right).count();
        self.correct = Some(correct);
        self.accuracy = Some(correct as f64 / count);
        self.accuracy_interval = Some(wilson(correct as u64, labels.len() as u64));
        if let Some(f32) = f32 {
            let right_in_f32 = correct_images(f32, truth);
            let correct_in_f32 = right_in_f32.iter().filter(|&&right| right).count();
            self.accuracy_points_vs_f32 =
                Some(100.0 * (correct as f64 - correct_in_f32 as f64) / count);
            if self.requested.precision != Precision::F32 {
                self.mcnemar = Some(mcnemar_of(&right_in_f32, &right));
            }
        }
        self.correct_images = Some(to_hex(&right));
    }

    /// Keeps the confusion matrix, and the accuracy of each class.
    pub(super) fn classes(
        &mut self,
        confusion: Option<Vec<Vec<usize>>>,
        f32: Option<&[Vec<usize>]>,
    ) {
        let all = confusion
            .as_deref()
            .map(|counts| classes::accuracies(counts, f32));
        let both = confusion.as_deref().zip(f32);
        self.confusion_vs_f32 = both.map(|(counts, f32)| classes::changes(counts, f32));
        self.hardest_class = all.as_deref().and_then(classes::hardest);
        self.class_accuracy = all;
        self.confusion = confusion;
    }

    /// Compares the textbook memory with that of f32.
    pub(super) fn compare_memory(&mut self, f32: &Footprint) {
        let own = self.memory.textbook.total_bytes as f64;
        self.memory_vs_f32 = Some(own / f32.total_bytes.max(1) as f64);
    }

    /// The outputs of an overflow are no answers, so the row has no accuracy.
    pub(super) fn overflowed(&mut self, reason: &str) {
        self.status = Status::Overflow;
        self.detail = Some(reason.to_owned());
    }

    /// Compares the row's rate with the best of a microkernel, and keeps the best copy of memory beside it.
    pub(super) fn bounded(
        &mut self,
        arithmetic: &'static str,
        best: f64,
        threads: Option<usize>,
        copy: Option<f64>,
    ) {
        self.ceiling = self.operations_per_second.map(|rate| RowCeiling {
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
        let bytes = self.memory.textbook.total_bytes.max(1) as f64;
        self.operations_per_byte = Some(operations as f64 * batch as f64 / bytes);
        self.upload_ns = Some(taken.upload.median);
        self.upload_samples_ns = Some(taken.upload.samples);
        self.end_to_end_ns = Some(taken.upload.median + taken.wall.median);
        self.wall_ns = Some(taken.wall);
        self.spread = self
            .end_to_end_samples()
            .and_then(|times| Spread::new(&times));
        self.blocks = taken.blocks;
        self.gpu_ns = taken.gpu;
    }
}

/// McNemar's test of two precisions, from whether f32, and whether this precision, labels each image correctly.
fn mcnemar_of(f32: &[bool], this: &[bool]) -> Mcnemar {
    let only = |one: &[bool], other: &[bool]| {
        let pairs = one.iter().zip(other);
        pairs.filter(|&(&one, &other)| one && !other).count() as u64
    };
    let (f32_only, this_only) = (only(f32, this), only(this, f32));
    Mcnemar {
        f32_only,
        this_only,
        p: mcnemar(f32_only, this_only),
    }
}

/// Whether each image's label is correct.
fn correct_images(labels: &[usize], truth: &[u8]) -> Vec<bool> {
    let pairs = labels.iter().zip(truth);
    pairs
        .map(|(label, truth)| *label == usize::from(*truth))
        .collect()
}

/// One bit each in hexadecimal, the first in the highest bit of its byte.
fn to_hex(bits: &[bool]) -> String {
    let byte = |bits: &[bool]| {
        let bits = bits.iter().enumerate();
        bits.fold(0_u8, |byte, (at, &bit)| byte | u8::from(bit) << (7 - at))
    };
    bits.chunks(8)
        .map(|bits| format!("{:02x}", byte(bits)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_compared_image_by_image() {
        let f32 = [true, true, false, false, true];
        let this = [true, false, true, false, false];
        let found = mcnemar_of(&f32, &this);
        assert_eq!((found.f32_only, found.this_only, found.p), (2, 1, 1.0));
    }
}
