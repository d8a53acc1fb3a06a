//! What each layer of a network takes and loses.

use serde::Serialize;

/// A layer of one row.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LayerFigures {
    /// Its place, from 0.
    pub layer: usize,
    /// How far its outputs are from those of f32, by the reference: the root of the summed squares of the differences
    /// over that of the f32 values. It includes what the layers before it lost. None where the model has no f32 or this
    /// machine too little memory, and where the f32 outputs are all 0.
    pub relative_error: Option<f64>,
    /// The time of its kernels by the device's clock, in nanoseconds; none where the device has no timestamps, and where
    /// one kernel runs several layers.
    pub time_ns: Option<u64>,
}
