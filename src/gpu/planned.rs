//! The bytes of a plan's buffers, before any of them is made.

use super::device::{HostVisible, rounded};
use super::transfer::Upload;
use crate::plan::{Operand, Params, Plan};

/// Two timestamps of eight bytes.
pub(super) const TIMESTAMP_BYTES: u64 = 16;

/// Bytes of all buffers that a plan is made ready to run with.
pub(super) fn batch_bytes(plan: &Plan, visible: HostVisible, has_timestamps: bool) -> u64 {
    let [inputs_visible, outputs_visible] = visible_buffers(plan, visible);
    let of_kernels = plan.chunks.iter().map(|rows| {
        let buffers = plan.buffers.iter();
        let bytes = buffers.map(|&(_, row)| rounded(row * rows.len() as u64));
        bytes.sum::<u64>()
    });
    let read_backs = plan.chunk_bytes(Operand::Outputs).map(rounded);
    let uniforms = plan.steps.len() as u64 * size_of::<Params>() as u64;
    let timestamps = if has_timestamps {
        2 * TIMESTAMP_BYTES
    } else {
        0
    };
    of_kernels.sum::<u64>()
        + rounded(4 * u64::from(plan.slots))
        + uniforms
        + timestamps
        + Upload::bytes_of(inputs_visible, plan.chunk_bytes(Operand::Pixels).sum())
        + if outputs_visible { 0 } else { read_backs.sum() }
}

/// Whether the host reaches a plan's pixels, and its outputs.
pub(super) fn visible_buffers(plan: &Plan, visible: HostVisible) -> [bool; 2] {
    let largest = |operand| plan.chunk_bytes(operand).max().unwrap_or(0);
    // Kernels that read outputs again, such as a softmax of its own, should not read them across a bus.
    let uses = |operands: &[Operand]| operands.contains(&Operand::Outputs);
    let using = plan.steps.iter().filter(|step| uses(&step.operands));
    let written_once = using.count() == plan.chunks.len() || visible == HostVisible::ALL;
    [
        largest(Operand::Pixels) <= visible.inputs,
        largest(Operand::Outputs) <= visible.outputs && written_once,
    ]
}
