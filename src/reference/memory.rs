//! What the reference takes of memory.

use std::thread::available_parallelism;

use super::arithmetic::ROWS_TOGETHER;
use crate::error::Result;
use crate::host;
use crate::quantize::QuantizedNetwork;

/// Fails if this machine does not have the memory that [`super::infer_all`] takes for so many images.
///
/// # Errors
/// `Error::HostMemory`.
pub fn check_memory(model: &QuantizedNetwork, images: usize, batch: usize) -> Result<()> {
    let architecture = model.architecture();
    let widths = architecture.widths();
    let widest = widths.iter().copied().max().unwrap_or(0) as u64;
    let all = widths.iter().sum::<usize>() as u64;
    let weights: usize = model.layers.iter().map(|layer| layer.weights.len()).sum();
    let together = if architecture.shares_scales() {
        batch.min(images)
    } else {
        ROWS_TOGETHER
    };
    let threads = available_parallelism().map_or(1, usize::from);
    let threads = threads.min(images.div_ceil(together.max(1)));
    // Weights in f64, and their magnitudes. Of each image that is worked on, each layer's values and the errors that
    // the range makes, and some copies of one layer's. The outputs in f64,
    // with a label and a logit, which are moved while their vectors grow.
    let values = (threads * together) as u64 * (48 * all + 48 * widest);
    let outputs = images as u64 * (architecture.outputs() as u64 + 2);
    let bytes = 16 * weights as u64 + values + 24 * outputs;
    host::need("the reference result", bytes)
}
