//! What will run: (model, precision, batch, limits) → chunks, buffers and passes, as plain data.
//!
//! A batch that does not fit one binding or one dispatch is cut into chunks of rows. Every pass
//! runs over all chunks before the next one begins, since in int8 a tensor's scale is found over
//! the whole batch.
//!
//! Matrices are row-major, each row padded to a multiple of four values ("groups of four").

mod build;
mod cut;
mod fused;
mod pass;
mod strategy;

use std::ops::Range;

use crate::Precision;
use crate::adapter::Kind;
use crate::error::{Error, Result};
use crate::model::Architecture;
use build::Builder;
pub use cut::OPERATIONS_A_SUBMIT;
use cut::{buffers, chunks, output_bytes, submits};
pub use fused::{
    Arithmetic, Body, K_STEP, LayerInput, LayerKernel, LayerOutput, LayerShape, NetworkKernel, Tile,
};
pub use pass::{LANES, Operand, Params, Pass, SPAN, Tiling, grid, groups, operand_bytes};
pub use strategy::{ChosenBy, Form, Kernels, Path, STRATEGIES, Strategy};

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
    /// What sort of machine it is.
    pub kind: Kind,
    /// The adapter's name, for messages.
    pub adapter: String,
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
            return Err(Error::Usage(format!(
                "{} cannot run this network in {precision} and batches of {batch} on {}: {reason}",
                strategy.name, limits.adapter
            )));
        }
        let buffers = buffers(model, precision, strategy);
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
            submits: submits(&builder.steps),
            steps: builder.steps,
            chunks,
            buffers,
            output_cols: model.outputs(),
            output_bytes: output_bytes(model, precision, strategy),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Activation, LayerShape, Normalization};

    fn model(widths: &[usize]) -> Architecture {
        let layers = widths.windows(2).map(|pair| LayerShape {
            inputs: pair[0],
            outputs: pair[1],
            activation: Activation::Relu,
        });
        Architecture {
            layers: layers.collect(),
            normalization: Normalization::Unit,
            int8_clip: 127,
        }
    }

    fn limits(binding_bytes: u64, workgroups: u32) -> Limits {
        Limits {
            binding_bytes,
            workgroups,
            adapter: "test".into(),
        }
    }

    #[test]
    fn int8_tells_all_eight_steps_of_each_layer() {
        let plan = Plan::new(
            &model(&[784, 64, 10]),
            Precision::Int8,
            32,
            &limits(1 << 27, 65535),
        );
        let names: Vec<String> = plan
            .unwrap()
            .steps
            .iter()
            .map(|s| format!("{:?}", s.pass))
            .collect();
        let starts = |index: usize, name: &str| names[index].starts_with(name);
        assert_eq!(names.len(), 16);
        let layer = [
            "Matmul",
            "Bias",
            "AbsMax",
            "Quantize",
            "Dequantize",
            "Activation",
        ];
        for (index, name) in ["PixelMax", "QuantizePixels"]
            .iter()
            .chain(&layer)
            .enumerate()
        {
            assert!(starts(index, name), "{index}: {}", names[index]);
        }
        for (index, name) in ["AbsMax", "Quantize"].iter().chain(&layer).enumerate() {
            assert!(starts(index + 8, name), "{index}: {}", names[index + 8]);
        }
    }

    #[test]
    fn chunks_fit_every_limit_and_cover_the_batch() {
        for (binding, workgroups) in [(1 << 16, 65535), (1 << 20, 7), (14_000, 3)] {
            for precision in Precision::ALL {
                let limits = limits(binding, workgroups);
                let model = model(&[50, 64, 10]);
                let plan = Plan::new(&model, precision, 1_000, &limits).unwrap();
                assert_eq!(plan.chunks.first().unwrap().start, 0);
                assert_eq!(plan.chunks.last().unwrap().end, 1_000);
                assert!(
                    plan.chunks
                        .windows(2)
                        .all(|pair| pair[0].end == pair[1].start)
                );
                for range in &plan.chunks {
                    for (operand, bytes) in &plan.buffers {
                        assert!(bytes * range.len() as u64 <= binding, "{operand:?}");
                    }
                }
                for step in &plan.steps {
                    assert!(
                        step.grid.iter().all(|&n| (1..=workgroups).contains(&n)),
                        "{step:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_large_batch_is_cut_into_short_submits() {
        let model = model(&[4096, 4096, 10]);
        for (batch, submits) in [(100, 1), (5_000, 9)] {
            let plan = Plan::new(&model, Precision::F32, batch, &limits(1 << 27, 65535)).unwrap();
            assert_eq!(plan.submits.first().unwrap().start, 0);
            assert_eq!(plan.submits.last().unwrap().end, plan.steps.len());
            assert!(
                plan.submits
                    .windows(2)
                    .all(|pair| pair[0].end == pair[1].start)
            );
            assert_eq!(plan.submits.len(), submits);
            for range in &plan.submits {
                let sum: u64 = plan.steps[range.clone()].iter().map(Step::operations).sum();
                assert!(sum <= OPERATIONS_A_SUBMIT);
            }
        }
    }

    #[test]
    fn a_layer_too_wide_for_a_dispatch_is_refused() {
        // 32 columns a workgroup of the wide tiling.
        let plan = |outputs| {
            Plan::new(
                &model(&[1, outputs]),
                Precision::F32,
                9,
                &limits(1 << 30, 100),
            )
        };
        assert!(plan(3_200).is_ok());
        assert_eq!(plan(3_201).unwrap_err().exit_code(), 6);
    }

    #[test]
    fn weights_beyond_a_binding_are_refused() {
        let error =
            Plan::new(&model(&[100, 100]), Precision::F32, 1, &limits(39_999, 9)).unwrap_err();
        assert_eq!(error.exit_code(), 6);
        assert!(error.to_string().contains("layers.0.weight"));
        assert!(Plan::new(&model(&[100, 100]), Precision::F32, 1, &limits(40_000, 9)).is_ok());
    }
}
