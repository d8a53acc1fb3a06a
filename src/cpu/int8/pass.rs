//! What one thread does of one layer, and of the outputs, block after block.
#![expect(unsafe_code, reason = "computed with vectors")]

use std::iter::Enumerate;
use std::slice::ChunksMut;
use std::sync::{Mutex, PoisonError};

use super::layer::Int8Layer;
use super::scratch::Scratch;
use crate::cpu::integer::Sink;
use crate::cpu::quantized::{LookupTable, QuantizedSums, Range};
use crate::cpu::simd::{Simd, Work};
use crate::cpu::softmax::softmax;

/// What a layer takes.
#[derive(Clone, Copy)]
pub(super) enum LayerSource<'a> {
    /// `[batch, in]`
    Pixels(&'a [u8]),
    /// The scaled sums of the layer before: rows `stride` apart.
    Sums {
        values: &'a [f32],
        stride: usize,
        quantized: QuantizedSums,
    },
}

/// Blocks of rows that nobody has taken yet, with their numbers.
pub(super) type Blocks<'a> = Mutex<Enumerate<ChunksMut<'a, f32>>>;

fn take<'a>(blocks: &Blocks<'a>) -> Option<(usize, &'a mut [f32])> {
    blocks.lock().unwrap_or_else(PoisonError::into_inner).next()
}

/// One thread's part of a layer.
pub(super) struct LayerWork<'a, 'b> {
    pub blocks: &'a Blocks<'b>,
    /// Rows of a block.
    pub rows: usize,
    pub layer: &'a Int8Layer,
    pub source: LayerSource<'a>,
    pub table: &'a LookupTable,
    pub scale: f32,
    pub scratch: &'a mut Scratch,
}

impl Work for LayerWork<'_, '_> {
    type Output = Range;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> Range {
        let (width, stride) = (self.layer.width(), self.layer.stride());
        let inputs = self.layer.weights.shape().inputs;
        let Scratch {
            quantized, indices, ..
        } = self.scratch;
        // SAFETY: the caller's promise, here and below; the weights were packed for it.
        let mut scaled = unsafe { Scaled::<S>::new(self.layer, self.scale) };
        while let Some((number, sums)) = take(self.blocks) {
            let (first, rows) = (number * self.rows, sums.len() / width);
            for row in 0..rows {
                let quantized = &mut quantized[row * stride..][..stride];
                let bytes = unsafe { self.source.bytes::<S>(first + row, inputs, indices) };
                assert!(inputs.div_ceil(S::GROUP) <= stride && bytes.len() == inputs);
                unsafe {
                    S::look_up(
                        self.table,
                        bytes.as_ptr(),
                        quantized.as_mut_ptr().cast(),
                        inputs,
                    )
                };
            }
            scaled.sums = sums;
            unsafe {
                self.layer
                    .weights
                    .product::<S, _>(quantized, stride, rows, &mut scaled);
            }
        }
        unsafe { scaled.range() }
    }
}

impl<'a> LayerSource<'a> {
    /// What looks up the quantized values of one row of the batch: its pixels, or its quantized values as `indices`.
    #[inline(always)]
    unsafe fn bytes<'b, S: Simd>(self, row: usize, inputs: usize, indices: &'b mut [u8]) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Self::Pixels(pixels) => &pixels[row * inputs..][..inputs],
            Self::Sums {
                values,
                stride,
                quantized,
            } => {
                // SAFETY: the caller's promise.
                unsafe { quantized.indices::<S>(&values[row * stride..][..stride], indices) };
                &indices[..inputs]
            }
        }
    }
}

/// Takes sums, scales them, adds the bias, and keeps track of the smallest and the largest.
struct Scaled<'a, S: Simd> {
    /// `[rows, padded outputs]`
    sums: &'a mut [f32],
    bias: &'a [f32],
    scale: S::F,
    low: S::F,
    high: S::F,
}

impl<'a, S: Simd> Scaled<'a, S> {
    #[inline(always)]
    unsafe fn new(layer: &'a Int8Layer, scale: f32) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            Self {
                sums: &mut [],
                bias: &layer.bias,
                scale: S::splat(scale),
                low: S::splat(Range::EMPTY.low),
                high: S::splat(Range::EMPTY.high),
            }
        }
    }

    #[inline(always)]
    unsafe fn range(self) -> Range {
        // SAFETY: the caller's promise.
        unsafe {
            Range {
                low: S::reduce_min(self.low),
                high: S::reduce_max(self.high),
            }
        }
    }
}

impl<S: Simd> Sink<S> for Scaled<'_, S> {
    #[inline(always)]
    unsafe fn take(&mut self, row: usize, column: usize, sums: S::I) {
        let to = &mut self.sums[row * self.bias.len() + column..][..S::LANES];
        let bias = &self.bias[column..][..S::LANES];
        // SAFETY: the caller's promise; both are whole vectors.
        unsafe {
            // A product and a sum, each rounded, as in the scheme.
            let scaled = S::mul(S::to_f32(sums), self.scale);
            let pre_activation = S::add(scaled, S::load(bias.as_ptr()));
            S::store(to.as_mut_ptr(), pre_activation);
            self.low = S::min(pre_activation, self.low);
            self.high = S::max(pre_activation, self.high);
        }
    }
}

/// One thread's part of the outputs.
pub(super) struct EpilogueWork<'a, 'b> {
    pub blocks: &'a Blocks<'b>,
    /// Rows of a block.
    pub rows: usize,
    pub layer: &'a Int8Layer,
    pub quantized: QuantizedSums,
    /// What each quantized value stands for after the activation; none of a softmax, which looks at a whole row.
    pub values: Option<&'a [f32; 256]>,
    pub filler: &'a [f32],
    pub sums: &'a [f32],
    pub scratch: &'a mut Scratch,
}

impl Work for EpilogueWork<'_, '_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (width, outputs) = (self.layer.width(), self.layer.weights.shape().outputs);
        let Scratch { indices, rows, .. } = self.scratch;
        while let Some((number, block)) = take(self.blocks) {
            let count = block.len() / outputs;
            let sums = self.sums[number * self.rows * width..][..count * width].chunks_exact(width);
            if let Some(values) = self.values {
                for (sums, to) in sums.zip(block.chunks_exact_mut(outputs)) {
                    // SAFETY: the caller's promise.
                    unsafe { self.quantized.indices::<S>(sums, indices) };
                    for (to, index) in to.iter_mut().zip(indices.iter()) {
                        *to = values[usize::from(*index)];
                    }
                }
                continue;
            }
            let rows = &mut rows[..count * width];
            for (sums, row) in sums.zip(rows.chunks_exact_mut(width)) {
                // SAFETY: the caller's promise.
                unsafe { self.quantized.dequantized::<S>(sums, self.filler, row) };
            }
            // SAFETY: the caller's promise.
            unsafe { softmax::<S>(rows, width, outputs, block) };
        }
    }
}
