//! Figures with intervals.

use serde::Serialize;

/// The confidence of every interval of this program.
pub const CONFIDENCE: f64 = 0.95;

/// The level below which a difference is called significant: 1 − [`CONFIDENCE`].
pub const SIGNIFICANT: f64 = 0.05;

/// A figure with its interval at [`CONFIDENCE`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The figure itself.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// An interval at [`CONFIDENCE`] for a figure that is stored elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}
