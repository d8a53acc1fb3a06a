//! Comparing a result with an earlier one, row by row, beyond the noise.
//!
//! A machine's speed drifts from run to run, so two times are not compared directly. Each is divided by the time of the
//! control workload that was measured beside it, and these ratios are compared.

mod compare;
mod comparison;
mod fit;
mod saved;
mod store;

pub use compare::{compare, compare_with_f32};
pub use comparison::{Change, Comparison, Flag, LEAST_CHANGE, LEAST_PAIRS, MOST_UNREST, Present};
pub use saved::Saved;
pub use store::{Name, find, find_model, folder};
