//! What a row's samples and labels come to beside those of f32: ratios, significance, the part of the
//! time that binds, and what is to be doubted.

use serde::Serialize;

use crate::stats::mcnemar;

/// The images on which one of two precisions is right and the other is not, and whether that is more than
/// chance: McNemar's test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Mcnemar {
    /// Images on which only f32 is right.
    pub f32_only: u64,
    /// Images on which only this precision is right.
    pub this_only: u64,
    /// The chance of a split at least as uneven where both are equally good, 0 to 1.
    pub p: f64,
}

impl Mcnemar {
    /// Compares two precisions image by image: whether f32, and whether this one, is right.
    pub(super) fn new(f32: &[bool], this: &[bool]) -> Self {
        let only = |one: &[bool], other: &[bool]| {
            let pairs = one.iter().zip(other);
            pairs.filter(|&(&one, &other)| one && !other).count() as u64
        };
        let (f32_only, this_only) = (only(f32, this), only(this, f32));
        Self {
            f32_only,
            this_only,
            p: mcnemar(f32_only, this_only),
        }
    }
}

/// A part of the time of a batch, end to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The pixels' way to the device.
    Upload,
    /// The kernels.
    Kernels,
    /// Between the dispatches.
    Gaps,
    /// Everything else up to the outputs in host memory: recording, submitting, waiting, reading back.
    ReadBack,
}

/// A part's share of the time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Share {
    /// Which part.
    pub part: Part,
    /// Its share of the end-to-end time, 0 to 1; all shares of a row together are 1.
    pub share: f64,
}

/// Why a row is not faster.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Why {
    /// The part that takes the most time.
    pub binding: Part,
    /// Every part that can be told apart on this device. Without timestamps, or on the CPU path, all that
    /// is no upload is `kernels`.
    pub parts: Vec<Share>,
    /// The most that any precision could gain over f32 here, were its kernels free: f32's time over f32's
    /// time without its kernels. None where f32 was not measured, or nothing but kernels is known of it.
    pub most_over_f32: Option<f64>,
    /// The same in words: a sentence or two.
    pub text: String,
}

/// What is to be doubted of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Doubt {
    /// Samples became slower or faster during the measurement.
    Drift,
    /// Samples lie in two heaps.
    Bimodal,
    /// Too few samples for an interval.
    FewSamples,
    /// Something else took the machine's time.
    Busy,
    /// A debug build.
    DebugBuild,
    /// The adapter is a software adapter: it speaks of nothing else.
    SoftwareAdapter,
}

/// A doubt in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// Which.
    pub kind: Doubt,
    /// A sentence with its figures.
    pub text: String,
}
