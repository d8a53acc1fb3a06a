//! The memory of one thread.

use crate::cpu::aligned::Aligned;

/// A block's quantized values, and a row's.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// Groups of quantized activations: `[block, stride(layer)]`.
    pub quantized: Aligned<u32>,
    /// Quantized values of one row of sums, moved up by 128 to index a table.
    pub indices: Aligned<u8>,
    /// A block of the last layer, dequantized for its softmax: `[block, padded outputs]`.
    pub rows: Aligned<f32>,
}

/// How many values each buffer of a thread has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// Rows of a block.
    pub block: usize,
    pub quantized: usize,
    pub indices: usize,
    pub rows: usize,
}

impl Sizes {
    /// Bytes of the buffers of one thread.
    pub fn bytes(self) -> u64 {
        Aligned::<u32>::bytes_of(self.quantized)
            + Aligned::<u8>::bytes_of(self.indices)
            + Aligned::<f32>::bytes_of(self.rows)
    }
}
