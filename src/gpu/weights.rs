//! A model's weights on a device, converted once and in the order that the kernels read them.

use half::f16;

use super::device::Device;
use super::layout::{pack_blocks, pack_codes, pack_rows, to_f16};
use crate::Precision;
use crate::model::{Layer, Model};
use crate::quant;

/// What is uploaded once for a model in one precision.
#[derive(Debug)]
pub(super) struct Weights {
    /// The layers, first to last.
    pub(super) layers: Vec<LayerBuffers>,
    /// The input value of each pixel byte, 256 f32.
    pub(super) table: wgpu::Buffer,
}

/// The buffers of one layer.
#[derive(Debug)]
pub(super) struct LayerBuffers {
    pub(super) weights: wgpu::Buffer,
    pub(super) bias: wgpu::Buffer,
    /// The weights' scale in int8, else 1.
    pub(super) scale: f32,
}

impl Weights {
    /// Converts the weights of `model` to `precision` and uploads them.
    pub(super) fn new(device: &Device, model: &Model, precision: Precision) -> Self {
        let layers = model.layers.iter().map(|layer| match precision {
            Precision::F32 => real_layer(device, layer, |values| values.to_vec(), 0.0_f32),
            Precision::F16 => real_layer(device, layer, to_f16, f16::ZERO),
            Precision::Int8 => int8_layer(device, layer, model.int8_clip),
        });
        let layers = layers.collect();
        let table: Vec<f32> = match precision {
            Precision::F16 => model.normalization.table_f16().map(f32::from).to_vec(),
            Precision::F32 | Precision::Int8 => model.normalization.table_f32().to_vec(),
        };
        let bytes = bytemuck::cast_slice(&table);
        let table = device.filled("table", bytes, wgpu::BufferUsages::STORAGE);
        Self { layers, table }
    }

    /// Bytes of all buffers.
    pub(super) fn bytes(&self) -> u64 {
        let layers = self
            .layers
            .iter()
            .map(|layer| layer.weights.size() + layer.bias.size());
        layers.sum::<u64>() + self.table.size()
    }
}

/// Weights `[in, out]` in f32 or f16, blocked as the product reads them.
fn real_layer<T: bytemuck::Pod>(
    device: &Device,
    layer: &Layer,
    convert: impl Fn(&[f32]) -> Vec<T>,
    zero: T,
) -> LayerBuffers {
    let weights = pack_blocks(&convert(&layer.weights), layer.inputs, layer.outputs, zero);
    let bias = pack_rows(&convert(&layer.bias), layer.outputs, zero);
    let storage = wgpu::BufferUsages::STORAGE;
    LayerBuffers {
        weights: device.filled("weights", bytemuck::cast_slice(&weights), storage),
        bias: device.filled("bias", bytemuck::cast_slice(&bias), storage),
        scale: 1.0,
    }
}

/// Weights `[in, out]` quantized with one scale, blocked as the product reads them.
fn int8_layer(device: &Device, layer: &Layer, clip: u8) -> LayerBuffers {
    let scale = quant::scale(quant::max_abs(&layer.weights), clip);
    let quantize = |&weight: &f32| quant::quantize(weight, scale, clip);
    let codes: Vec<i8> = layer.weights.iter().map(quantize).collect();
    let weights = pack_codes(&codes, layer.inputs, layer.outputs);
    let bias = pack_rows(&layer.bias, layer.outputs, 0.0);
    let storage = wgpu::BufferUsages::STORAGE;
    LayerBuffers {
        weights: device.filled("weights", bytemuck::cast_slice(&weights), storage),
        bias: device.filled("bias", bytemuck::cast_slice(&bias), storage),
        scale,
    }
}
