//! How a batch is divided so that it fits the adapter: chunks of rows, and submits of steps.

use std::ops::Range;

use super::kernel::LayerKernel;
use super::limits::Limits;
use super::pass::{Operand, Params, Pass, grid};
use super::stages::Stage;
use super::step::Step;
use super::tile::{KernelFamily, groups};
use super::variant::{ExecutionPath, Fusion, KernelVariant};
use crate::error::{Error, Result};
use crate::model::Architecture;

/// The buffers of one chunk with their bytes a row. Each is used again by every stage that writes it, and so
/// as wide as the widest of them.
pub(super) fn buffers(model: &Architecture, stages: &[Stage]) -> Vec<(Operand, u64)> {
    let mut buffers = vec![(Operand::Pixels, 4 * groups(model.inputs()) as u64)];
    for (operand, bytes) in stages.iter().filter_map(|stage| stage.writes) {
        match buffers.iter_mut().find(|(known, _)| *known == operand) {
            Some((_, most)) => *most = bytes.max(*most),
            None => buffers.push((operand, bytes)),
        }
    }
    buffers
}

/// Every stage over every chunk before the next stage begins, since in `dynamic-tensor` a tensor's scale is
/// found over the whole batch.
pub(super) fn steps(
    model: &Architecture,
    stages: &[Stage],
    chunks: &[Range<usize>],
    limits: &Limits,
) -> Vec<Step> {
    let step = |stage: &Stage, (chunk, range): (usize, &Range<usize>)| {
        let rows = range.len() as u32;
        let params = Params {
            rows,
            ..stage.params
        };
        let operations = match stage.pass {
            Pass::Layer(LayerKernel { tile, .. }) if tile.family.adds() => 0,
            Pass::Matmul(_) | Pass::Layer(_) => {
                32 * u64::from(rows) * u64::from(params.inner) * u64::from(params.groups)
            }
            Pass::Network(_) => model.operations() * u64::from(rows),
            _ => 0,
        };
        Step {
            pass: stage.pass,
            elements: stage.elements,
            layer: stage.layer,
            quantized_for: stage.quantized_for,
            chunk,
            operands: stage.operands.clone(),
            params,
            grid: grid(stage.pass, params, limits.workgroups),
            operations,
        }
    };
    let of_stage = |stage| {
        let chunks = chunks.iter().enumerate();
        chunks.map(move |chunk| step(stage, chunk))
    };
    stages.iter().flat_map(of_stage).collect()
}

/// Cuts the steps into submits that are short enough.
pub(super) fn submits(steps: &[Step], limits: &Limits) -> Vec<Range<usize>> {
    let most = limits.operations_a_submit();
    let mut submits = Vec::new();
    let (mut start, mut sum) = (0, 0);
    for (index, step) in steps.iter().enumerate() {
        let operations = step.operations;
        if index > start && sum + operations > most {
            submits.push(start..index);
            (start, sum) = (index, 0);
        }
        sum += operations;
    }
    submits.push(start..steps.len());
    submits
}

/// Cuts the batch so that each chunk fits every binding and every dispatch.
pub(super) fn chunks(
    model: &Architecture,
    rows: usize,
    variant: KernelVariant,
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
        })
    };
    for (index, layer) in model.layers.iter().enumerate() {
        let layout = variant.weights(limits);
        let bytes = layout.bytes(layer.inputs, layer.outputs, layer.format.precision);
        if bytes > limits.binding_bytes {
            return too_large(format!("layers.{index}.weight"), bytes);
        }
    }
    // A product's columns lie along one dimension of its dispatch, a tile each.
    let widest = model
        .layers
        .iter()
        .map(|layer| layer.outputs)
        .max()
        .unwrap_or(0);
    let widest = groups(widest) as u32;
    let (needed, rows_a_workgroup) = match variant.fusion {
        Fusion::Unfused(tiling) => (tiling.grid(1, widest)[0], 1),
        Fusion::Layers(tile) => {
            let tile = tile.on(limits.subgroups());
            let rows = match tile.family {
                // What adds the sums of a split layer may have one row a workgroup.
                _ if variant.split => 1,
                KernelFamily::Broadcast => tile.rows,
                _ => tile.workgroup().0,
            };
            (tile.grid(1, widest)[0], rows)
        }
        Fusion::Network { rows, .. } => (1, rows),
    };
    if needed > limits.workgroups {
        return Err(Error::TooLarge {
            what: format!("a layer of {} outputs", 4 * widest),
            unit: "workgroups",
            needed: u64::from(needed),
            limit: u64::from(limits.workgroups),
            adapter: limits.adapter.clone(),
        });
    }
    let row_bytes = buffers.iter().map(|&(_, bytes)| bytes).max().unwrap_or(1);
    let by_binding = limits.binding_bytes / row_bytes;
    // The passes that are no product lay their workgroups out in two dimensions. Indices of groups
    // stay inside u32.
    let most_rows = u64::from(limits.workgroups) * u64::from(rows_a_workgroup);
    let by_dispatch = most_rows.min(u64::from(u32::MAX) / row_bytes);
    let products = model
        .layers
        .iter()
        .map(|layer| 2 * layer.inputs as u64 * layer.outputs as u64);
    let a_row = match variant.path() {
        ExecutionPath::Network => products.sum::<u64>(),
        ExecutionPath::Fused | ExecutionPath::Unfused => products.max().unwrap_or(1),
    };
    let by_submit = (limits.operations_a_submit() / a_row.max(1)).max(1);
    let most = by_binding.min(by_dispatch).min(by_submit);
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    if most == 0 {
        return too_large("one row of the network".into(), row_bytes);
    }
    let starts = (0..rows).step_by(most);
    Ok(starts.map(|start| start..rows.min(start + most)).collect())
}
