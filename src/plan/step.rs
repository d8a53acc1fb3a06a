//! A dispatch of a plan.

use super::pass::{Operand, Params, Pass};
use crate::Precision;

/// One dispatch.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What it does.
    pub pass: Pass,
    /// Which element types its kernel is for.
    pub elements: Precision,
    /// The layer it belongs to; none before the first.
    pub layer: Option<usize>,
    /// The layer that takes the quantized values it writes, where these are not of the reference scheme; none where it
    /// writes none.
    pub quantized_for: Option<usize>,
    /// The chunk of rows it works on.
    pub chunk: usize,
    /// What is bound after the uniform, in the order of the shader's bindings.
    pub operands: Vec<Operand>,
    /// Its uniform.
    pub params: Params,
    /// Workgroups in each dimension.
    pub grid: [u32; 3],
    /// Multiplications and additions of its products; what else it does counts for nothing beside.
    pub operations: u64,
}
