//! The memory of one thread: the values of a block on their way through the layers.

use crate::cpu::aligned::Aligned;
use crate::cpu::processor::Lanes;

/// The values of one block. A layer takes one of a pair and gives the other, in values or in quantized values.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// What a layer takes: `[block, stride(inputs)]`.
    pub x: Aligned<f32>,
    /// What it gives: `[block, stride(outputs)]`.
    pub y: Aligned<f32>,
    /// Groups of the quantized activations that a layer takes: `[block, stride(groups)]`.
    pub quantized: Aligned<u32>,
    /// Those of the next one.
    pub next_quantized: Aligned<u32>,
    /// The scale of each row of quantized values: 1 where the layer knows it.
    pub scales: Aligned<f32>,
    /// A panel of weights in f32, where no instruction widens them on their way.
    pub widened: Aligned<f32>,
    /// Copies of what layers take, for those that do not come right after.
    pub kept: Vec<Kept>,
}

/// A copy of what layers take: values, or quantized values with their scales.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub x: Aligned<f32>,
    pub quantized: Aligned<u32>,
    pub scales: Aligned<f32>,
}

/// How many values each buffer of a thread has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// Rows of a block.
    pub block: usize,
    pub x: usize,
    pub y: usize,
    pub quantized: usize,
    pub scales: usize,
    pub widened: usize,
    /// How many copies are kept.
    pub kept: usize,
}

/// Values that a row of a block needs at most of each.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Widths {
    pub x: usize,
    pub y: usize,
    pub quantized: usize,
}

impl Kept {
    fn bytes(&self) -> u64 {
        self.x.bytes() + self.quantized.bytes() + self.scales.bytes()
    }
}

impl Sizes {
    /// Bytes of the buffers of one thread.
    pub(super) fn bytes(self) -> u64 {
        let f32s = Aligned::<f32>::bytes_of;
        let taken = f32s(self.x) + Aligned::<u32>::bytes_of(self.quantized) + f32s(self.scales);
        let given = f32s(self.y) + Aligned::<u32>::bytes_of(self.quantized);
        (1 + self.kept as u64) * taken + given + f32s(self.widened)
    }
}

impl Scratch {
    /// Makes each buffer as long as that, or leaves it where it is longer.
    pub(super) fn grow(&mut self, sizes: Sizes) {
        self.x.grow(sizes.x);
        self.y.grow(sizes.y);
        self.quantized.grow(sizes.quantized);
        self.next_quantized.grow(sizes.quantized);
        self.scales.grow(sizes.scales);
        self.widened.grow(sizes.widened);
        self.kept.resize_with(sizes.kept, Kept::default);
        for kept in &mut self.kept {
            kept.x.grow(sizes.x);
            kept.quantized.grow(sizes.quantized);
            kept.scales.grow(sizes.scales);
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        let quantized = self.quantized.bytes() + self.next_quantized.bytes();
        self.x.bytes()
            + self.y.bytes()
            + quantized
            + self.scales.bytes()
            + self.widened.bytes()
            + self.kept.iter().map(Kept::bytes).sum::<u64>()
    }

    /// Puts a kept value where a layer takes it.
    pub(super) fn take_back(&mut self, kept: usize) {
        let kept = &self.kept[kept];
        self.x.copy_from_slice(&kept.x);
        self.quantized.copy_from_slice(&kept.quantized);
        self.scales.copy_from_slice(&kept.scales);
    }

    /// What was given becomes what is taken.
    pub(super) fn swap_values(&mut self) {
        std::mem::swap(&mut self.x, &mut self.y);
    }

    /// The same of quantized values.
    pub(super) fn swap_quantized(&mut self) {
        std::mem::swap(&mut self.quantized, &mut self.next_quantized);
    }
}

/// The values of a widened panel.
pub(super) fn panel_values(lanes: Lanes, inputs: usize) -> usize {
    lanes.panel * lanes.lanes * inputs
}
