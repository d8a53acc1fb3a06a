//! How a batch is cut up so that it fits the adapter: chunks of rows, and submits of steps.

use std::ops::Range;

use super::pass::{Operand, Params, Pass, Tiling, groups};
use super::{Limits, Step};
use crate::Precision;
use crate::error::{Error, Result};
use crate::model::{Activation, Architecture};

/// Operations that one submit may hold. A submit that runs for seconds is killed by some drivers'
/// watchdogs; this is a quarter of a second at 80 GFLOP/s, and some seconds on the slowest adapter.
pub const OPERATIONS_A_SUBMIT: u64 = 20_000_000_000;

/// Bytes of one output value: in f16 the outputs are stored so, except those of softmax, which is
/// computed in f32 from the rounded sums.
pub(super) fn output_bytes(precision: Precision, last: Option<Activation>) -> u64 {
    if precision == Precision::F16 && last != Some(Activation::Softmax) {
        2
    } else {
        4
    }
}

/// Cuts the steps into submits that are short enough.
pub(super) fn submits(steps: &[Step]) -> Vec<Range<usize>> {
    let mut submits = Vec::new();
    let (mut start, mut sum) = (0, 0);
    for (index, step) in steps.iter().enumerate() {
        let operations = step.operations();
        if index > start && sum + operations > OPERATIONS_A_SUBMIT {
            submits.push(start..index);
            (start, sum) = (index, 0);
        }
        sum += operations;
    }
    submits.push(start..steps.len());
    submits
}

impl Step {
    /// Multiplications and additions of a product; the other passes count for nothing beside it.
    pub(super) fn operations(&self) -> u64 {
        let Params {
            rows,
            inner,
            groups,
            ..
        } = self.params;
        match self.pass {
            Pass::Matmul(_) => 2 * u64::from(rows) * 4 * u64::from(inner) * 4 * u64::from(groups),
            _ => 0,
        }
    }
}

/// The buffers of one chunk, each used again by every layer and so as wide as the widest.
pub(super) fn buffers(model: &Architecture, precision: Precision) -> Vec<(Operand, u64)> {
    let last = model.layers.last().map(|layer| layer.activation);
    let output_bytes = output_bytes(precision, last);
    let widest = |widths: &[usize]| {
        let widest = widths.iter().copied().max().unwrap_or(0);
        4 * groups(widest) as u64
    };
    let widths = model.widths();
    let (every, outputs) = (widest(&widths), widest(&widths[1..]));
    let inputs = widest(&widths[..widths.len() - 1]);
    let mut buffers = vec![
        (Operand::Pixels, 4 * groups(model.inputs()) as u64),
        (Operand::Sums, 4 * outputs),
        (Operand::Z, 4 * outputs),
        (
            Operand::Outputs,
            4 * output_bytes * groups(model.outputs()) as u64,
        ),
    ];
    if precision == Precision::Int8 {
        buffers.push((Operand::Codes, every));
        buffers.push((Operand::Values, 4 * inputs));
    } else {
        buffers.push((Operand::Values, precision.bytes() * inputs));
    }
    buffers
}

/// Cuts the batch so that each chunk fits every binding and every dispatch.
pub(super) fn chunks(
    model: &Architecture,
    precision: Precision,
    batch: usize,
    buffers: &[(Operand, u64)],
    limits: &Limits,
) -> Result<Vec<Range<usize>>> {
    let too_large = |what: String, needed| {
        Err(Error::TooLarge {
            what,
            unit: "bytes",
            needed,
            limit: limits.binding_bytes,
            adapter: limits.adapter.clone(),
            hint: "; run it with --adapter cpu".into(),
        })
    };
    for (index, layer) in model.layers.iter().enumerate() {
        let values = 16 * groups(layer.inputs) as u64 * groups(layer.outputs) as u64;
        if values * precision.bytes() > limits.binding_bytes {
            return too_large(format!("layers.{index}.weight"), values * precision.bytes());
        }
    }
    // A product's columns lie along one dimension of its dispatch, a tile each.
    let widest = model
        .layers
        .iter()
        .map(|layer| layer.outputs)
        .max()
        .unwrap_or(0);
    for tiling in Tiling::ALL {
        let needed = u64::from(tiling.grid(1, groups(widest) as u32)[0]);
        if needed > u64::from(limits.workgroups) {
            return Err(Error::TooLarge {
                what: format!("a layer of {widest} outputs"),
                unit: "workgroups",
                needed,
                limit: u64::from(limits.workgroups),
                adapter: limits.adapter.clone(),
                hint: "; run it with --adapter cpu".into(),
            });
        }
    }
    let row_bytes = buffers.iter().map(|&(_, bytes)| bytes).max().unwrap_or(1);
    let by_binding = limits.binding_bytes / row_bytes;
    // The narrowest tiling covers one row a workgroup; indices of groups stay inside u32.
    let by_dispatch = u64::from(limits.workgroups).min(u64::from(u32::MAX) / row_bytes);
    let products = model
        .layers
        .iter()
        .map(|layer| 2 * layer.inputs as u64 * layer.outputs as u64);
    let by_submit = (OPERATIONS_A_SUBMIT / products.max().unwrap_or(1).max(1)).max(1);
    let rows = by_binding.min(by_dispatch).min(by_submit);
    let rows = usize::try_from(rows).unwrap_or(usize::MAX);
    if rows == 0 {
        return too_large("one row of the network".into(), row_bytes);
    }
    let starts = (0..batch).step_by(rows);
    Ok(starts.map(|start| start..batch.min(start + rows)).collect())
}
