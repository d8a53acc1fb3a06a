//! A pass, what it reads and writes, and how its dispatch is laid out.

use super::kernel::{LayerKernel, LayerOutput, LayerParams, NetworkKernel};
use super::tile::{KernelFamily, Tiling, WeightLayout};
use crate::Precision;
use crate::model::{Activation, Architecture};

/// Invocations in a workgroup of the passes that go element by element.
pub const LANES: u32 = 64;

/// Groups of four that one invocation of a search for the largest magnitude looks at.
pub const SPAN: u32 = 32;

/// What one dispatch does: a shader of `shaders/kernels`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pass {
    /// Pixels to the network's input.
    Normalize,
    /// The largest byte of the batch.
    PixelMax,
    /// Pixels to quantized values, in exact integers.
    QuantizePixels,
    /// The product with a layer's weights.
    Matmul(Tiling),
    /// The sums scaled (int8) and the bias added.
    Bias,
    /// An activation that goes element by element.
    Activation(Activation),
    /// Softmax along the rows.
    Softmax,
    /// The largest magnitude of a matrix.
    AbsMax,
    /// Values to quantized values.
    Quantize,
    /// Quantized values to values.
    Dequantize,
    /// A whole layer, or half of one.
    Layer(LayerKernel),
    /// A whole network.
    Network(NetworkKernel),
    /// The pre-activations of an int8 network's last layer quantized, dequantized and activated.
    Epilogue(Activation),
    /// Rows of f32 values to int8 quantized values with a scale each.
    QuantizedRows {
        /// Lanes that share a row: one, or all of a workgroup.
        row_lanes: u32,
    },
    /// f32 values to static int8 quantized values.
    QuantizeStatic,
}

/// What a pass reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// The batch as bytes, four a word.
    Pixels,
    /// The input value of each byte, 256 f32.
    Table,
    /// What one operation writes and others read, as they store it; unfused int8 stores it in f32. Values that are
    /// not needed at the same time share a buffer, whose number this is.
    Value(usize),
    /// A layer's input, or its sums, as int8 quantized values; where rows have scales of their own, with these behind
    /// the quantized values of all rows.
    Quantized,
    /// Sums of products, of the whole inner dimension or of parts of it: f32, or int32 of integer products.
    Sums,
    /// Sums with the bias, f32.
    PreActivation,
    /// The network's outputs.
    Outputs,
    /// The largest magnitude of every int8 tensor.
    Maxima,
    /// A layer's weights.
    Weights(usize),
    /// A layer's bias.
    Bias(usize),
    /// The weights of every layer.
    AllWeights,
    /// The bias of every layer.
    AllBiases,
    /// A [`LayerParams`] for every layer.
    Shapes,
}

/// The uniform that every kernel reads; its twin is `Params` in `shaders/shared/params.wgsl`.
#[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Params {
    /// Rows of the matrix.
    pub rows: u32,
    /// Groups of four along the inner dimension of a product.
    pub inner: u32,
    /// Columns of the output, without padding.
    pub cols: u32,
    /// Groups of four in a row of the output.
    pub groups: u32,
    /// Which maximum scales what is read.
    pub slot_in: u32,
    /// Which maximum is found, or scales what is written.
    pub slot_out: u32,
    /// Largest int8 quantized value.
    pub clip: f32,
    /// Scale of the layer's weights in int8; filled in when the weights are quantized.
    pub weight_scale: f32,
    /// Layers of a whole network.
    pub layers: u32,
    /// What values are multiplied by before they become static quantized values: the inverse of their scale; filled
    /// in from the layer that takes them.
    pub out_inverse: f32,
    /// The quantized value of zero in quantized values that are written; filled in likewise.
    pub out_zero: f32,
    /// Always 0. A driver cannot know that, so it cannot contract or reorder operations across an exclusive or with it.
    pub zero: u32,
}

/// A binding may begin at multiples of this many bytes, on every adapter.
pub const BINDING_ALIGNMENT: u64 = 256;

/// Bytes of every layer's weights as they are laid out for the kernels, each layer where a binding may
/// begin.
#[must_use]
pub fn packed_weights_bytes(model: &Architecture, layout: WeightLayout) -> u64 {
    let layers = model.layers.iter().map(|layer| {
        let bytes = layout.bytes(layer.inputs, layer.outputs, layer.format.precision);
        bytes.next_multiple_of(BINDING_ALIGNMENT)
    });
    layers.sum()
}

/// Bytes of what a layer's epilogue needs of a group of four columns.
#[must_use]
pub fn bias_bytes(precision: Precision, quantized: bool) -> u64 {
    match precision {
        Precision::Int8 if quantized => 64,
        precision => 4 * precision.float().bytes(),
    }
}

/// Workgroups of a pass over `params.rows` rows.
#[must_use]
pub fn grid(pass: Pass, params: Params, most: u32) -> [u32; 3] {
    let groups = params.rows * params.groups;
    let workgroups = match pass {
        Pass::Matmul(tiling) => return tiling.grid(params.rows, params.groups),
        Pass::Layer(layer) => {
            let [across, down, _] = layer.tile.grid(params.rows, params.groups);
            return [across, down, layer.output.parts()];
        }
        Pass::Network(network) => params.rows.div_ceil(network.rows),
        Pass::QuantizedRows { row_lanes } => params.rows.div_ceil(LANES / row_lanes),
        Pass::Softmax | Pass::Epilogue(_) => params.rows.div_ceil(LANES),
        Pass::AbsMax | Pass::PixelMax => groups.div_ceil(LANES * SPAN),
        _ => groups.div_ceil(LANES),
    };
    // More than one dimension holds are laid out in rows of the most that it does.
    let width = workgroups.clamp(1, most);
    [width, workgroups.div_ceil(width), 1]
}

/// The bytes that a pass needs of each storage binding, in the shader's order. Element by element
/// passes and products write rows padded to groups of four; `maxima` hold two words at least.
#[must_use]
pub fn operand_bytes(pass: Pass, elements: Precision, params: Params) -> Vec<u64> {
    let stored = elements.bytes();
    let row = 4 * u64::from(params.groups);
    let values = u64::from(params.rows) * row;
    let maxima = 4 * (1 + u64::from(params.slot_in.max(params.slot_out)));
    let extremes = maxima + 4;
    match pass {
        Pass::Layer(layer) => {
            let rows = u64::from(params.rows);
            let input = rows * layer.input.row_bytes(elements, u64::from(params.inner));
            let output = rows * layer.output.row_bytes(u64::from(params.groups));
            let (inner, cols) = (4 * params.inner as usize, 4 * params.groups as usize);
            let weights = match layer.tile.family {
                KernelFamily::Sum { parts } => {
                    rows * LayerOutput::PartialSums(parts).row_bytes(u64::from(params.groups))
                }
                _ => layer.tile.weights().bytes(inner, cols, elements),
            };
            let bias = u64::from(params.groups) * bias_bytes(elements, layer.input.is_quantized());
            let mut bytes = vec![input, weights, bias, output];
            if elements == Precision::Int8 && !layer.input.is_quantized() {
                bytes.push(extremes);
            }
            bytes
        }
        Pass::Network(_) => {
            let input = 4 * u64::from(params.rows) * u64::from(params.inner);
            let shapes = u64::from(params.layers) * size_of::<LayerParams>() as u64;
            vec![input, 0, 0, 4 * values, shapes]
        }
        Pass::Epilogue(_) => vec![4 * values, 4 * values, extremes],
        Pass::QuantizedRows { .. } => vec![4 * values, values + 4 * u64::from(params.rows)],
        Pass::QuantizeStatic => vec![4 * values, values],
        Pass::Matmul(_) => {
            let inner = 4 * u64::from(params.inner);
            let rows = u64::from(params.rows);
            vec![rows * inner * stored, inner * row * stored, 4 * values]
        }
        Pass::Normalize => vec![values, 4 * 256, values * stored],
        Pass::PixelMax => vec![values, maxima],
        Pass::QuantizePixels => vec![values, maxima, values],
        Pass::Bias if elements == Precision::Int8 => vec![4 * values, 4 * row, 4 * values, maxima],
        Pass::Bias => vec![4 * values, row * stored, 4 * values],
        Pass::Activation(_) => vec![4 * values, values * stored],
        Pass::Softmax => vec![4 * values, 4 * values],
        Pass::AbsMax => vec![4 * values, maxima],
        Pass::Quantize => vec![4 * values, maxima, values],
        Pass::Dequantize => vec![values, maxima, 4 * values],
    }
}
