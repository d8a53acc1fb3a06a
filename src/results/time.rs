//! Where the time of a batch goes, and which part of it limits the speed.

use serde::Serialize;

/// A part of the end-to-end time of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The upload of the images to the device.
    Upload,
    /// The kernels.
    Kernels,
    /// The gaps between the dispatches.
    Gaps,
    /// Everything else until the outputs are in host memory: recording, submitting, waiting, reading back.
    ReadBack,
}

impl Part {
    /// The name in every output for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Kernels => "kernels",
            Self::Gaps => "gaps between kernels",
            Self::ReadBack => "submit, wait, read back",
        }
    }
}

/// A part's share of the time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Share {
    /// Which part.
    pub part: Part,
    /// Its share of the end-to-end time, 0 to 1. The shares of a row add up to 1.
    pub share: f64,
}

/// Why a row is not faster.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Why {
    /// The part that takes the most time.
    pub bottleneck: Part,
    /// Every part that this device can measure. Without timestamps, and on the CPU path, `kernels` is everything
    /// but the upload.
    pub parts: Vec<Share>,
    /// The speedup over f32 if kernels took no time: f32's time over f32's time without its kernels. Kernels with
    /// fewer dispatches can gain more. None where f32 was not measured on the same device, or where only its kernels'
    /// time is known.
    pub max_speedup_vs_f32: Option<f64>,
    /// The same in words: a sentence or two.
    pub text: String,
}
