//! Adapters as plain data, and which of them a selector means.

mod backend;
mod info;
mod select;
#[cfg(test)]
mod tests;

pub use backend::Backend;
pub use info::{AdapterInfo, Feature, Kind, MatrixUnits, ProcessorInfo};
pub use select::{Selector, not_found, select};
