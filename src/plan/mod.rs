//! What will run: (model, precision, batch, limits) → chunks, buffers and passes, as plain data.
//!
//! A batch that does not fit one binding or one dispatch is cut into chunks of rows. Every pass
//! runs over all chunks before the next one begins, since in int8 a tensor's scale is found over
//! the whole batch.
//!
//! Matrices are row-major, each row padded to a multiple of four values ("groups of four").

mod build;
mod cut;
mod deployed;
mod fused;
mod pass;
mod strategy;
mod table;
mod variants;

use std::ops::Range;

use crate::Precision;
use crate::adapter::{Kind, MatrixUnits};
use crate::error::{Error, Result, UsageError};
use crate::model::Architecture;
use build::Builder;
use cut::{buffers, chunks, output_bytes, submits};
pub use fused::{
    Arithmetic, Body, LayerInput, LayerKernel, LayerOutput, LayerShape, NetworkKernel, Store,
    Subgroups, Tile, WeightLayout,
};
pub use pass::{
    BINDING_ALIGNMENT, LANES, Operand, Params, Pass, SPAN, Tiling, bias_bytes, grid, groups,
    operand_bytes, packed_weights_bytes,
};
pub use strategy::{ChosenBy, Form, Kernels, Path, Strategy};
pub use table::STRATEGIES;

/// What an adapter takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest storage binding, in bytes.
    pub binding_bytes: u64,
    /// Most workgroups in one dimension of a dispatch.
    pub workgroups: u32,
    /// Storage buffers that one kernel can bind.
    pub storage_buffers: u32,
    /// Invocations of a workgroup.
    pub invocations: u32,
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u32,
    /// Lanes of a subgroup, where the adapter has subgroups and all are of one size.
    pub subgroup: Option<u32>,
    /// Matrix units, where the adapter has them and is opened with them.
    pub matrix_units: Option<MatrixUnits>,
    /// Strategies that the adapter's driver is known not to take.
    pub left_out: Vec<&'static str>,
    /// What sort of machine it is.
    pub kind: Kind,
    /// The adapter's name, for messages.
    pub adapter: String,
}

impl Limits {
    /// What the tiles that are made of subgroups are made of.
    #[must_use]
    pub fn subgroups(&self) -> Subgroups {
        Subgroups {
            lanes: self.subgroup.unwrap_or(1),
            matrix_units: self.matrix_units,
        }
    }
}

/// One dispatch.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What it does.
    pub pass: Pass,
    /// Which element types its kernel is for.
    pub elements: Precision,
    /// The layer it belongs to; none before the first.
    pub layer: Option<usize>,
    /// The layer that takes the codes it writes, where these are not of the reference scheme; none where it
    /// writes none.
    pub codes_for: Option<usize>,
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

/// Everything that one pass over one batch does.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The precision it runs in.
    pub precision: Precision,
    /// The way in which it runs.
    pub strategy: Strategy,
    /// Rows of a batch.
    pub batch: usize,
    /// How many batches run side by side: 1 where a batch is timed.
    pub batches: usize,
    /// The rows of each chunk.
    pub chunks: Vec<Range<usize>>,
    /// The buffers that each chunk has, with their bytes a row.
    pub buffers: Vec<(Operand, u64)>,
    /// How many maxima there are.
    pub slots: u32,
    /// The dispatches, in order.
    pub steps: Vec<Step>,
    /// The ranges of steps that go into a submit each.
    pub submits: Vec<Range<usize>>,
    /// Columns of the output, without padding.
    pub output_cols: usize,
    /// Bytes of one output value: 4 for f32, 2 for f16.
    pub output_bytes: u64,
    /// How the weights lie.
    pub weights: WeightLayout,
}

impl Plan {
    /// Plans a pass of `model` in `precision` over a batch of `batch` rows.
    ///
    /// # Errors
    /// `Error::TooLarge` where a layer's weights, or one row, exceed the largest binding;
    /// `Error::Usage` where the strategy cannot run this network, precision and batch on the adapter.
    pub fn new(
        model: &Architecture,
        precision: Precision,
        batch: usize,
        strategy: Strategy,
        limits: &Limits,
    ) -> Result<Self> {
        Self::many(model, precision, [batch, 1], strategy, limits)
    }

    /// Plans `batches` batches of `batch` rows side by side, with the kernels of one: each row gets the
    /// bits that it gets in its own batch. For strategies whose [`Strategy::rows_are_alone`].
    ///
    /// # Errors
    /// Those of [`Plan::new`].
    pub fn many(
        model: &Architecture,
        precision: Precision,
        [batch, batches]: [usize; 2],
        strategy: Strategy,
        limits: &Limits,
    ) -> Result<Self> {
        if let Some(reason) = strategy.refused(model, precision, batch, limits) {
            return Err(Error::Usage(UsageError::KernelUnsuitable {
                kernel: strategy.name,
                precision: precision.name(),
                batch,
                adapter: limits.adapter.clone(),
                reason: reason.to_owned(),
            }));
        }
        let buffers = buffers(model, precision, strategy, limits);
        let chunks = chunks(
            model,
            precision,
            batch * batches,
            strategy,
            &buffers,
            limits,
        )?;
        let mut builder = Builder {
            model,
            precision,
            chunks: &chunks,
            limits,
            strategy,
            slots: 0,
            steps: Vec::new(),
        };
        builder.network();
        Ok(Self {
            precision,
            strategy,
            batch,
            batches,
            slots: builder.slots,
            submits: submits(&builder.steps, limits),
            steps: builder.steps,
            chunks,
            buffers,
            output_cols: model.outputs(),
            output_bytes: output_bytes(model, precision, strategy),
            weights: strategy.weights(limits),
        })
    }
}

#[cfg(test)]
mod tests;
