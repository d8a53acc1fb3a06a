//! How a batch is cut up so that it fits the adapter: chunks of rows, and submits of steps.

use std::ops::Range;

use super::deployed::stages;
use super::fused::Body;
use super::pass::{Operand, groups};
use super::strategy::{Form, Path, Strategy};
use super::{Limits, Step};
use crate::Precision;
use crate::adapter::Kind;
use crate::error::{Error, Result};
use crate::model::{Activation, Architecture, Normalization};

impl Limits {
    /// Operations that one submit may hold. A submit that runs for seconds is killed by some drivers'
    /// watchdogs, so that one takes a quarter of a second at most: at 80 GFLOP/s on a GPU, and on a
    /// software adapter at 20, which two processor cores do with the kernels taken there.
    #[must_use]
    pub fn operations_a_submit(&self) -> u64 {
        match self.kind {
            Kind::Software | Kind::Cpu => 5_000_000_000,
            _ => 20_000_000_000,
        }
    }
}

/// Bytes of one output value. The separate passes of f16 store the outputs so, except those of
/// softmax, which is computed in f32 from the rounded sums; fused kernels store all outputs as f32.
pub(super) fn output_bytes(model: &Architecture, precision: Precision, strategy: Strategy) -> u64 {
    let last = model.layers.last().map(|layer| layer.activation);
    let separate = strategy.path() == Path::Separate;
    if separate && precision == Precision::F16 && last != Some(Activation::Softmax) {
        2
    } else {
        4
    }
}

/// Whether a fused last layer leaves its softmax to a pass of its own: where no invocation has a whole
/// row. In int8 it is `finish` that computes it.
pub(super) fn softmax_apart(
    model: &Architecture,
    precision: Precision,
    strategy: Strategy,
    limits: &Limits,
) -> bool {
    let Form::Layers(tile) = strategy.form else {
        return false;
    };
    let tile = tile.on(limits.subgroups());
    let last = model.layers.last().map(|layer| layer.activation);
    let columns = groups(model.outputs()) as u32;
    !model.shares_scales(precision)
        && last == Some(Activation::Softmax)
        && !tile.narrowed(columns).holds_rows(columns)
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

/// The buffers of one chunk, each used again by every layer and so as wide as the widest.
pub(super) fn buffers(
    model: &Architecture,
    precision: Precision,
    strategy: Strategy,
    limits: &Limits,
) -> Vec<(Operand, u64)> {
    let widest = |widths: &[usize]| {
        let widest = widths.iter().copied().max().unwrap_or(0);
        4 * groups(widest) as u64
    };
    let widths = model.widths();
    let layers = model.layers.len();
    let (every, outputs) = (widest(&widths), widest(&widths[1..]));
    let output_bytes = output_bytes(model, precision, strategy);
    let mut buffers = vec![
        (Operand::Pixels, 4 * groups(model.inputs()) as u64),
        (
            Operand::Outputs,
            4 * output_bytes * groups(model.outputs()) as u64,
        ),
    ];
    match (strategy.form, strategy.path()) {
        (Form::Layers(tile), _) if !model.formats.is_empty() => {
            let tile = tile.on(limits.subgroups());
            for stage in stages(model, tile, strategy, limits) {
                let (operand, bytes) = stage.writes;
                match buffers.iter_mut().find(|(of, _)| *of == operand) {
                    Some((_, most)) => *most = bytes.max(*most),
                    None => buffers.push((operand, bytes)),
                }
            }
        }
        (_, Path::Network) => {}
        (_, Path::Fused) => {
            // Layer i writes Hidden(i % 2); in int8 also the last one does. A table-normalized input
            // is in Hidden(1).
            let int8 = precision == Precision::Int8;
            let bytes = if precision == Precision::F16 { 2 } else { 4 };
            let written = |parity: usize| {
                let last = if int8 { layers } else { layers - 1 };
                let outputs = (0..last).filter(|index| index % 2 == parity);
                let mut widths: Vec<usize> = outputs.map(|index| widths[index + 1]).collect();
                if parity == 1 && model.normalization != Normalization::Unit {
                    widths.push(model.inputs());
                }
                bytes * widest(&widths)
            };
            buffers.push((Operand::Hidden(0), written(0)));
            buffers.push((Operand::Hidden(1), written(1)));
            if softmax_apart(model, precision, strategy, limits) {
                buffers.push((Operand::Z, 16 * groups(model.outputs()) as u64));
            }
            buffers.retain(|&(_, bytes)| bytes > 0);
        }
        (_, Path::Separate) => {
            buffers.push((Operand::Sums, 4 * outputs));
            buffers.push((Operand::Z, 4 * outputs));
            let inputs = widest(&widths[..layers]);
            if precision == Precision::Int8 {
                buffers.push((Operand::Codes, every));
                buffers.push((Operand::Values, 4 * inputs));
            } else {
                buffers.push((Operand::Values, precision.bytes() * inputs));
            }
        }
    }
    buffers
}

/// Cuts the batch so that each chunk fits every binding and every dispatch.
pub(super) fn chunks(
    model: &Architecture,
    precision: Precision,
    batch: usize,
    strategy: Strategy,
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
        let precision = model.precision_of(index, precision);
        let layout = strategy.weights(limits);
        let bytes = layout.bytes(layer.inputs, layer.outputs, precision);
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
    let (needed, rows_a_workgroup) = match strategy.form {
        Form::Separate(tiling) => (tiling.grid(1, widest)[0], 1),
        Form::Layers(tile) => {
            let tile = tile.on(limits.subgroups());
            let rows = match tile.body {
                Body::Broadcast => tile.rows,
                _ => tile.workgroup().0,
            };
            (tile.grid(1, widest)[0], rows)
        }
        Form::Network { .. } => (1, 1),
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
    let a_row = match strategy.path() {
        Path::Network => products.sum::<u64>(),
        Path::Fused | Path::Separate => products.max().unwrap_or(1),
    };
    let by_submit = (limits.operations_a_submit() / a_row.max(1)).max(1);
    let rows = by_binding.min(by_dispatch).min(by_submit);
    let rows = usize::try_from(rows).unwrap_or(usize::MAX);
    if rows == 0 {
        return too_large("one row of the network".into(), row_bytes);
    }
    let starts = (0..batch).step_by(rows);
    Ok(starts.map(|start| start..batch.min(start + rows)).collect())
}
