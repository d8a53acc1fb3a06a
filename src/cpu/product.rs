//! Products of a block of rows with a layer's panels, tile by tile.
//!
//! A tile is a few rows by one panel; its sums stay in registers while it goes along the inputs.
#![expect(
    unsafe_code,
    reason = "tiles are computed with vectors, through pointers"
)]

use bytemuck::Pod;
use half::{bf16, f16};

use super::aligned::Aligned;
use super::panels::{Panel, PanelShape};
use super::simd::{Simd, TILE_ROWS};

/// A weight as it is stored, which is widened to f32 when it is loaded.
pub(super) trait Weight: Pod + Send + Sync {
    /// Whether that takes so long that many rows are better multiplied by a panel that was widened
    /// before.
    fn widens<S: Simd>() -> bool;

    /// A vector of f32.
    ///
    /// # Safety
    /// The instructions of `S` are there, and `from` holds a vector's lanes.
    unsafe fn load<S: Simd>(from: *const Self) -> S::F;
}

impl Weight for f32 {
    #[inline(always)]
    fn widens<S: Simd>() -> bool {
        false
    }

    #[inline(always)]
    unsafe fn load<S: Simd>(from: *const f32) -> S::F {
        // SAFETY: the caller's promise.
        unsafe { S::load(from) }
    }
}

impl Weight for f16 {
    #[inline(always)]
    fn widens<S: Simd>() -> bool {
        !S::CONVERTS_F16
    }

    #[inline(always)]
    unsafe fn load<S: Simd>(from: *const f16) -> S::F {
        // SAFETY: the caller's promise; an `f16` is its bits.
        unsafe { S::load_f16(from.cast()) }
    }
}

impl Weight for bf16 {
    #[inline(always)]
    fn widens<S: Simd>() -> bool {
        false
    }

    #[inline(always)]
    unsafe fn load<S: Simd>(from: *const bf16) -> S::F {
        // SAFETY: the caller's promise; a `bf16` is its bits.
        unsafe { S::load_bf16(from.cast()) }
    }
}

/// The weights and the bias of one layer, ready to be multiplied.
#[derive(Debug)]
pub(super) struct PackedWeights<W> {
    pub shape: PanelShape,
    pub panels: Aligned<W>,
    pub bias: Aligned<f32>,
}

/// Rows to be multiplied, and where their products go: `y = x·W + b`, or the larger of it and 0 where
/// `relu`.
pub(super) struct Task<'a> {
    pub rows: usize,
    /// `[rows, inputs]`, rows `x_stride` values apart.
    pub x: &'a [f32],
    pub x_stride: usize,
    /// `[rows, padded outputs]`, rows `y_stride` values apart.
    pub y: &'a mut [f32],
    pub y_stride: usize,
    pub relu: bool,
    /// Room for a panel in f32, where weights are widened before.
    pub widened: &'a mut [f32],
}

impl Task<'_> {
    /// What the tiles of a panel share, its weights aside.
    #[inline(always)]
    pub fn block<W>(
        &mut self,
        shape: PanelShape,
        panel: Panel,
        bias: &[f32],
        weights: *const W,
    ) -> Block<W> {
        assert!(
            self.rows * self.x_stride <= self.x.len() && shape.inputs <= self.x_stride,
            "rows of inputs"
        );
        assert!(
            self.rows * self.y_stride <= self.y.len() && shape.padded_outputs() <= self.y_stride,
            "rows of outputs"
        );
        Block {
            x: self.x.as_ptr(),
            x_stride: self.x_stride,
            inputs: shape.inputs,
            weights,
            bias: bias[panel.column..].as_ptr(),
            floor: if self.relu { 0.0 } else { f32::NEG_INFINITY },
            y: self.y[panel.column..].as_mut_ptr(),
            y_stride: self.y_stride,
        }
    }
}

impl<W: Weight> PackedWeights<W> {
    /// Does `task`.
    ///
    /// # Safety
    /// The instructions of `S` are there, and the weights were packed for it.
    #[inline(always)]
    pub unsafe fn product<S: Simd>(&self, task: &mut Task<'_>) {
        let Self {
            shape,
            panels,
            bias,
        } = self;
        for panel in shape.panels() {
            let stored = &panels[panel.start..];
            // SAFETY: the panel and its bias are padded to whole vectors; rows and columns are checked
            // where the block is made.
            unsafe {
                if W::widens::<S>() && task.rows >= TILE_ROWS {
                    let count = panel.vectors * S::LANES * shape.inputs;
                    let widened = &mut task.widened[..count];
                    for start in (0..count).step_by(S::LANES) {
                        let weight = W::load::<S>(stored[start..count].as_ptr());
                        S::store(widened[start..].as_mut_ptr(), weight);
                    }
                    let widened = widened.as_ptr();
                    let block = task.block(*shape, panel, bias, widened);
                    block.panel::<S>(panel, task.rows);
                } else {
                    let block = task.block(*shape, panel, bias, stored.as_ptr());
                    block.panel::<S>(panel, task.rows);
                }
            }
        }
    }
}

/// What the tiles of one panel share.
#[derive(Clone, Copy)]
pub(super) struct Block<W> {
    pub x: *const f32,
    pub x_stride: usize,
    pub inputs: usize,
    pub weights: *const W,
    pub bias: *const f32,
    pub floor: f32,
    pub y: *mut f32,
    pub y_stride: usize,
}

impl<W: Weight> Block<W> {
    /// The products of all of a panel's tiles.
    ///
    /// # Safety
    /// The instructions of `S` are there; rows, weights and bias are as [`Task::block`] found them.
    #[inline(always)]
    pub unsafe fn panel<S: Simd>(self, panel: Panel, rows: usize) {
        // SAFETY: the caller's promises.
        unsafe {
            match panel.vectors {
                1 => self.rows::<S, 1>(rows),
                2 if S::PANEL >= 2 => self.rows::<S, 2>(rows),
                3 if S::PANEL >= 3 => self.rows::<S, 3>(rows),
                4 if S::PANEL >= 4 => self.rows::<S, 4>(rows),
                _ => unreachable!("a panel has at most {} vectors", S::PANEL),
            }
        }
    }

    #[inline(always)]
    unsafe fn rows<S: Simd, const V: usize>(self, rows: usize) {
        let mut row = 0;
        // SAFETY: the caller's promises; no tile goes beyond `rows`.
        unsafe {
            while rows - row >= TILE_ROWS {
                self.tile::<S, TILE_ROWS, V, 1>(row);
                row += TILE_ROWS;
            }
            if rows - row >= 4 {
                self.tile::<S, 4, V, 1>(row);
                row += 4;
            }
            // Few rows have too few sums to keep the processor busy: they sum in parts.
            if rows - row >= 2 {
                self.tile::<S, 2, V, 2>(row);
                row += 2;
            }
            if rows - row >= 1 {
                self.tile::<S, 1, V, 4>(row);
            }
        }
    }

    /// `R` rows by `V` vectors, each the sum of `P` parts: every `P`th input from the first, the
    /// second … on.
    #[inline(always)]
    unsafe fn tile<S: Simd, const R: usize, const V: usize, const P: usize>(self, row: usize) {
        // SAFETY: the caller's promises: `R` rows from `row` on are there.
        unsafe {
            let x: [*const f32; R] = std::array::from_fn(|r| self.x.add((row + r) * self.x_stride));
            let bias: [S::F; V] = std::array::from_fn(|v| S::load(self.bias.add(v * S::LANES)));
            let zeros = [S::splat(0.0); V];
            let mut sums: [[[S::F; V]; R]; P] =
                std::array::from_fn(|part| [if part == 0 { bias } else { zeros }; R]);
            let mut weights = self.weights;
            let mut k = 0;
            while k + P <= self.inputs {
                for part in &mut sums {
                    step::<S, W, R, V>(part, &x, k, weights);
                    weights = weights.add(V * S::LANES);
                    k += 1;
                }
            }
            while k < self.inputs {
                step::<S, W, R, V>(&mut sums[0], &x, k, weights);
                weights = weights.add(V * S::LANES);
                k += 1;
            }
            let floor = S::splat(self.floor);
            for r in 0..R {
                let y = self.y.add((row + r) * self.y_stride);
                for v in 0..V {
                    let mut sum = sums[0][r][v];
                    for part in &sums[1..] {
                        sum = S::add(sum, part[r][v]);
                    }
                    S::store(y.add(v * S::LANES), S::max(floor, sum));
                }
            }
        }
    }
}

/// Adds one input's products to a tile's sums.
#[inline(always)]
unsafe fn step<S: Simd, W: Weight, const R: usize, const V: usize>(
    sums: &mut [[S::F; V]; R],
    x: &[*const f32; R],
    k: usize,
    weights: *const W,
) {
    // SAFETY: the caller's promises.
    unsafe {
        let w: [S::F; V] = std::array::from_fn(|v| W::load::<S>(weights.add(v * S::LANES)));
        for r in 0..R {
            let x = S::splat(*x[r].add(k));
            for v in 0..V {
                sums[r][v] = S::mul_add(x, w[v], sums[r][v]);
            }
        }
    }
}
