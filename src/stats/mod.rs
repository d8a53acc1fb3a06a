//! Statistics of paired and repeated measurements, as pure functions on numbers.

mod bootstrap;
mod estimate;
mod proportion;
mod samples;
mod shape;

pub use bootstrap::{Paired, ratio_of_medians, ratio_of_runs, unrest};
pub use estimate::{CONFIDENCE, Estimate, Interval, SIGNIFICANT};
pub use proportion::{mcnemar, wilson};
pub use samples::Samples;
pub use shape::{Bimodal, bimodal, drift};
