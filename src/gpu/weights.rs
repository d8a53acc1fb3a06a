//! A model's weights on a device, converted once and in the order that the kernels read them.

use std::ops::Range;

use half::f16;

use super::device::Device;
use super::layout::{pack_blocks, pack_matrices};
use super::packed::{Packed, QuantizedInput, pack};
use super::single::whole;
use crate::Precision;
use crate::model::Architecture;
use crate::plan::{
    BINDING_ALIGNMENT, LayerParams, Operand, WeightLayout, groups, packed_weights_bytes,
};
use crate::quantize::{self, QuantizedLayer, QuantizedNetwork};

/// What is uploaded once for a model in one precision.
#[derive(Debug)]
pub(super) struct DeviceWeights {
    /// The layers, first to last.
    pub(super) layers: Vec<LayerParts>,
    /// Every layer's weights, one after the other; a buffer for each layer where one binding cannot hold
    /// them all.
    weights: Vec<wgpu::Buffer>,
    /// How they lie.
    layout: WeightLayout,
    /// The same in host memory, where they may have to be laid out otherwise: on an adapter that is
    /// opened with its matrix units.
    halves: Vec<Halves>,
    /// Every layer's bias, one after the other.
    biases: wgpu::Buffer,
    /// What a whole-network kernel knows of the layers.
    shapes: wgpu::Buffer,
    /// The input value of each pixel byte, 256 f32.
    table: wgpu::Buffer,
}

/// Where a layer's parts lie.
#[derive(Debug)]
pub(super) struct LayerParts {
    /// Which of the weights' buffers, and which of its bytes.
    weights: (usize, Range<u64>),
    /// Bytes of the biases' buffer.
    bias: Range<u64>,
    /// The weights' scale in int8 by the reference scheme, else 1.
    pub(super) scale: f32,
    /// The quantized values that it takes outside the reference scheme.
    pub(super) input: QuantizedInput,
}

/// A layer's weights in f16.
#[derive(Debug)]
struct Halves {
    weights: Vec<f16>, // [inputs, outputs]
    inputs: usize,
    outputs: usize,
}

impl DeviceWeights {
    /// Uploads the weights of `model`, in blocks.
    pub(super) fn new(device: &Device, model: &QuantizedNetwork) -> Self {
        let packed = model
            .layers
            .iter()
            .map(|layer| pack(layer, model.int8_clip));
        let mut packed: Vec<Packed> = packed.collect();
        // What the first layer takes is rounded as its numbers are.
        let first = &model.layers[model.graph.first_layer()];
        let table: Vec<f32> = match first.precision() {
            Precision::F16 => model.normalization.table_f16().map(f32::from).to_vec(),
            _ => model.normalization.table_f32().to_vec(),
        };
        let weights = packed.iter_mut();
        let weights = weights.map(|layer| (&mut layer.weights, layer.block_bytes));
        device.injector.weights(&mut weights.collect::<Vec<_>>());
        let storage = wgpu::BufferUsages::STORAGE;
        let upload = |label: &str, bytes: &[u8]| device.filled(label, bytes, storage);
        let weights: Vec<&[u8]> = packed.iter().map(|layer| &*layer.weights).collect();
        let (buffers, places) = upload_weights(device, &weights);
        let (mut layers, mut shapes, mut biases) = (Vec::new(), Vec::new(), Vec::new());
        for ((layer, packed), weights) in model.layers.iter().zip(&packed).zip(places) {
            let parts = LayerParts {
                weights,
                bias: append(&mut biases, &packed.bias),
                scale: packed.scale,
                input: packed.input,
            };
            let is_static = packed.input.inverse > 0.0;
            shapes.push(LayerParams {
                inner: groups(layer.inputs) as u32,
                groups: groups(layer.outputs) as u32,
                cols: layer.outputs as u32,
                activation: layer.activation.number(),
                weights: (parts.weights.1.start / packed.block_bytes) as u32,
                bias: (parts.bias.start / packed.bias_bytes) as u32,
                scale: if is_static {
                    packed.input.inverse
                } else {
                    packed.scale
                },
                zero: packed.input.zero,
            });
            layers.push(parts);
        }
        Self {
            layers,
            weights: buffers,
            layout: WeightLayout::Blocks,
            halves: Halves::of(device, model),
            biases: upload("biases", &biases),
            shapes: upload("shapes", bytemuck::cast_slice(&shapes)),
            table: upload("table", bytemuck::cast_slice(&table)),
        }
    }

    /// Lays the weights out as the next plan's kernels read them. What lay otherwise goes first, so that
    /// both never stand side by side.
    pub(super) fn lay_out(&mut self, device: &Device, layout: WeightLayout) {
        if self.layout == layout {
            return;
        }
        self.weights.clear();
        let packed: Vec<Vec<f16>> = self.halves.iter().map(|half| half.packed(layout)).collect();
        let bytes: Vec<&[u8]> = packed
            .iter()
            .map(|layer| bytemuck::cast_slice(layer))
            .collect();
        let (buffers, places) = upload_weights(device, &bytes);
        self.weights = buffers;
        for (layer, place) in self.layers.iter_mut().zip(places) {
            layer.weights = place;
        }
        self.layout = layout;
    }

    /// What a kernel binds of an operand that is uploaded once; none of what each batch has.
    pub(super) fn binding(&self, operand: Operand) -> Option<wgpu::BufferBinding<'_>> {
        Some(match operand {
            Operand::Table => whole(&self.table),
            Operand::Weights(layer) => {
                let (index, bytes) = &self.layers[layer].weights;
                part(&self.weights[*index], bytes)
            }
            Operand::Bias(layer) => part(&self.biases, &self.layers[layer].bias),
            // Planned only where one binding holds them all.
            Operand::AllWeights => whole(&self.weights[0]),
            Operand::AllBiases => whole(&self.biases),
            Operand::Shapes => whole(&self.shapes),
            _ => return None,
        })
    }

    /// Where a layer's weights lie: the buffer, and which of its bytes.
    pub(super) fn of_layer(&self, layer: usize) -> (&wgpu::Buffer, Range<u64>) {
        let (index, bytes) = &self.layers[layer].weights;
        (&self.weights[*index], bytes.clone())
    }

    /// Bytes of all buffers.
    pub(super) fn bytes(&self) -> u64 {
        let weights = self.weights.iter().map(wgpu::Buffer::size);
        weights.sum::<u64>() + self.other_bytes()
    }

    /// The same if the weights of `model` are laid out in this way.
    pub(super) fn bytes_in(&self, layout: WeightLayout, model: &Architecture) -> u64 {
        if layout == self.layout {
            return self.bytes();
        }
        packed_weights_bytes(model, layout) + self.other_bytes()
    }

    /// Bytes of all buffers but those of the weights.
    fn other_bytes(&self) -> u64 {
        let others = [&self.biases, &self.shapes, &self.table];
        others.into_iter().map(wgpu::Buffer::size).sum()
    }
}

impl Halves {
    /// Those of every layer, where kernels for matrix units may run the network.
    fn of(device: &Device, model: &QuantizedNetwork) -> Vec<Self> {
        let half = |layer: &QuantizedLayer| match &layer.weights {
            quantize::Weights::F16(weights) => Some(Self {
                weights: weights.clone(),
                inputs: layer.inputs,
                outputs: layer.outputs,
            }),
            _ => None,
        };
        let matrix_units = device.limits().matrix_units.is_some();
        let layers = matrix_units.then(|| model.layers.iter().map(half).collect());
        layers.flatten().unwrap_or_default()
    }

    fn packed(&self, layout: WeightLayout) -> Vec<f16> {
        let Self {
            weights,
            inputs,
            outputs,
        } = self;
        match layout {
            WeightLayout::Blocks => pack_blocks(weights, *inputs, *outputs, f16::ZERO),
            WeightLayout::Matrices(size) => {
                pack_matrices(weights, *inputs, *outputs, size as usize, f16::ZERO)
            }
        }
    }
}

/// Uploads each layer's packed weights and returns where they lie: in one buffer, or in one for each layer
/// where one binding cannot hold them all.
fn upload_weights(
    device: &Device,
    layers: &[&[u8]],
) -> (Vec<wgpu::Buffer>, Vec<(usize, Range<u64>)>) {
    // They are read back where it is checked that they came through.
    let storage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
    let aligned = |bytes: &&[u8]| (bytes.len() as u64).next_multiple_of(BINDING_ALIGNMENT);
    if layers.iter().map(aligned).sum::<u64>() <= device.limits().binding_bytes {
        let mut all = Vec::new();
        let places = layers.iter().map(|bytes| (0, append(&mut all, bytes)));
        let places = places.collect();
        return (vec![device.filled("weights", &all, storage)], places);
    }
    let buffers = layers
        .iter()
        .map(|bytes| device.filled("a layer's weights", bytes, storage));
    let whole = layers.iter().enumerate();
    let places = whole.map(|(index, bytes)| (index, 0..bytes.len() as u64));
    (buffers.collect(), places.collect())
}

/// A part of a buffer, of at least a word.
fn part<'a>(buffer: &'a wgpu::Buffer, bytes: &Range<u64>) -> wgpu::BufferBinding<'a> {
    wgpu::BufferBinding {
        buffer,
        offset: bytes.start,
        size: wgpu::BufferSize::new(bytes.end - bytes.start),
    }
}

/// Adds `bytes` where a binding may begin, and returns where they lie.
fn append(all: &mut Vec<u8>, bytes: &[u8]) -> Range<u64> {
    all.resize(all.len().next_multiple_of(BINDING_ALIGNMENT as usize), 0);
    let start = all.len() as u64;
    all.extend_from_slice(bytes);
    start..all.len() as u64
}
