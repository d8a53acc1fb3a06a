//! Inference where no row depends on another: a block of rows goes through all layers on one thread.
//!
//! So runs everything but int8 `dynamic-tensor`, and layers may differ in their numbers. Each takes its
//! input in a form of its own ([`encoding`]): values in f32, rounded to a type of fewer bits where its
//! weights are of one, or int8 quantized values. Products and what is done to their sums are in [`layer`].
//!
//! Threads meet once a batch; a block's values stay in the nearer caches from the pixels to the outputs.
//! The number of threads changes no bit. A row's sums in f32 are made in an order that depends on its
//! place in the batch and the batch's size. Sums of quantized values are exact, so that where all layers take
//! quantized values the outputs depend on nothing but the image.

mod encoding;
mod layer;
mod scratch;
#[cfg(test)]
mod tests;

use std::iter::Zip;
use std::slice::{Chunks, ChunksMut};
use std::sync::{Mutex, PoisonError};

use super::isa::Supported;
use super::processor::Processor;
use super::simd::{BLOCK_ROWS, Simd, TILE_ROWS, Work, stride};
use super::softmax::softmax;
use crate::model::{Activation, Graph, ValueId};
use crate::precision::Float;
use crate::quantize::QuantizedNetwork;
use encoding::{Encoding, Pixels, round};
use layer::PackedLayer;
use scratch::{Scratch, Sizes, Widths};

/// Bytes of a block's values that leave the rest of a second-level cache for weights, of 1 MiB, or of half
/// of that.
const BLOCK_BYTES: usize = 320 << 10;

/// A network ready to run.
#[derive(Debug)]
pub(super) struct Chain {
    processor: Processor,
    graph: Graph,
    layers: Vec<PackedLayer>,
    /// Where each value of the graph is kept that an operation reads other than the one right after; none of the
    /// others.
    kept: Vec<Option<usize>>,
    /// How the network's input is made.
    pixels: Pixels,
    /// What the outputs are rounded to.
    outputs_as: Float,
    /// How many rows a block has.
    block: usize,
    /// How many threads the batch runs on.
    threads: usize,
    /// One for each thread, and perhaps more.
    scratch: Vec<Mutex<Scratch>>,
    outputs: Vec<f32>,
}

impl Chain {
    /// Packs the weights of `model`.
    pub fn new(model: &QuantizedNetwork, processor: &Processor) -> Self {
        let clip = model.int8_clip;
        let graph = &model.graph;
        let layers = model.layers.iter().enumerate();
        let layers = layers.map(|(index, layer)| {
            let next = graph.layer_after(index);
            let next = next.map(|next| Encoding::of(&model.layers[next], clip));
            PackedLayer::new(layer, next, clip, processor)
        });
        let first = Encoding::of(&model.layers[graph.first_layer()], clip);
        let mut count = 0;
        let mut kept = vec![None; graph.values.len()];
        let mut before = Graph::INPUT;
        for operation in &graph.operations {
            let value = operation.input();
            if value != before && kept[value.0].is_none() {
                kept[value.0] = Some(count);
                count += 1;
            }
            before = operation.output;
        }
        Self {
            processor: processor.clone(),
            graph: graph.clone(),
            layers: layers.collect(),
            kept,
            pixels: Pixels::new(first, model.normalization),
            outputs_as: model.layers[graph.last_layer()].precision().float(),
            block: 0,
            threads: 1,
            scratch: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// Frees the memory that batches took.
    pub fn release(&mut self) {
        self.scratch = Vec::new();
        self.outputs = Vec::new();
    }

    /// Allocates memory for a batch, where earlier ones did not need as much.
    pub fn prepare(&mut self, batch: usize, threads: usize) {
        self.threads = threads;
        let sizes = self.sizes(batch, threads);
        self.block = sizes.block;
        if self.scratch.len() < threads {
            self.scratch.resize_with(threads, Mutex::default);
        }
        for scratch in &mut self.scratch[..threads] {
            let scratch = scratch.get_mut().unwrap_or_else(PoisonError::into_inner);
            scratch.grow(sizes);
        }
        let outputs = batch * self.outputs();
        self.outputs
            .reserve_exact(outputs.saturating_sub(self.outputs.len()));
        self.outputs.resize(outputs, 0.0);
    }

    /// What each thread needs for a batch.
    fn sizes(&self, batch: usize, threads: usize) -> Sizes {
        let Widths { x, y, quantized } = self.widths();
        let kept = self.kept.iter().flatten().count();
        let row = size_of::<f32>() * ((1 + kept) * (x + quantized) + y + quantized);
        let share = batch.div_ceil(threads);
        let block = (BLOCK_BYTES / row.max(1)).min(BLOCK_ROWS).min(share).max(1);
        let block = block.next_multiple_of(TILE_ROWS);
        let rows = block.min(batch);
        // A layer takes what the layer before gave.
        let values = x.max(y);
        let lanes = self.processor.lanes();
        let widened = self.layers.iter().map(|layer| layer.widened(lanes)).max();
        Sizes {
            block,
            x: if x > 0 { rows * values } else { 0 },
            y: rows * values,
            quantized: rows * quantized,
            scales: if quantized > 0 { rows } else { 0 },
            widened: widened.unwrap_or(0),
            kept,
        }
    }

    fn widths(&self) -> Widths {
        let mut widths = Widths::default();
        for layer in &self.layers {
            let of = layer.widths();
            widths.x = widths.x.max(of.x);
            widths.y = widths.y.max(of.y);
            widths.quantized = widths.quantized.max(of.quantized);
        }
        widths
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
                isa.run(ChainWork {
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
        let scratch = |scratch: &Mutex<Scratch>| {
            let scratch = scratch.lock().unwrap_or_else(PoisonError::into_inner);
            scratch.bytes()
        };
        self.weights_bytes()
            + self.scratch.iter().map(scratch).sum::<u64>()
            + 4 * self.outputs.capacity() as u64
    }

    /// Bytes that weights and activations of a batch need, before anything of the batch is allocated.
    pub fn planned_bytes(&self, batch: usize, threads: usize) -> u64 {
        let scratch = threads as u64 * self.sizes(batch, threads).bytes();
        self.weights_bytes() + scratch + 4 * (batch * self.outputs()) as u64
    }

    fn weights_bytes(&self) -> u64 {
        self.layers.iter().map(PackedLayer::bytes).sum::<u64>() + self.pixels.bytes()
    }

    fn inputs(&self) -> usize {
        self.graph.inputs()
    }

    fn outputs(&self) -> usize {
        self.graph.outputs()
    }
}

/// Blocks that nobody has taken yet: their pixels, and where their outputs go.
type Blocks<'a> = Mutex<Zip<Chunks<'a, u8>, ChunksMut<'a, f32>>>;

/// One thread's part of a batch.
struct ChainWork<'a, 'b> {
    network: &'a Chain,
    blocks: &'a Blocks<'b>,
    scratch: &'a mut Scratch,
}

#[expect(unsafe_code, reason = "computed with vectors")]
impl Work for ChainWork<'_, '_> {
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
impl Chain {
    /// All layers of one block.
    #[inline(always)]
    unsafe fn block<S: Simd>(&self, pixels: &[u8], outputs: &mut [f32], scratch: &mut Scratch) {
        let inputs = self.inputs();
        let rows = pixels.len() / inputs;
        // SAFETY: the caller's promise, here and below.
        unsafe { self.pixels.hand_on::<S>(pixels, inputs, scratch) };
        let mut present = Graph::INPUT;
        self.keep(present, scratch);
        for operation in &self.graph.operations {
            let value = operation.input();
            if let (true, Some(kept)) = (value != present, self.kept[value.0]) {
                scratch.take_back(kept);
            }
            unsafe { self.layers[operation.layer()].run::<S>(rows, scratch) };
            present = operation.output;
            self.keep(present, scratch);
        }
        let last = &self.layers[self.graph.last_layer()];
        let width = last.shape().outputs;
        let y_stride = stride(width);
        let y = &mut scratch.y[..rows * y_stride];
        unsafe { round::<S>(self.outputs_as, y) };
        if last.activation == Activation::Softmax {
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

impl Chain {
    /// Keeps a copy of a value that was handed on, where a later operation reads it.
    fn keep(&self, value: ValueId, scratch: &mut Scratch) {
        if let Some(kept) = self.kept[value.0] {
            let kept = &mut scratch.kept[kept];
            kept.x.copy_from_slice(&scratch.x);
            kept.quantized.copy_from_slice(&scratch.quantized);
            kept.scales.copy_from_slice(&scratch.scales);
        }
    }
}
