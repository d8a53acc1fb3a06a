//! crate
pub mod cpu;
pub mod dataset;
pub mod error;
pub mod memory;
pub mod model;
pub mod precision;
pub mod quant;
pub mod train;

pub use error::{Error, Result};
pub use precision::Precision;
