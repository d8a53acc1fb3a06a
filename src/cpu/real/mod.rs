//! f32 and f16 inference: a block of rows goes through all layers on one thread.
//!
//! Rows do not depend on each other, so that threads meet once a batch; a block's values stay in the
//! nearer caches from the pixels to the outputs. Each row's sums are made in an order that depends
//! on nothing but its place in the batch and the batch's size: the number of threads changes no bit.

#[cfg(test)]
mod tests;

use std::iter::Zip;
use std::slice::{Chunks, ChunksMut};
use std::sync::{Mutex, PoisonError};

use half::f16;

use super::activation;
use super::aligned::Aligned;
use super::isa::Supported;
use super::panels::Shape;
use super::processor::{Lanes, Processor};
use super::product::{Rows, Weight, Weights, product};
use super::simd::{BLOCK_ROWS, Simd, TILE_ROWS, Work, stride};
use super::softmax::softmax;
use crate::model::{Activation, Model, Normalization};

/// Bytes of a block's values that leave room for weights in a second-level cache of 1 MiB, or of half
/// of that.
const BLOCK_BYTES: usize = 320 << 10;

/// A network ready to run with weights of type `W`: f32, or binary16.
#[derive(Debug)]
pub(super) struct RealNetwork<W> {
    processor: Processor,
    layers: Vec<Layer<W>>,
    normalization: Normalization,
    /// The input value of every pixel byte.
    table: [f32; 256],
    /// How many rows a block has.
    block: usize,
    /// How many threads the batch runs on.
    threads: usize,
    /// One for each thread, and perhaps more.
    scratch: Vec<Mutex<Scratch>>,
    outputs: Vec<f32>,
}

#[derive(Debug)]
struct Layer<W> {
    weights: Weights<W>,
    activation: Activation,
}

/// The values of one block.
#[derive(Debug, Default)]
struct Scratch {
    /// What a layer takes: `[block, stride(inputs)]`.
    x: Aligned<f32>,
    /// What it gives: `[block, stride(outputs)]`.
    y: Aligned<f32>,
    /// The same as it is stored in f16.
    stored: Aligned<f16>,
    /// A panel of f16 weights in f32, where no instruction widens them on their way.
    widened: Aligned<f32>,
}

/// What the input is in each type of weights.
pub(super) trait Storage: Weight {
    /// The input value of every pixel byte.
    fn table(normalization: Normalization) -> [f32; 256];
}

impl Storage for f32 {
    fn table(normalization: Normalization) -> [f32; 256] {
        normalization.table_f32()
    }
}

impl Storage for f16 {
    fn table(normalization: Normalization) -> [f32; 256] {
        normalization.table_f16().map(f32::from)
    }
}

impl<W: Storage> RealNetwork<W> {
    /// Converts and packs the weights of `model`.
    pub fn new(model: &Model, processor: &Processor) -> Self {
        let Lanes { lanes, panel, .. } = processor.lanes();
        let layer = |layer: &crate::model::Layer| {
            let shape = Shape {
                inputs: layer.inputs,
                outputs: layer.outputs,
                lanes,
                vectors: panel,
                group: 1,
            };
            // What fills up a row must not be seen by its softmax.
            let softmax = layer.activation == Activation::Softmax;
            let filler = if softmax { f32::NEG_INFINITY } else { 0.0 };
            let mut bias = shape.pad_bias(&layer.bias, Some(filler));
            for bias in bias.iter_mut() {
                *bias = W::nearest(*bias).into();
            }
            Layer {
                weights: Weights {
                    shape,
                    panels: shape.pack(&layer.weights, false, W::nearest),
                    bias,
                },
                activation: layer.activation,
            }
        };
        Self {
            processor: processor.clone(),
            layers: model.layers.iter().map(layer).collect(),
            normalization: model.normalization,
            table: W::table(model.normalization),
            block: 0,
            threads: 1,
            scratch: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// Gives back the room that batches took.
    pub fn release(&mut self) {
        self.scratch = Vec::new();
        self.outputs = Vec::new();
    }

    /// Makes room for a batch, where earlier ones did not need as much.
    pub fn prepare(&mut self, batch: usize, threads: usize) {
        self.threads = threads;
        let widths = self.layers.iter().map(|layer| layer.weights.shape);
        let x = widths
            .clone()
            .map(|shape| stride(shape.inputs))
            .max()
            .unwrap_or(0);
        let y = widths.map(|shape| stride(shape.outputs)).max().unwrap_or(0);
        // A block takes what the block before gave.
        let width = x.max(y);
        let fit = BLOCK_BYTES / (size_of::<f32>() * (x + y));
        let share = batch.div_ceil(threads);
        let block = fit.min(BLOCK_ROWS).min(share).max(1);
        let block = block.next_multiple_of(TILE_ROWS);
        self.block = block;
        let rows = block.min(batch);
        let Lanes {
            lanes,
            panel,
            converts_f16,
            ..
        } = self.processor.lanes();
        let widens = W::HALF && !converts_f16;
        let deepest = self
            .layers
            .iter()
            .map(|layer| layer.weights.shape.inputs)
            .max()
            .unwrap_or(0);
        if self.scratch.len() < threads {
            self.scratch.resize_with(threads, Mutex::default);
        }
        for scratch in &mut self.scratch[..threads] {
            let scratch = scratch.get_mut().unwrap_or_else(PoisonError::into_inner);
            scratch.x.make_room(rows * width);
            scratch.y.make_room(rows * width);
            scratch.stored.make_room(if W::HALF { rows * y } else { 0 });
            scratch
                .widened
                .make_room(if widens { panel * lanes * deepest } else { 0 });
        }
        self.outputs.resize(batch * self.outputs(), 0.0);
    }

    /// The batch prepared for, `pixels: [batch, in]`, to outputs `[batch, out]`, row-major.
    pub fn run(&mut self, pixels: &[u8]) -> &[f32] {
        let mut outputs = std::mem::take(&mut self.outputs);
        let blocks = pixels
            .chunks(self.block * self.inputs())
            .zip(outputs.chunks_mut(self.block * self.outputs()));
        let blocks = Mutex::new(blocks);
        let network = &*self;
        self.processor
            .on_threads(self.threads, &|isa: Supported, thread: usize| {
                let scratch = network.scratch[thread].lock();
                let scratch = &mut *scratch.unwrap_or_else(PoisonError::into_inner);
                isa.run(Share {
                    network,
                    blocks: &blocks,
                    scratch,
                });
            });
        self.outputs = outputs;
        &self.outputs
    }

    /// Bytes held for weights and activations.
    pub fn allocated_bytes(&self) -> u64 {
        let layer = |layer: &Layer<W>| layer.weights.panels.bytes() + layer.weights.bias.bytes();
        let scratch = |scratch: &Mutex<Scratch>| {
            let scratch = scratch.lock().unwrap_or_else(PoisonError::into_inner);
            scratch.x.bytes() + scratch.y.bytes() + scratch.stored.bytes() + scratch.widened.bytes()
        };
        self.layers.iter().map(layer).sum::<u64>()
            + self.scratch.iter().map(scratch).sum::<u64>()
            + size_of_val(&self.table) as u64
            + 4 * self.outputs.capacity() as u64
    }

    fn inputs(&self) -> usize {
        self.layers
            .first()
            .map_or(0, |layer| layer.weights.shape.inputs)
    }

    fn outputs(&self) -> usize {
        self.layers
            .last()
            .map_or(0, |layer| layer.weights.shape.outputs)
    }
}

/// Blocks that nobody has taken yet: their pixels, and where their outputs go.
type Blocks<'a> = Mutex<Zip<Chunks<'a, u8>, ChunksMut<'a, f32>>>;

/// One thread's part of a batch.
struct Share<'a, 'b, W> {
    network: &'a RealNetwork<W>,
    blocks: &'a Blocks<'b>,
    scratch: &'a mut Scratch,
}

#[expect(unsafe_code, reason = "computed with vectors")]
impl<W: Storage> Work for Share<'_, '_, W> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        loop {
            let block = self
                .blocks
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .next();
            let Some((pixels, outputs)) = block else {
                return;
            };
            // SAFETY: the caller's promise; the network was packed for this processor's vectors.
            unsafe { self.network.block::<S>(pixels, outputs, self.scratch) }
        }
    }
}

#[expect(unsafe_code, reason = "computed with vectors")]
impl<W: Storage> RealNetwork<W> {
    /// All layers of one block.
    #[inline(always)]
    unsafe fn block<S: Simd>(&self, pixels: &[u8], outputs: &mut [f32], scratch: &mut Scratch) {
        let rows = pixels.len() / self.inputs();
        let last = self.layers.len() - 1;
        // SAFETY: the caller's promise, here and below.
        unsafe { self.normalize::<S>(pixels, &mut scratch.x) };
        for (
            index,
            Layer {
                weights,
                activation,
            },
        ) in self.layers.iter().enumerate()
        {
            let (inputs, width) = (weights.shape.inputs, weights.shape.outputs);
            let x = Rows {
                values: &scratch.x,
                stride: stride(inputs),
            };
            let y_stride = stride(width);
            let y = &mut scratch.y[..rows * y_stride];
            unsafe {
                product::<S, W>(
                    x,
                    rows,
                    weights,
                    *activation == Activation::Relu,
                    y,
                    y_stride,
                    &mut scratch.widened,
                )
            };
            if !matches!(
                activation,
                Activation::Relu | Activation::Softmax | Activation::Identity
            ) {
                for y in y.chunks_exact_mut(y_stride) {
                    activation::apply(*activation, &mut y[..width], width);
                }
            }
            if W::HALF {
                unsafe { store::<S>(y, &mut scratch.stored) };
            }
            if index < last {
                if W::HALF {
                    unsafe { widen::<S>(&scratch.stored[..y.len()], &mut scratch.x) };
                } else {
                    std::mem::swap(&mut scratch.x, &mut scratch.y);
                }
                continue;
            }
            if W::HALF {
                unsafe { widen::<S>(&scratch.stored[..y.len()], y) };
            }
            if *activation == Activation::Softmax {
                unsafe { softmax::<S>(y, y_stride, width, outputs) };
            } else {
                for (y, output) in y
                    .chunks_exact(y_stride)
                    .zip(outputs.chunks_exact_mut(width))
                {
                    output.copy_from_slice(&y[..width]);
                }
            }
        }
    }

    /// The input values of `pixels: [rows, in]`, to rows of `x`.
    #[inline(always)]
    unsafe fn normalize<S: Simd>(&self, pixels: &[u8], x: &mut [f32]) {
        let inputs = self.inputs();
        let computed = self.normalization == Normalization::Unit && (!W::HALF || S::CONVERTS_F16);
        for (pixels, x) in pixels
            .chunks_exact(inputs)
            .zip(x.chunks_mut(stride(inputs)))
        {
            let mut done = 0;
            if computed {
                while done + S::LANES <= inputs {
                    // SAFETY: the caller's promise; both rows hold `inputs` values.
                    unsafe {
                        let unit = S::unit(S::load_bytes(pixels.as_ptr().add(done)));
                        let value = if W::HALF { S::round_f16(unit) } else { unit };
                        S::store(x.as_mut_ptr().add(done), value);
                    }
                    done += S::LANES;
                }
            }
            for (x, pixel) in x[done..inputs].iter_mut().zip(&pixels[done..]) {
                *x = self.table[usize::from(*pixel)];
            }
        }
    }
}

/// Stores values, whole vectors of them, as binary16.
#[inline(always)]
#[expect(unsafe_code, reason = "computed with vectors")]
unsafe fn store<S: Simd>(values: &[f32], stored: &mut [f16]) {
    assert!(values.len() <= stored.len() && values.len().is_multiple_of(S::LANES));
    for start in (0..values.len()).step_by(S::LANES) {
        // SAFETY: the caller's promise; both hold whole vectors, as was just checked.
        unsafe {
            let value = S::load(values.as_ptr().add(start));
            S::store_f16(stored.as_mut_ptr().add(start).cast(), value);
        }
    }
}

/// The values that were stored as binary16.
#[inline(always)]
#[expect(unsafe_code, reason = "computed with vectors")]
unsafe fn widen<S: Simd>(stored: &[f16], values: &mut [f32]) {
    assert!(stored.len() <= values.len() && stored.len().is_multiple_of(S::LANES));
    for start in (0..stored.len()).step_by(S::LANES) {
        // SAFETY: the caller's promise; both hold whole vectors, as was just checked.
        unsafe {
            let value = S::load_f16(stored.as_ptr().add(start).cast());
            S::store(values.as_mut_ptr().add(start), value);
        }
    }
}
