//! int8 `dynamic-tensor` inference.
//!
//! A tensor's scale is that of its largest magnitude over the whole batch, so that threads meet after
//! each layer. What a block of rows goes through between two meetings is one pass: the quantized values of the
//! layer before, the product, scaling, bias, and the search for the largest magnitude.

mod layer;
mod pass;
mod scratch;

use std::sync::{Mutex, PoisonError};

use super::aligned::Aligned;
use super::integer::IntegerWeights;
use super::isa::Supported;
use super::processor::Processor;
use super::quantized::{LookupTable, PixelQuantizer, QuantizedSums, Range};
use super::simd::{BLOCK_ROWS, TILE_ROWS};
use crate::model::{Activation, Graph};
use crate::quantize::{QuantizedLayer, QuantizedNetwork, Weights};
use layer::Int8Layer;
use pass::{EpilogueWork, LayerSource, LayerWork};
use scratch::{Scratch, Sizes};

/// A network ready to run in int8.
#[derive(Debug)]
pub(super) struct Int8Network {
    processor: Processor,
    graph: Graph,
    layers: Vec<Int8Layer>,
    input: PixelQuantizer,
    clip: u8,
    /// What a row of a last layer with softmax is filled up with, which that must not see: −∞ there, and
    /// 0 where there are outputs.
    filler: Aligned<f32>,
    batch: usize,
    /// How many rows a block has.
    block: usize,
    /// How many threads the batch runs on.
    threads: usize,
    /// One for each thread, and perhaps more.
    scratch: Vec<Mutex<Scratch>>,
    /// The tensor of each value of the graph.
    tensors: Vec<BatchTensor>,
    /// The widths of the buffers that a batch's sums are kept in.
    widths: Vec<usize>,
    /// Scaled sums: `[batch, padded outputs]`. Tensors that are not needed at the same time share one.
    pre_activations: Vec<Aligned<f32>>,
    outputs: Vec<f32>,
}

/// A value of the graph, for the layers that read it.
#[derive(Debug)]
struct BatchTensor {
    /// Where its scaled sums are, and how many values of a row they have.
    buffer: usize,
    width: usize,
    /// What its scaled sums stand for; none of the network's input, which is pixels.
    quantized: Option<QuantizedSums>,
    /// The quantized value that layers read for each quantized sum, or pixel, and its scale.
    table: LookupTable,
    scale: f32,
}

/// The widths of the buffers that a batch's sums are kept in: the widest of the tensors that share one.
fn widths(tensors: &[BatchTensor]) -> Vec<usize> {
    let mut widths = Vec::new();
    for tensor in tensors.iter().filter(|tensor| tensor.width > 0) {
        if widths.len() <= tensor.buffer {
            widths.resize(tensor.buffer + 1, 0);
        }
        widths[tensor.buffer] = widths[tensor.buffer].max(tensor.width);
    }
    widths
}

impl Int8Network {
    /// Packs the weights of `model`, each matrix with its own scale.
    pub fn new(model: &QuantizedNetwork, processor: &Processor) -> Self {
        let clip = model.int8_clip;
        let layer = |layer: &QuantizedLayer| {
            let Weights::Int8 { quantized, scales } = &layer.weights else {
                unreachable!("dynamic-tensor needs the same precision in all layers");
            };
            let weights = IntegerWeights::new(quantized, layer.inputs, layer.outputs, processor);
            Int8Layer {
                bias: weights.shape().pad_bias(&layer.bias, None),
                weights,
                scale: scales[0],
                activation: layer.activation,
            }
        };
        let layers: Vec<Int8Layer> = model.layers.iter().map(layer).collect();
        let last = Some(layers[model.graph.last_layer()].weights.shape());
        let zeros = vec![0.0; model.graph.outputs()];
        let softmax = model.layers[model.graph.last_layer()].activation == Activation::Softmax;
        let last = last.filter(|_| softmax);
        let filler = last.map(|shape| shape.pad_bias(&zeros, Some(f32::NEG_INFINITY)));
        let mut tensors: Vec<BatchTensor> = (model.graph.buffers(false).into_iter())
            .map(|buffer| BatchTensor {
                buffer,
                width: 0,
                quantized: None,
                table: [0; 256],
                scale: 1.0,
            })
            .collect();
        for operation in &model.graph.operations {
            tensors[operation.output.0].width = layers[operation.layer()].width();
        }
        Self {
            processor: processor.clone(),
            graph: model.graph.clone(),
            widths: widths(&tensors),
            tensors,
            layers,
            input: PixelQuantizer::new(model.normalization, clip),
            clip,
            filler: filler.unwrap_or_default(),
            batch: 0,
            block: 0,
            threads: 1,
            scratch: Vec::new(),
            pre_activations: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// Frees the memory that batches took.
    pub fn release(&mut self) {
        self.scratch = Vec::new();
        self.pre_activations = Vec::new();
        self.outputs = Vec::new();
    }

    /// Allocates memory for a batch, where earlier ones did not need as much.
    pub fn prepare(&mut self, batch: usize, threads: usize) {
        self.batch = batch;
        self.threads = threads;
        let sizes = self.sizes(batch, threads);
        self.block = sizes.block;
        if self.scratch.len() < threads {
            self.scratch.resize_with(threads, Mutex::default);
        }
        for scratch in &mut self.scratch[..threads] {
            let scratch = scratch.get_mut().unwrap_or_else(PoisonError::into_inner);
            scratch.quantized.grow(sizes.quantized);
            scratch.indices.grow(sizes.indices);
            scratch.rows.grow(sizes.rows);
        }
        self.pre_activations
            .resize_with(self.widths.len(), Aligned::default);
        for (values, width) in self.pre_activations.iter_mut().zip(&self.widths) {
            values.grow(batch * width);
        }
        let outputs = batch * self.outputs();
        self.outputs
            .reserve_exact(outputs.saturating_sub(self.outputs.len()));
        self.outputs.resize(outputs, 0.0);
    }

    /// What each thread needs for a batch.
    fn sizes(&self, batch: usize, threads: usize) -> Sizes {
        let largest =
            |of: &dyn Fn(&Int8Layer) -> usize| self.layers.iter().map(of).max().unwrap_or(0);
        let share = batch.div_ceil(threads).next_multiple_of(TILE_ROWS);
        let block = share.min(BLOCK_ROWS);
        let rows = block.min(batch);
        Sizes {
            block,
            quantized: rows * largest(&Int8Layer::stride),
            indices: largest(&|layer| layer.weights.shape().padded_outputs()),
            rows: rows * self.filler.len(),
        }
    }

    /// The batch prepared for, `pixels: [batch, in]`, to outputs `[batch, out]`, row-major. The batch's
    /// scales are its own.
    pub fn run(&mut self, pixels: &[u8]) -> &[f32] {
        let isa = self.processor.isa();
        let mut tensors = std::mem::take(&mut self.tensors);
        let mut pre_activations = std::mem::take(&mut self.pre_activations);
        let mut outputs = std::mem::take(&mut self.outputs);
        let input = &mut tensors[Graph::INPUT.0];
        (input.table, input.scale) = self.input.quantize(pixels, isa);
        for operation in &self.graph.operations {
            let index = operation.layer();
            let layer = &self.layers[index];
            let from = &tensors[operation.input().0];
            let to = tensors[operation.output.0].buffer;
            let mut here = std::mem::take(&mut pre_activations[to]);
            let source = match from.quantized {
                None => LayerSource::Pixels(pixels),
                Some(quantized) => LayerSource::Sums {
                    values: &pre_activations[from.buffer],
                    stride: from.width,
                    quantized,
                },
            };
            let scale = from.scale * layer.scale;
            let range = self.layer(layer, source, &from.table, scale, &mut here);
            let quantized = QuantizedSums::new(range, self.clip);
            if self.graph.is_last(index) {
                self.outputs_of_last(layer, quantized, &here, &mut outputs);
            } else {
                let sums = &here[..self.batch * layer.width()];
                let to = &mut tensors[operation.output.0];
                (to.table, to.scale) = quantized.next(layer.activation, sums, isa);
                to.quantized = Some(quantized);
            }
            pre_activations[to] = here;
        }
        self.tensors = tensors;
        self.pre_activations = pre_activations;
        self.outputs = outputs;
        &self.outputs
    }

    /// One layer of the whole batch, to the scaled sums `[batch, padded outputs]`; gives their
    /// smallest and their largest.
    fn layer(
        &self,
        layer: &Int8Layer,
        source: LayerSource<'_>,
        table: &LookupTable,
        scale: f32,
        sums: &mut [f32],
    ) -> Range {
        let width = layer.width();
        let blocks = Mutex::new(
            sums[..self.batch * width]
                .chunks_mut(self.block * width)
                .enumerate(),
        );
        let range = Mutex::new(Range::EMPTY);
        self.on_threads(&|isa, scratch| {
            let found = isa.run(LayerWork {
                blocks: &blocks,
                rows: self.block,
                layer,
                source,
                table,
                scale,
                scratch,
            });
            let mut range = range.lock().unwrap_or_else(PoisonError::into_inner);
            *range = range.with(found);
        });
        range.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// The outputs of the last layer, from its scaled sums.
    fn outputs_of_last(
        &self,
        layer: &Int8Layer,
        quantized: QuantizedSums,
        sums: &[f32],
        outputs: &mut [f32],
    ) {
        let softmax = layer.activation == Activation::Softmax;
        let values = (!softmax).then(|| quantized.activated(layer.activation));
        let blocks = outputs.chunks_mut(self.block * self.outputs()).enumerate();
        let blocks = Mutex::new(blocks);
        self.on_threads(&|isa, scratch| {
            isa.run(EpilogueWork {
                blocks: &blocks,
                rows: self.block,
                layer,
                quantized,
                values: values.as_ref(),
                filler: &self.filler,
                sums,
                scratch,
            });
        });
    }

    fn on_threads(&self, work: &(dyn Fn(Supported, &mut Scratch) + Sync)) {
        self.processor.on_threads(self.threads, &|isa, thread| {
            let mut scratch = self.scratch[thread]
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            work(isa, &mut scratch);
        });
    }

    /// Bytes held for weights and activations.
    pub fn allocated_bytes(&self) -> u64 {
        let scratch = |scratch: &Mutex<Scratch>| {
            let scratch = scratch.lock().unwrap_or_else(PoisonError::into_inner);
            scratch.quantized.bytes() + scratch.indices.bytes() + scratch.rows.bytes()
        };
        self.weights_bytes()
            + self.scratch.iter().map(scratch).sum::<u64>()
            + self.pre_activations.iter().map(Aligned::bytes).sum::<u64>()
            + 4 * self.outputs.capacity() as u64
    }

    /// Bytes that weights and activations of a batch need, before anything of the batch is allocated.
    pub fn planned_bytes(&self, batch: usize, threads: usize) -> u64 {
        let sums = self.widths.iter();
        let sums = sums.map(|width| Aligned::<f32>::bytes_of(batch * width));
        self.weights_bytes()
            + threads as u64 * self.sizes(batch, threads).bytes()
            + sums.sum::<u64>()
            + 4 * (batch * self.outputs()) as u64
    }

    fn weights_bytes(&self) -> u64 {
        let layer = |layer: &Int8Layer| layer.weights.bytes() + layer.bias.bytes();
        self.layers.iter().map(layer).sum::<u64>() + self.filler.bytes()
    }

    fn outputs(&self) -> usize {
        self.graph.outputs()
    }
}
