//! Where a network runs.

use serde::Serialize;

/// Where something runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// The adapter.
    Gpu,
    /// The CPU path.
    Cpu,
}

/// Where a precision runs, and why there if that is not where it was requested for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Where.
    pub place: Place,
    /// Why not on the adapter.
    pub reason: Option<String>,
}
