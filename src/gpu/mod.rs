//! The GPU executor. It is the only module that imports wgpu.
//!
//! [`adapters`] lists the adapters. [`Device`] opens one and keeps its pipelines. [`Session`] has a model's weights on
//! the device and runs plans. [`SinglePass`] runs one kernel by itself, for tests and benches. [`peak`] measures the
//! ceilings of an adapter, and [`Numerics`] runs single operations to observe how they round.

mod breakdown;
mod compile;
mod control_workload;
mod device;
mod enumerate;
pub mod fault;
mod host_visible;
mod infer;
pub mod kernel;
mod lanes;
mod layout;
mod mapping;
mod numerics;
mod packed;
pub mod peak;
mod pipeline;
mod planned;
mod prepared;
mod rounding;
mod session;
mod shader;
mod single;
mod transfer;
mod waiting;
mod weights;

pub use breakdown::Parts;
pub use control_workload::{CONTROL_WORKLOAD_BINDINGS, CONTROL_WORKLOAD_SOURCE, ControlWorkload};
pub use device::{Device, DeviceOptions, HostVisible, Waiting};
pub use enumerate::{Found, adapters, quiet_drivers};
pub use host_visible::{TRANSFER_BINDINGS, TRANSFER_SOURCE};
pub use lanes::{LANES_BINDINGS, lanes_source};
pub use layout::{pack_blocks, pack_int4, pack_int8, pack_matrices, pack_rows};
pub use numerics::{DeviceOperation, NUMERICS_BINDINGS, Numerics, numerics_sources};
pub use packed::pack_weights;
pub use session::{Run, Session};
pub use single::SinglePass;

/// The text of every shader and of the code that assembles them, in a fixed order: while none of it
/// changes, no kernel changes.
pub fn shader_texts() -> impl Iterator<Item = &'static str> {
    shader::texts()
}
