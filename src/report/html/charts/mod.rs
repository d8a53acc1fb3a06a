//! The charts, one file each: from rows to a drawing, its text and its figures.

pub mod classes;
pub mod confusion;
mod format;
pub mod latency;
pub mod layers;
pub mod limit;
pub mod memory;
pub mod pareto;
pub mod parts;
pub mod roofline;
