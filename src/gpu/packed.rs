//! A layer's weights and biases as bytes, in the order that its kernels read them.

use bytemuck::{Pod, Zeroable};
use half::{bf16, f16};

use super::layout::{pack_blocks, pack_int4, pack_int8, pack_rows};
use crate::Precision;
use crate::plan::{bias_bytes, groups};
use crate::precision::Float;
use crate::quantize::{Epilogue, InputQuantization, QuantizedLayer, Weights};

/// How a layer's input becomes quantized values outside the reference scheme.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct QuantizedInput {
    /// What values are multiplied by where the scale is static, else 0.
    pub(super) inverse: f32,
    /// The quantized value of zero.
    pub(super) zero: f32,
}

/// A layer's bytes as they are uploaded.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) weights: Vec<u8>,
    pub(super) bias: Vec<u8>,
    /// The weights' scale in the scheme `dynamic-tensor`, else 1.
    pub(super) scale: f32,
    pub(super) input: QuantizedInput,
    /// Bytes of a block of weights, and of what a group of columns needs of biases.
    pub(super) block_bytes: u64,
    pub(super) bias_bytes: u64,
}

/// What an int8 layer needs of four columns; its twin is `Bias4` in `shaders/shared/pre_activation/int8.wgsl`.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
struct ColumnGroup {
    scale: [f32; 4],
    bias: [f32; 4],
    offset: [i32; 4],
    unused: [i32; 4],
}

/// The bytes of weights `[inputs, outputs]` as kernels read them: in blocks, with the scales of groups behind.
#[must_use]
pub fn pack_weights(weights: &Weights, [inputs, outputs]: [usize; 2]) -> Vec<u8> {
    match weights {
        Weights::F32(values) => bytes(&pack_blocks(values, inputs, outputs, 0.0)),
        Weights::F16(values) => bytes(&pack_blocks(values, inputs, outputs, f16::ZERO)),
        Weights::Bf16(values) => bytes(&pack_blocks(values, inputs, outputs, bf16::ZERO)),
        Weights::Int8 { quantized, .. } => bytes(&pack_int8(quantized, inputs, outputs)),
        Weights::Int4 { quantized, scales } => pack_int4(quantized, scales, inputs, outputs),
    }
}

/// A layer's bytes as they are uploaded.
pub(super) fn pack(layer: &QuantizedLayer, clip: u8) -> Packed {
    let outputs = layer.outputs;
    let weights = pack_weights(&layer.weights, layer.shape());
    let precision = layer.precision();
    let tensor = layer.input == InputQuantization::Tensor;
    let bias = match (precision, precision.float()) {
        (Precision::Int8, _) if !tensor => bytes(&column_groups(&layer.epilogue(clip))),
        (_, Float::F32) => bytes(&pack_rows(&layer.bias, outputs, 0.0)),
        (_, Float::F16) => bytes(&pack_rows(
            &rounded(layer, f16::from_f32),
            outputs,
            f16::ZERO,
        )),
        (_, Float::Bf16) => bytes(&pack_rows(
            &rounded(layer, bf16::from_f32),
            outputs,
            bf16::ZERO,
        )),
    };
    let input = QuantizedInput {
        inverse: match layer.input {
            InputQuantization::Static(affine) => affine.inverse(),
            InputQuantization::Row { .. }
            | InputQuantization::Tensor
            | InputQuantization::Values => 0.0,
        },
        zero: layer.zero_point(clip) as f32,
    };
    Packed {
        weights,
        bias,
        scale: match &layer.weights {
            Weights::Int8 { scales, .. } if tensor => scales[0],
            _ => 1.0,
        },
        input,
        block_bytes: 2 * u64::from(precision.weight_bits()),
        bias_bytes: bias_bytes(precision, precision == Precision::Int8 && !tensor),
    }
}

fn bytes<T: Pod>(values: &[T]) -> Vec<u8> {
    bytemuck::cast_slice(values).to_vec()
}

fn rounded<T>(layer: &QuantizedLayer, round: impl Fn(f32) -> T) -> Vec<T> {
    layer.bias.iter().map(|&bias| round(bias)).collect()
}

/// The columns in groups of four, the last one filled up.
fn column_groups(columns: &[Epilogue]) -> Vec<ColumnGroup> {
    let mut all = vec![ColumnGroup::default(); groups(columns.len())];
    for (index, column) in columns.iter().enumerate() {
        let group = &mut all[index / 4];
        group.scale[index % 4] = column.scale;
        group.bias[index % 4] = column.bias;
        group.offset[index % 4] = column.offset;
    }
    all
}
