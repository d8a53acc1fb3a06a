//! A dispatch before the batch is divided into chunks.

use crate::Precision;
use crate::model::Architecture;
use crate::plan::pass::{Operand, Params, Pass};
use crate::plan::tile::groups;

/// A dispatch over the rows of any chunk.
#[derive(Debug)]
pub(in crate::plan) struct Stage {
    pub(in crate::plan) pass: Pass,
    /// Which element types its kernel is for.
    pub(in crate::plan) elements: Precision,
    /// The layer that it belongs to; none before the first.
    pub(in crate::plan) layer: Option<usize>,
    /// The layer that takes the quantized values that it writes; none where it writes none, or quantized values of the scheme
    /// `dynamic-tensor`.
    pub(in crate::plan) quantized_for: Option<usize>,
    /// Its uniform; each chunk puts in its own rows.
    pub(in crate::plan) params: Params,
    /// What is bound, in the order of the shader's bindings.
    pub(in crate::plan) operands: Vec<Operand>,
    /// The chunk's buffer that it writes, and how many bytes a row takes there; none where it only finds
    /// maxima.
    pub(in crate::plan) writes: Option<(Operand, u64)>,
}

/// Hands out the places of maxima, one for each int8 tensor of the scheme `dynamic-tensor`.
#[derive(Debug, Default)]
pub(in crate::plan) struct Slots(pub(in crate::plan) u32);

impl Slots {
    /// A place of its own.
    pub(super) fn next(&mut self) -> u32 {
        self.0 += 1;
        self.0 - 1
    }
}

/// The uniform of a matrix of `cols` columns.
pub(super) fn matrix(model: &Architecture, cols: usize) -> Params {
    Params {
        cols: cols as u32,
        groups: groups(cols) as u32,
        clip: f32::from(model.int8_clip),
        weight_scale: 1.0,
        ..Params::default()
    }
}

/// The uniform of a layer's product.
pub(super) fn product(model: &Architecture, index: usize) -> Params {
    let layer = &model.layers[index];
    Params {
        inner: groups(layer.inputs) as u32,
        ..matrix(model, layer.outputs)
    }
}
