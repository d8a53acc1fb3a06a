//! Products of a block of rows with a layer's panels, tile by tile.
//!
//! A tile is a few rows by one panel; its sums stay in registers while it goes along the inputs.
#![expect(
    unsafe_code,
    reason = "tiles are computed with vectors, through pointers"
)]

use bytemuck::Pod;
use half::f16;

use super::aligned::Aligned;
use super::panels::{Panel, Shape};
use super::simd::{Simd, TILE_ROWS};

/// A weight as it is stored, which is widened to f32 when it is loaded.
pub(super) trait Weight: Pod + Send + Sync + Into<f32> {
    /// Whether it is a binary16 number.
    const HALF: bool;

    /// The nearest number of its type.
    fn nearest(value: f32) -> Self;

    /// A vector of f32.
    ///
    /// # Safety
    /// The instructions of `S` are there, and `from` holds a vector's lanes.
    unsafe fn load<S: Simd>(from: *const Self) -> S::F;
}

impl Weight for f32 {
    const HALF: bool = false;

    fn nearest(value: f32) -> Self {
        value
    }

    #[inline(always)]
    unsafe fn load<S: Simd>(from: *const f32) -> S::F {
        // SAFETY: the caller's promise.
        unsafe { S::load(from) }
    }
}

impl Weight for f16 {
    const HALF: bool = true;

    fn nearest(value: f32) -> Self {
        f16::from_f32(value)
    }

    #[inline(always)]
    unsafe fn load<S: Simd>(from: *const f16) -> S::F {
        // SAFETY: the caller's promise; an `f16` is its bits.
        unsafe { S::load_f16(from.cast()) }
    }
}

/// The weights and the bias of one layer, ready to be multiplied.
#[derive(Debug)]
pub(super) struct Weights<W> {
    pub shape: Shape,
    pub panels: Aligned<W>,
    pub bias: Aligned<f32>,
}

/// `rows` rows in memory that lie `stride` values apart.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a, T> {
    pub values: &'a [T],
    pub stride: usize,
}

/// `y = x·W + b`, or the larger of it and 0 where `relu`: `y: [rows, padded outputs]`, rows `y_stride`
/// apart. `widened` holds a panel in f32; it is used where no instruction widens weights on their way.
///
/// # Safety
/// The instructions of `S` are there, and `weights` was packed for it.
#[inline(always)]
pub(super) unsafe fn product<S: Simd, W: Weight>(
    x: Rows<'_, f32>,
    rows: usize,
    weights: &Weights<W>,
    relu: bool,
    y: &mut [f32],
    y_stride: usize,
    widened: &mut [f32],
) {
    let shape = weights.shape;
    assert!(
        rows * x.stride <= x.values.len() && shape.inputs <= x.stride,
        "rows of inputs"
    );
    assert!(
        rows * y_stride <= y.len() && shape.padded_outputs() <= y_stride,
        "rows of outputs"
    );
    for panel in shape.panels() {
        let stored = &weights.panels[panel.start..];
        let block = Block {
            x: x.values.as_ptr(),
            x_stride: x.stride,
            inputs: shape.inputs,
            weights: stored.as_ptr(),
            bias: weights.bias[panel.column..].as_ptr(),
            floor: if relu { 0.0 } else { f32::NEG_INFINITY },
            y: y[panel.column..].as_mut_ptr(),
            y_stride,
        };
        // SAFETY: the panel and its bias are padded to whole vectors; rows and columns were checked
        // above.
        unsafe {
            if W::HALF && !S::CONVERTS_F16 && rows >= TILE_ROWS {
                let count = panel.vectors * S::LANES * shape.inputs;
                let widened = &mut widened[..count];
                for start in (0..count).step_by(S::LANES) {
                    let weight = W::load::<S>(stored[start..count].as_ptr());
                    S::store(widened[start..].as_mut_ptr(), weight);
                }
                block.with(widened.as_ptr()).panel::<S>(panel, rows);
            } else {
                block.panel::<S>(panel, rows);
            }
        }
    }
}

/// What the tiles of one panel share.
#[derive(Clone, Copy)]
struct Block<W> {
    x: *const f32,
    x_stride: usize,
    inputs: usize,
    weights: *const W,
    bias: *const f32,
    floor: f32,
    y: *mut f32,
    y_stride: usize,
}

impl<W: Weight> Block<W> {
    /// The same with other weights.
    fn with<V>(self, weights: *const V) -> Block<V> {
        Block {
            x: self.x,
            x_stride: self.x_stride,
            inputs: self.inputs,
            weights,
            bias: self.bias,
            floor: self.floor,
            y: self.y,
            y_stride: self.y_stride,
        }
    }

    #[inline(always)]
    unsafe fn panel<S: Simd>(self, panel: Panel, rows: usize) {
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
