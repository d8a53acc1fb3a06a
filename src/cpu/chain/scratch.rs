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

/// Values that a row of a block needs at most of each.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Widths {
    pub x: usize,
    pub y: usize,
    pub quantized: usize,
}

impl Kept {
    pub(super) fn bytes(&self) -> u64 {
        self.x.bytes() + self.quantized.bytes() + self.scales.bytes()
    }
}

impl Scratch {
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
