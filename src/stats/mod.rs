//! Statistics of paired and repeated measurements, as pure functions on numbers.

mod bootstrap;
mod proportion;
mod samples;
mod shape;

use serde::Serialize;

pub use bootstrap::{Paired, ratio_of_medians, ratio_of_runs, unrest};
pub use proportion::{mcnemar, wilson};
pub use samples::Samples;
pub use shape::{Heaps, drift, heaps};

/// The confidence of every interval of this program.
pub const CONFIDENCE: f64 = 0.95;

/// The level below which a difference is called significant: 1 − [`CONFIDENCE`].
pub const SIGNIFICANT: f64 = 0.05;

/// A figure with its interval of [`CONFIDENCE`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The figure itself.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// An interval of [`CONFIDENCE`] for a figure that stands elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}
