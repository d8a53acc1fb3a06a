//! What a row's samples and labels come to beside those of f32: ratios, significance, the part of the
//! time that binds, and what is to be doubted.

use serde::Serialize;

use super::Row;
use super::why::why;
use crate::Precision;
use crate::deploy::Loss;
use crate::stats::{Estimate, Paired, drift, heaps, mcnemar, ratio_of_medians};
use crate::units::duration;

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

/// What bounds a row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Why {
    /// The part that takes the most time.
    pub binding: Part,
    /// Every part that can be told apart on this device. Without timestamps, or on the CPU path, all that
    /// is no upload is `kernels`.
    pub parts: Vec<Share>,
    /// What kernels that take no time would gain over f32, with the dispatches of f32: f32's time over f32's
    /// time without its kernels. Kernels in fewer dispatches may gain more. None where f32 was not measured, or nothing but kernels is known of it.
    pub most_over_f32: Option<f64>,
    /// The same in words: a sentence or two.
    pub text: String,
}

/// What is to be doubted of a measurement, or of the numbers that it is made in.
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
    /// A row reached more than its ceiling, which therefore is none.
    AboveCeiling,
    /// A debug build.
    DebugBuild,
    /// Every sample was made longer on purpose.
    Slowed,
    /// The adapter is a software adapter: it speaks of nothing else.
    SoftwareAdapter,
    /// Weights become subnormal or zero in f16.
    Underflow,
    /// A few weights leave too few int8 codes to the others.
    Outliers,
}

impl From<Loss> for Warning {
    fn from(loss: Loss) -> Self {
        let kind = match loss {
            Loss::Underflow { .. } => Doubt::Underflow,
            Loss::Outliers { .. } => Doubt::Outliers,
        };
        let text = loss.to_string();
        Self { kind, text }
    }
}

/// A doubt in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// Which.
    pub kind: Doubt,
    /// A sentence with its figures.
    pub text: String,
}

/// The fewest samples that an interval can be trusted with: of fewer, blocks are drawn that are too much alike, and
/// intervals of 95% are too narrow, as the tests of the bootstrap show.
const FEW: usize = 30;

/// Says of the rows of one batch size, once, what their samples come to.
pub fn explain(rows: &mut [Row]) {
    let f32 = rows
        .iter()
        .position(|row| row.requested.precision == Precision::F32);
    let f32_samples = f32.and_then(|at| rows[at].end_to_end_samples());
    for (at, row) in rows.iter_mut().enumerate() {
        let Some(samples) = row.end_to_end_samples() else {
            continue;
        };
        row.speed_vs_f32 = if Some(at) == f32 {
            Some(Estimate {
                value: 1.0,
                low: 1.0,
                high: 1.0,
            })
        } else {
            let pairs = f32_samples.as_deref();
            let pairs = pairs.and_then(|f32| Paired::new(f32, &samples));
            pairs.map(|pairs| ratio_of_medians(&pairs))
        };
        row.warnings.extend(doubts(&samples));
    }
    let f32 = f32.map(|at| rows[at].clone());
    for row in rows {
        row.why = why(row, f32.as_ref());
    }
}

/// What is to be doubted of samples in nanoseconds.
fn doubts(samples: &[f64]) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |kind, text| warnings.push(Warning { kind, text });
    if samples.len() < FEW {
        let text = format!(
            "of {} samples the interval is too narrow, and holds the true ratio less often than 95 times in 100; {FEW} \
             are the fewest for it",
            samples.len()
        );
        warn(Doubt::FewSamples, text);
    }
    let whole: Vec<u64> = samples.iter().map(|&sample| sample as u64).collect();
    if let Some(change) = drift(&whole) {
        let word = if change > 0.0 { "slower" } else { "faster" };
        let text = format!(
            "the last third of its samples is {:.0}% {word} than the first",
            100.0 * change.abs()
        );
        warn(Doubt::Drift, text);
    }
    if let Some(found) = heaps(&whole) {
        let text = format!(
            "its samples lie in two heaps, around {} and, {:.0}% of them, around {}: the median hides that",
            duration(found.low),
            100.0 * found.high_share,
            duration(found.high)
        );
        warn(Doubt::Bimodal, text);
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_compared_image_by_image() {
        let f32 = [true, true, false, false, true];
        let this = [true, false, true, false, false];
        let found = Mcnemar::new(&f32, &this);
        assert_eq!((found.f32_only, found.this_only, found.p), (2, 1, 1.0));
    }

    #[test]
    fn every_doubt_is_told_and_good_samples_have_none() {
        let kinds = |samples: &[f64]| {
            let warnings = doubts(samples);
            assert!(warnings.iter().all(|warning| !warning.text.is_empty()));
            warnings
                .iter()
                .map(|warning| warning.kind)
                .collect::<Vec<_>>()
        };
        let good: Vec<f64> = (0..40).map(|at| 1000.0 + f64::from(at * 37 % 40)).collect();
        assert_eq!(kinds(&good), []);
        assert_eq!(kinds(&good[..29]), [Doubt::FewSamples]);
        assert_eq!(kinds(&good[..30]), []);
        let rising: Vec<f64> = (0..40).map(|at| 1000.0 + 10.0 * f64::from(at)).collect();
        assert_eq!(kinds(&rising), [Doubt::Drift]);
        let two: Vec<f64> = (0..42)
            .map(|at| 1000.0 + 800.0 * f64::from(at % 2))
            .collect();
        assert_eq!(kinds(&two), [Doubt::Bimodal]);
    }
}
