//! Plans how a network runs: (network, batch, limits, kernel variant) → chunks, buffers and dispatches, as plain data.
//!
//! A batch that does not fit in one binding or one dispatch is divided into chunks of rows. Every pass runs over all
//! chunks before the next pass begins, because the int8 scheme `dynamic-tensor` needs the maximum of the whole batch.
//!
//! Matrices are row-major, each row padded to a multiple of four values ("groups of four").
//!
//! A file imports only from those to its left:
//!
//! ```text
//! limits → tile → kernel → pass → variant → table → choose, test_kernels
//!                            └→ step    └→ stages → chunk → Plan
//! ```

mod choose;
mod chunk;
mod kernel;
mod limits;
mod pass;
mod stages;
mod step;
mod table;
mod test_kernels;
mod tile;
mod variant;

use std::ops::Range;

use crate::Precision;
use crate::error::{Error, Result, UsageError};
use crate::model::Architecture;
use chunk::{buffers, chunks, steps, submits};
pub use kernel::{
    LayerInput, LayerKernel, LayerOutput, LayerParams, NETWORK_GROUPS, NETWORK_K_STEP,
    NetworkKernel,
};
pub use limits::{Limits, Subgroups};
pub use pass::{
    BINDING_ALIGNMENT, LANES, Operand, Params, Pass, SPAN, bias_bytes, grid, operand_bytes,
    packed_weights_bytes,
};
use stages::{Slots, stages};
pub use step::Step;
pub use table::KERNEL_VARIANTS;
pub use test_kernels::TESTED_PARTS;
pub use tile::{Arithmetic, KernelFamily, Staging, Tile, Tiling, WeightLayout, groups};
pub use variant::{ChosenBy, ExecutionPath, Fusion, KernelVariant, Kernels};

/// Everything that one pass over one batch does.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The precision it runs in.
    pub precision: Precision,
    /// The way in which it runs.
    pub variant: KernelVariant,
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
    /// Bytes of each chunk's buffer for an operand: 0 where there is none.
    pub fn chunk_bytes(&self, operand: Operand) -> impl Iterator<Item = u64> {
        let row = self.row_bytes(operand);
        self.chunks.iter().map(move |rows| rows.len() as u64 * row)
    }

    /// Bytes of a row of an operand: 0 where there is none.
    #[must_use]
    pub fn row_bytes(&self, operand: Operand) -> u64 {
        let found = self.buffers.iter().find(|(of, _)| *of == operand);
        found.map_or(0, |&(_, bytes)| bytes)
    }

    /// Plans a pass of `model` over a batch of `batch` rows.
    ///
    /// # Errors
    /// `Error::TooLarge` where a layer's weights, or one row, exceed the largest binding;
    /// `Error::Usage` where the kernel variant cannot run this network and batch on the adapter.
    pub fn new(
        model: &Architecture,
        batch: usize,
        variant: KernelVariant,
        limits: &Limits,
    ) -> Result<Self> {
        Self::many(model, [batch, 1], variant, limits)
    }

    /// Plans `batches` batches of `batch` rows side by side, with the kernels of one: each row gets the
    /// bits that it gets in its own batch. For variants whose [`KernelVariant::rows_are_independent`].
    ///
    /// # Errors
    /// Those of [`Plan::new`].
    pub fn many(
        model: &Architecture,
        [batch, batches]: [usize; 2],
        variant: KernelVariant,
        limits: &Limits,
    ) -> Result<Self> {
        let precision = model.precision();
        if let Some(reason) = variant.refused(model, batch, limits) {
            return Err(Error::Usage(UsageError::KernelUnsuitable {
                kernel: variant.name,
                precision: precision.name(),
                batch,
                adapter: limits.adapter.clone(),
                reason: reason.to_owned(),
            }));
        }
        let mut slots = Slots::default();
        let stages = stages(model, batch, variant, limits, &mut slots);
        let buffers = buffers(model, &stages);
        let chunks = chunks(model, batch * batches, variant, &buffers, limits)?;
        let steps = steps(model, &stages, &chunks, limits);
        let output_row = buffers.iter().find(|(of, _)| *of == Operand::Outputs);
        let output_row = output_row.map_or(0, |&(_, bytes)| bytes);
        Ok(Self {
            precision,
            variant,
            batch,
            batches,
            slots: slots.0,
            submits: submits(&steps, limits),
            steps,
            chunks,
            output_cols: model.outputs(),
            output_bytes: output_row / (4 * groups(model.outputs()) as u64),
            buffers,
            weights: variant.weights(limits),
        })
    }
}

#[cfg(test)]
mod tests;
