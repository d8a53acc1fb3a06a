//! The GPU executor: the only room that knows wgpu.
//!
//! [`adapters`] finds what there is, [`Device`] opens one and keeps its pipelines, [`Network`]
//! holds a model's weights there and runs plans, and [`SinglePass`] runs one kernel on its own,
//! for tests and benches. [`peak`] measures what an adapter can do
//! at most, and [`Numerics`] does single operations, to see how.

mod breakdown;
mod compile;
mod control_workload;
mod device;
mod enumerate;
pub mod fault;
mod infer;
pub mod kernel;
mod lanes;
mod layout;
mod network;
mod numerics;
mod packed;
pub mod peak;
mod pipeline;
mod prepared;
mod read_back;
mod rounding;
mod shader;
mod single;
mod weights;

pub use breakdown::Parts;
pub use control_workload::{CONTROL_WORKLOAD_BINDINGS, CONTROL_WORKLOAD_SOURCE, ControlWorkload};
pub use device::{Device, DeviceOptions};
pub use enumerate::{Found, adapters, quiet_drivers};
pub use lanes::{LANES_BINDINGS, lanes_source};
pub use layout::{pack_blocks, pack_codes, pack_int4, pack_matrices, pack_rows};
pub use network::{Network, Run};
pub use numerics::{NUMERICS_BINDINGS, NUMERICS_SOURCES, Numerics, Operation};
pub use single::SinglePass;

/// The text of every shader and of the code that assembles them, in a fixed order: while none of it
/// changes, no kernel changes.
pub fn shader_texts() -> impl Iterator<Item = &'static str> {
    shader::texts()
}
