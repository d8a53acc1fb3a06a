//! Checks that an adapter computes correct results. It compares every kernel that the adapter can run, whole networks
//! and their weights with the reference implementation. The numerics report observes how the driver rounds where WGSL
//! allows a choice.
//!
//! - [`case`] has the inputs of a kernel at one shape, and compares its outputs. [`shapes`] has the shapes near the
//!   edges of a tile. Tests run the same trials.
//! - [`check`] checks everything on an adapter, or on the processor, and returns a [`CheckRow`] for each check.
//! - [`compare`] has the comparisons. [`tolerance`] describes what each allows, and why.
//! - [`numerics`] makes the numerics report. Its observations are neither right nor wrong, but a driver update can
//!   change them.

mod arithmetic;
pub mod case;
pub mod compare;
mod cpu;
pub mod data;
pub mod kernels;
mod lane;
mod networks;
pub mod numerics;
mod problem;
mod repeats;
mod result;
mod row;
mod scope;
mod shapes;
mod subjects;
mod sums;
mod task;
pub mod tolerance;
mod weights;

pub use lane::{Lane, check};
pub use numerics::NumericsReport;
pub use repeats::REPEATS;
pub use result::VerifyResult;
pub use row::{CheckRow, CheckStatus};
pub use scope::Scope;
pub use shapes::{SIZES, shapes};
