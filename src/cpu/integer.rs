//! Exact sums of int8 products of a block of rows with a layer's panels, tile by tile.
#![expect(
    unsafe_code,
    reason = "tiles are computed with vectors, through pointers"
)]

use super::aligned::Aligned;
use super::panels::{Panel, PanelShape};
use super::processor::{Lanes, Processor};
use super::simd::{Simd, TILE_ROWS, Work};

/// Quantized weights of one layer, ready to be multiplied.
#[derive(Debug)]
pub struct IntegerWeights {
    shape: PanelShape,
    panels: Aligned<i8>,
    /// Where each column's sum starts: at its offset, and at what makes up for the activations' quantized values in
    /// memory being 128 up, −128 · Σ weights. All sums wrap, so that the end is exact wherever they have
    /// been.
    starts: Aligned<i32>,
    processor: Processor,
}

impl IntegerWeights {
    /// Packs `quantized: [inputs, outputs]` row-major for a processor. Columns that only fill up a vector
    /// are copies of the last one, so that they change no minimum and no maximum.
    #[must_use]
    pub fn new(quantized: &[i8], inputs: usize, outputs: usize, processor: &Processor) -> Self {
        Self::with_offsets(quantized, [inputs, outputs], |_| 0, processor)
    }

    /// The same for sums to each of which the offset of its column is added.
    pub(super) fn with_offsets(
        quantized: &[i8],
        [inputs, outputs]: [usize; 2],
        offset_of: impl Fn(usize) -> i32,
        processor: &Processor,
    ) -> Self {
        let Lanes {
            lanes,
            panel,
            group,
            ..
        } = processor.lanes();
        // Activation quantized values in bytes are 128 up.
        let up = if group == 4 { 128 } else { 0 };
        let shape = PanelShape {
            inputs,
            outputs,
            lanes,
            vectors: panel,
            group,
        };
        let mut starts = Aligned::zeroed(shape.padded_outputs());
        for (column, start) in starts.iter_mut().enumerate() {
            *start = offset_of(column.min(outputs - 1));
        }
        for row in quantized.chunks_exact(outputs) {
            for (column, start) in starts.iter_mut().enumerate() {
                let q = i32::from(row[column.min(outputs - 1)]);
                *start = i32::wrapping_sub(*start, up * q);
            }
        }
        Self {
            shape,
            panels: shape.pack(quantized, true, |q| q),
            starts,
            processor: processor.clone(),
        }
    }

    /// The exact sums of products of `quantized: [batch, inputs]` with the weights: `[batch, outputs]`. Inference
    /// fuses what follows to the product.
    ///
    /// # Panics
    /// Where `quantized` are no whole rows.
    #[must_use]
    pub fn sums(&self, quantized: &[i8]) -> Vec<i32> {
        assert!(
            quantized.len().is_multiple_of(self.shape.inputs),
            "whole rows of quantized values"
        );
        self.processor.isa().run(Sums {
            weights: self,
            quantized,
        })
    }

    pub(super) fn shape(&self) -> PanelShape {
        self.shape
    }

    pub(super) fn bytes(&self) -> u64 {
        self.panels.bytes() + self.starts.bytes()
    }

    /// Gives `sink` the sums of `rows` rows of `quantized`: groups of quantized activations, `stride` groups a row.
    ///
    /// # Safety
    /// The instructions of `S` are there, and the weights were packed for it.
    #[inline(always)]
    pub(super) unsafe fn product<S: Simd, K: Sink<S>>(
        &self,
        quantized: &[u32],
        stride: usize,
        rows: usize,
        sink: &mut K,
    ) {
        let groups = self.shape.groups();
        assert!(
            rows * stride <= quantized.len() && groups <= stride,
            "rows of quantized values"
        );
        for panel in self.shape.panels() {
            let block = Block {
                quantized: quantized.as_ptr(),
                stride,
                groups,
                weights: self.panels[panel.start..].as_ptr(),
                starts: self.starts[panel.column..].as_ptr(),
                column: panel.column,
            };
            // SAFETY: the panel and its starts are padded to whole vectors; rows were checked above.
            unsafe { block.panel::<S, K>(panel, rows, sink) }
        }
    }
}

/// What takes the sums as tiles are finished.
pub(super) trait Sink<S: Simd> {
    /// A vector of sums of `row`, from `column` on.
    ///
    /// # Safety
    /// The instructions of `S` are there.
    unsafe fn take(&mut self, row: usize, column: usize, sums: S::I);
}

/// What the tiles of one panel share.
#[derive(Clone, Copy)]
struct Block {
    quantized: *const u32,
    stride: usize,
    groups: usize,
    weights: *const i8,
    starts: *const i32,
    column: usize,
}

impl Block {
    #[inline(always)]
    unsafe fn panel<S: Simd, K: Sink<S>>(self, panel: Panel, rows: usize, sink: &mut K) {
        // SAFETY: the caller's promises.
        unsafe {
            match panel.vectors {
                1 => self.rows::<S, K, 1>(rows, sink),
                2 if S::PANEL >= 2 => self.rows::<S, K, 2>(rows, sink),
                3 if S::PANEL >= 3 => self.rows::<S, K, 3>(rows, sink),
                4 if S::PANEL >= 4 => self.rows::<S, K, 4>(rows, sink),
                _ => unreachable!("a panel has at most {} vectors", S::PANEL),
            }
        }
    }

    #[inline(always)]
    unsafe fn rows<S: Simd, K: Sink<S>, const V: usize>(self, rows: usize, sink: &mut K) {
        let mut row = 0;
        // SAFETY: the caller's promises; no tile goes beyond `rows`.
        unsafe {
            while rows - row >= TILE_ROWS {
                self.tile::<S, K, TILE_ROWS, V, 1>(row, sink);
                row += TILE_ROWS;
            }
            if rows - row >= 4 {
                self.tile::<S, K, 4, V, 1>(row, sink);
                row += 4;
            }
            // Few rows have too few sums to keep the processor busy: they sum in parts.
            if rows - row >= 2 {
                self.tile::<S, K, 2, V, 2>(row, sink);
                row += 2;
            }
            if rows - row >= 1 {
                self.tile::<S, K, 1, V, 4>(row, sink);
            }
        }
    }

    /// `R` rows by `V` vectors, each the sum of `P` parts.
    #[inline(always)]
    unsafe fn tile<S: Simd, K: Sink<S>, const R: usize, const V: usize, const P: usize>(
        self,
        row: usize,
        sink: &mut K,
    ) {
        // SAFETY: the caller's promises: `R` rows from `row` on are there.
        unsafe {
            let quantized: [*const u32; R] =
                std::array::from_fn(|r| self.quantized.add((row + r) * self.stride));
            let starts: [S::I; V] =
                std::array::from_fn(|v| S::load_i32(self.starts.add(v * S::LANES)));
            let zeros = [S::zero_i32(); V];
            let mut sums: [[[S::I; V]; R]; P] =
                std::array::from_fn(|part| [if part == 0 { starts } else { zeros }; R]);
            let mut weights = self.weights;
            let mut k = 0;
            while k + P <= self.groups {
                for part in &mut sums {
                    step::<S, R, V>(part, &quantized, k, weights);
                    weights = weights.add(V * S::LANES * S::GROUP);
                    k += 1;
                }
            }
            while k < self.groups {
                step::<S, R, V>(&mut sums[0], &quantized, k, weights);
                weights = weights.add(V * S::LANES * S::GROUP);
                k += 1;
            }
            for r in 0..R {
                for v in 0..V {
                    let mut sum = sums[0][r][v];
                    for part in &sums[1..] {
                        sum = S::add_i32(sum, part[r][v]);
                    }
                    sink.take(row + r, self.column + v * S::LANES, sum);
                }
            }
        }
    }
}

/// Adds one group's products to a tile's sums.
#[inline(always)]
unsafe fn step<S: Simd, const R: usize, const V: usize>(
    sums: &mut [[S::I; V]; R],
    quantized: &[*const u32; R],
    k: usize,
    weights: *const i8,
) {
    // SAFETY: the caller's promises.
    unsafe {
        let w: [S::I; V] =
            std::array::from_fn(|v| S::load_weights(weights.add(v * S::LANES * S::GROUP)));
        for r in 0..R {
            let quantized = S::splat_quantized(*quantized[r].add(k));
            for v in 0..V {
                sums[r][v] = S::dot(sums[r][v], quantized, w[v]);
            }
        }
    }
}

/// The product alone.
struct Sums<'a> {
    weights: &'a IntegerWeights,
    quantized: &'a [i8],
}

impl Work for Sums<'_> {
    type Output = Vec<i32>;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> Vec<i32> {
        let PanelShape {
            inputs, outputs, ..
        } = self.weights.shape;
        let width = self.weights.shape.padded_outputs();
        let stride = self.weights.shape.groups();
        let rows = self.quantized.len() / inputs;
        // A byte's own quantized value, 128 up.
        let table = std::array::from_fn(|byte| (byte as u8).wrapping_add(128));
        let mut groups = Aligned::<u32>::zeroed(rows * stride);
        let bytes = bytemuck::cast_slice::<i8, u8>(self.quantized);
        for (bytes, groups) in bytes
            .chunks_exact(inputs)
            .zip(groups.chunks_exact_mut(stride))
        {
            // SAFETY: the caller's promise; a row of groups holds its quantized values.
            unsafe { S::look_up(&table, bytes.as_ptr(), groups.as_mut_ptr().cast(), inputs) };
        }
        let mut sums = vec![0; rows * width];
        let mut sink = Store {
            sums: &mut sums,
            width,
        };
        // SAFETY: the caller's promise; the weights are for this processor.
        unsafe {
            self.weights
                .product::<S, _>(&groups, stride, rows, &mut sink)
        };
        let rows = sums.chunks_exact(width);
        rows.flat_map(|row| &row[..outputs]).copied().collect()
    }
}

struct Store<'a> {
    sums: &'a mut [i32],
    width: usize,
}

impl<S: Simd> Sink<S> for Store<'_> {
    #[inline(always)]
    unsafe fn take(&mut self, row: usize, column: usize, sums: S::I) {
        let to = &mut self.sums[row * self.width + column..][..S::LANES];
        // SAFETY: the caller's promise; `to` is a whole vector.
        unsafe { S::store_i32(to.as_mut_ptr(), sums) }
    }
}
