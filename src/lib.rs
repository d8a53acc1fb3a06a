//! crate
pub mod adapter;
pub mod cpu;
pub mod dataset;
pub mod error;
pub mod gpu;
pub mod memory;
pub mod model;
pub mod plan;
pub mod precision;
pub mod quant;
pub mod reference;
pub mod train;

pub use error::{Error, Result};
pub use precision::Precision;
