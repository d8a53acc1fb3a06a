//! The GPU executor: the only room that knows wgpu.
//!
//! [`adapters`] finds what there is, [`Device`] opens one and keeps its pipelines, [`Network`]
//! holds a model's weights there and runs plans, and [`SinglePass`] runs one kernel on its own,
//! for tests and benches. [`peak`] measures what an adapter can do
//! at most.

mod breakdown;
mod device;
mod enumerate;
pub mod kernel;
mod layout;
mod network;
pub mod peak;
mod prepared;
mod read_back;
mod rounding;
mod single;
mod text;
mod unroll;
mod weights;

pub use breakdown::Parts;
pub use device::{Device, DeviceOptions};
pub use enumerate::{Found, adapters, quiet_drivers};
pub use layout::{pack_blocks, pack_codes, pack_matrices, pack_rows};
pub use network::{Network, Run};
pub use single::SinglePass;

/// The text of every shader, in one order.
#[must_use]
pub fn shader_texts() -> &'static [&'static str] {
    text::ALL
}
