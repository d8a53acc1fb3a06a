//! Products of rows in f32 with int4 weights.
//!
//! Two quantized values of neighbouring inputs stand in a byte. Few rows are bound by what is read of memory: their
//! products take the quantized values as they are, and each group's scale once, at its end. For many rows a panel
//! is widened to f32 first.
#![expect(
    unsafe_code,
    reason = "tiles are computed with vectors, through pointers"
)]

use half::f16;

use super::aligned::Aligned;
use super::panels::{Panel, PanelShape};
use super::product::{Block, Task};
use super::simd::{Simd, TILE_ROWS};
use crate::quantize::INT4_GROUP;

/// The weights and the bias of one layer, ready to be multiplied.
#[derive(Debug)]
pub(super) struct Int4Weights {
    pub shape: PanelShape,
    /// Panels of bytes: of a pair of inputs, the first one's quantized value in the low bits.
    pairs: Aligned<u8>,
    /// Panels of scales, one for each group of inputs.
    scales: Aligned<f16>,
    pub bias: Aligned<f32>,
}

impl Int4Weights {
    /// Packs `quantized: [inputs, outputs]` and `scales: [ceil(inputs / 32), outputs]`, row-major.
    pub fn new(shape: PanelShape, quantized: &[i8], scales: &[f16], bias: Aligned<f32>) -> Self {
        let outputs = shape.outputs;
        let pairs: Vec<u8> = quantized
            .chunks(2 * outputs)
            .flat_map(|pair| {
                let (low, high) = pair.split_at(outputs);
                // An odd last input has none beside it.
                (0..outputs).map(move |column| {
                    let high = high.get(column).copied().unwrap_or(0);
                    (low[column] & 15) as u8 | (high << 4) as u8
                })
            })
            .collect();
        Self {
            shape,
            pairs: Self::pairs_of(shape).pack(&pairs, false, |pair| pair),
            scales: Self::scales_of(shape).pack(scales, false, |scale| scale),
            bias,
        }
    }

    /// The shape of the panels of bytes.
    fn pairs_of(shape: PanelShape) -> PanelShape {
        let inputs = shape.inputs.div_ceil(2);
        PanelShape { inputs, ..shape }
    }

    /// The shape of the panels of scales.
    fn scales_of(shape: PanelShape) -> PanelShape {
        let inputs = shape.inputs.div_ceil(INT4_GROUP);
        PanelShape { inputs, ..shape }
    }

    pub fn bytes(&self) -> u64 {
        self.pairs.bytes() + self.scales.bytes() + self.bias.bytes()
    }

    /// Does `task`.
    ///
    /// # Safety
    /// The instructions of `S` are there, and the weights were packed for it.
    #[inline(always)]
    pub unsafe fn product<S: Simd>(&self, task: &mut Task<'_>) {
        let shape = self.shape;
        let scale_panels = Self::scales_of(shape).panels();
        let panels = shape.panels().zip(Self::pairs_of(shape).panels());
        for ((panel, pairs), scales) in panels.zip(scale_panels) {
            let quantized = QuantizedPanel {
                pairs: self.pairs[pairs.start..].as_ptr(),
                scales: self.scales[scales.start..].as_ptr(),
            };
            // SAFETY: panels and bias are padded to whole vectors; rows and columns are checked where the
            // block is made.
            unsafe {
                if task.rows >= TILE_ROWS {
                    let count = panel.vectors * S::LANES * shape.inputs;
                    let widened = &mut task.widened[..count];
                    quantized.widen::<S>(panel, widened);
                    let widened = widened.as_ptr();
                    let block = task.block(shape, panel, &self.bias, widened);
                    block.panel::<S>(panel, task.rows);
                } else {
                    let block = task.block(shape, panel, &self.bias, self.pairs.as_ptr());
                    quantized.panel::<S>(block, panel, task.rows);
                }
            }
        }
    }
}

/// The quantized values and scales of one panel.
#[derive(Clone, Copy)]
struct QuantizedPanel {
    pairs: *const u8,
    scales: *const f16,
}

impl QuantizedPanel {
    /// The weights in f32, to `to: [inputs, panel]`.
    #[inline(always)]
    unsafe fn widen<S: Simd>(self, panel: Panel, to: &mut [f32]) {
        let width = panel.vectors * S::LANES;
        for (input, row) in to.chunks_exact_mut(2 * width).enumerate() {
            let (low, high) = row.split_at_mut(width);
            // SAFETY: the caller's promises; both halves are whole vectors.
            unsafe { self.widen_pair::<S>(input, low, Some(high)) };
        }
        let pairs = to.len() / (2 * width);
        let rest = to.chunks_exact_mut(2 * width).into_remainder();
        if !rest.is_empty() {
            // SAFETY: as above.
            unsafe { self.widen_pair::<S>(pairs, rest, None) };
        }
    }

    /// The weights of two inputs, or of an odd last one.
    #[inline(always)]
    unsafe fn widen_pair<S: Simd>(self, pair: usize, low: &mut [f32], high: Option<&mut [f32]>) {
        let width = low.len();
        let high = high.map(<[f32]>::as_mut_ptr);
        for column in (0..width).step_by(S::LANES) {
            // SAFETY: the caller's promises: the panel is `width` wide and has this pair.
            unsafe {
                let [first, second] = S::load_nibbles(self.pairs.add(pair * width + column));
                let group = 2 * pair / INT4_GROUP;
                let scale = S::load_f16(self.scales.add(group * width + column).cast());
                // 14 bits at most: exact.
                S::store(low[column..].as_mut_ptr(), S::mul(first, scale));
                if let Some(high) = high {
                    S::store(high.add(column), S::mul(second, scale));
                }
            }
        }
    }

    /// The products of fewer rows than a tile has.
    #[inline(always)]
    unsafe fn panel<S: Simd>(self, block: Block<u8>, panel: Panel, rows: usize) {
        // SAFETY: the caller's promises.
        unsafe {
            match panel.vectors {
                1 => self.rows::<S, 1>(block, rows),
                2 if S::PANEL >= 2 => self.rows::<S, 2>(block, rows),
                3 if S::PANEL >= 3 => self.rows::<S, 3>(block, rows),
                4 if S::PANEL >= 4 => self.rows::<S, 4>(block, rows),
                _ => unreachable!("a panel has at most {} vectors", S::PANEL),
            }
        }
    }

    #[inline(always)]
    unsafe fn rows<S: Simd, const V: usize>(self, block: Block<u8>, rows: usize) {
        let mut row = 0;
        // SAFETY: the caller's promises; no tile goes beyond `rows`.
        unsafe {
            while rows - row >= 2 {
                self.tile::<S, 2, V>(block, row);
                row += 2;
            }
            if rows - row >= 1 {
                self.tile::<S, 1, V>(block, row);
            }
        }
    }

    /// `R` rows by `V` vectors: the sums of a group without its scale, and with it those of all groups.
    #[inline(always)]
    unsafe fn tile<S: Simd, const R: usize, const V: usize>(self, block: Block<u8>, row: usize) {
        // SAFETY: the caller's promises: `R` rows from `row` on are there, and the panel is `V` vectors
        // wide.
        unsafe {
            let x: [*const f32; R] =
                std::array::from_fn(|r| block.x.add((row + r) * block.x_stride));
            let bias: [S::F; V] = std::array::from_fn(|v| S::load(block.bias.add(v * S::LANES)));
            let mut sums = [bias; R];
            let (mut pairs, mut scales) = (self.pairs, self.scales);
            for first in (0..block.inputs).step_by(INT4_GROUP) {
                let end = block.inputs.min(first + INT4_GROUP);
                let mut group = [[[S::splat(0.0); V]; R]; 2];
                let mut k = first;
                while k < end {
                    let quantized: [[S::F; 2]; V] =
                        std::array::from_fn(|v| S::load_nibbles(pairs.add(v * S::LANES)));
                    pairs = pairs.add(V * S::LANES);
                    for r in 0..R {
                        let value = S::splat(*x[r].add(k));
                        for v in 0..V {
                            group[0][r][v] = S::mul_add(value, quantized[v][0], group[0][r][v]);
                        }
                        // What stands behind an odd last input may be anything.
                        if k + 1 < end {
                            let value = S::splat(*x[r].add(k + 1));
                            for v in 0..V {
                                group[1][r][v] = S::mul_add(value, quantized[v][1], group[1][r][v]);
                            }
                        }
                    }
                    k += 2;
                }
                for v in 0..V {
                    let scale = S::load_f16(scales.add(v * S::LANES).cast());
                    for r in 0..R {
                        let of_group = S::add(group[0][r][v], group[1][r][v]);
                        sums[r][v] = S::mul_add(of_group, scale, sums[r][v]);
                    }
                }
                scales = scales.add(V * S::LANES);
            }
            let floor = S::splat(block.floor);
            for (r, sums) in sums.into_iter().enumerate() {
                let y = block.y.add((row + r) * block.y_stride);
                for (v, sum) in sums.into_iter().enumerate() {
                    S::store(y.add(v * S::LANES), S::max(floor, sum));
                }
            }
        }
    }
}
