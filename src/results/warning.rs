//! Reasons to distrust a measurement, or the numbers that a network runs in.

use serde::Serialize;

/// What kind of warning it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WarningKind {
    /// Samples became slower or faster during the measurement.
    Drift,
    /// Samples fall into two groups: their distribution is bimodal.
    Bimodal,
    /// There are too few samples for an interval.
    FewSamples,
    /// Other programs used the machine during the measurement.
    Busy,
    /// A row exceeded its measured ceiling, so the ceiling is wrong.
    AboveCeiling,
    /// The program is a debug build.
    DebugBuild,
    /// The user requested slower samples.
    Slowed,
    /// The adapter is a software adapter, whose results do not apply to a GPU.
    SoftwareAdapter,
    /// A kernel failed, and another one ran instead.
    KernelFailed,
    /// Weights become subnormal or zero in f16.
    Underflow,
    /// A few large weights leave too few int8 values to the others.
    Outliers,
    /// There are few calibration images.
    FewCalibrationImages,
    /// The input of a layer is the same for all calibration images.
    ConstantInput,
    /// The input of a layer is zero for all calibration images.
    EmptyRange,
    /// Many inputs of a layer lie outside its calibrated range.
    Saturation,
    /// All calibration images get the same answer.
    ConstantAnswer,
}

/// A warning in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// Which kind.
    pub kind: WarningKind,
    /// A sentence with its figures.
    pub text: String,
}
