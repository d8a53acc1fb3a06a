//! A model's weights on a device, converted once and in the order that the kernels read them.

mod deployed;

use std::ops::Range;

use half::f16;

use super::device::Device;
use super::layout::{pack_blocks, pack_codes, pack_matrices, pack_rows, to_f16};
use super::shader::constants::activation_number;
use super::single::whole;
use crate::Precision;
use crate::deploy::{Deployed, DeployedLayer};
use crate::model::{Architecture, Layer, Model};
use crate::plan::{BINDING_ALIGNMENT, LayerShape, Operand, WeightLayout, groups};
use crate::quant;

/// What is uploaded once for a model in one precision.
#[derive(Debug)]
pub(super) struct Weights {
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
    /// The codes that it takes outside the reference scheme.
    pub(super) input: InputCodes,
}

/// How a layer's input becomes codes outside the reference scheme.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct InputCodes {
    /// What values are multiplied by where the scale is static, else 0.
    pub(super) inverse: f32,
    /// The code of zero.
    pub(super) zero: f32,
}

/// A layer's weights in f16.
#[derive(Debug)]
struct Halves {
    weights: Vec<f16>, // [inputs, outputs]
    inputs: usize,
    outputs: usize,
}

impl Weights {
    /// Converts the weights of `model` to `precision` and uploads them, in blocks.
    pub(super) fn new(device: &Device, model: &Model, precision: Precision) -> Self {
        let convert = |layer| match precision {
            Precision::F16 => real_layer(layer, to_f16, f16::ZERO),
            Precision::Int8 => int8_layer(layer, model.int8_clip),
            // Others are deployed before.
            _ => real_layer(layer, |values| values.to_vec(), 0.0_f32),
        };
        let packed: Vec<Packed> = model.layers.iter().map(convert).collect();
        let table: Vec<f32> = match precision {
            Precision::F16 => model.normalization.table_f16().map(f32::from).to_vec(),
            _ => model.normalization.table_f32().to_vec(),
        };
        let may_change = precision == Precision::F16 && device.limits().matrix_units.is_some();
        let kept = model.layers.iter().filter(|_| may_change);
        Self {
            halves: kept.map(Halves::new).collect(),
            ..Self::of(device, &model.architecture(), packed, &table)
        }
    }

    /// Uploads the weights of a deployed model, in blocks.
    pub(super) fn deployed(device: &Device, model: &Deployed) -> Self {
        let pack = |layer| deployed::pack(layer, model.int8_clip);
        let packed: Vec<Packed> = model.layers.iter().map(pack).collect();
        // What the first layer takes is rounded as its numbers are.
        let table: Vec<f32> = match model.layers.first().map(DeployedLayer::precision) {
            Some(Precision::F16) => model.normalization.table_f16().map(f32::from).to_vec(),
            _ => model.normalization.table_f32().to_vec(),
        };
        Self::of(device, &model.architecture(), packed, &table)
    }

    fn of(device: &Device, model: &Architecture, mut packed: Vec<Packed>, table: &[f32]) -> Self {
        if let Some(broken) = device.broken {
            let layers = packed.iter_mut();
            let weights = layers.map(|layer| (&mut layer.weights, layer.block_bytes));
            broken.in_weights(&mut weights.collect::<Vec<_>>());
        }
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
            let static_codes = packed.input.inverse > 0.0;
            shapes.push(LayerShape {
                inner: groups(layer.inputs) as u32,
                groups: groups(layer.outputs) as u32,
                cols: layer.outputs as u32,
                activation: activation_number(layer.activation),
                weights: (parts.weights.1.start / packed.block_bytes) as u32,
                bias: (parts.bias.start / packed.bias_bytes) as u32,
                scale: if static_codes {
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
            halves: Vec::new(),
            biases: upload("biases", &biases),
            shapes: upload("shapes", bytemuck::cast_slice(&shapes)),
            table: upload("table", bytemuck::cast_slice(table)),
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
        let others = [&self.biases, &self.shapes, &self.table];
        let buffers = self.weights.iter().chain(others);
        buffers.map(wgpu::Buffer::size).sum()
    }
}

impl Halves {
    fn new(layer: &Layer) -> Self {
        Self {
            weights: to_f16(&layer.weights),
            inputs: layer.inputs,
            outputs: layer.outputs,
        }
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

/// Uploads each layer's packed weights and tells where they lie: in one buffer, or in one for each layer
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

/// Adds `bytes` where a binding may begin, and tells where they lie.
fn append(all: &mut Vec<u8>, bytes: &[u8]) -> Range<u64> {
    all.resize(all.len().next_multiple_of(BINDING_ALIGNMENT as usize), 0);
    let start = all.len() as u64;
    all.extend_from_slice(bytes);
    start..all.len() as u64
}

/// A layer's bytes as they are uploaded.
#[derive(Debug)]
struct Packed {
    weights: Vec<u8>,
    bias: Vec<u8>,
    scale: f32,
    input: InputCodes,
    /// Bytes of a block of weights, and of what a group of columns needs of biases.
    block_bytes: u64,
    bias_bytes: u64,
}

/// Weights `[in, out]` in f32 or f16, blocked as the product reads them.
fn real_layer<T: bytemuck::Pod>(
    layer: &Layer,
    convert: impl Fn(&[f32]) -> Vec<T>,
    zero: T,
) -> Packed {
    let weights = pack_blocks(&convert(&layer.weights), layer.inputs, layer.outputs, zero);
    let bias = pack_rows(&convert(&layer.bias), layer.outputs, zero);
    Packed {
        weights: bytemuck::cast_slice(&weights).to_vec(),
        bias: bytemuck::cast_slice(&bias).to_vec(),
        scale: 1.0,
        input: InputCodes::default(),
        block_bytes: 16 * size_of::<T>() as u64,
        bias_bytes: 4 * size_of::<T>() as u64,
    }
}

/// Weights `[in, out]` quantized with one scale, blocked as the product reads them.
fn int8_layer(layer: &Layer, clip: u8) -> Packed {
    let scale = quant::scale(quant::max_abs(&layer.weights), clip);
    let quantize = |&weight: &f32| quant::quantize(weight, scale, clip);
    let codes: Vec<i8> = layer.weights.iter().map(quantize).collect();
    let weights = pack_codes(&codes, layer.inputs, layer.outputs);
    let bias = pack_rows(&layer.bias, layer.outputs, 0.0);
    Packed {
        weights: bytemuck::cast_slice(&weights).to_vec(),
        bias: bytemuck::cast_slice(&bias).to_vec(),
        scale,
        input: InputCodes::default(),
        block_bytes: 16,
        bias_bytes: 16,
    }
}
