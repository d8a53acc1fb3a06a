//! Statistics of paired and repeated measurements, as pure functions on numbers.

mod blocks;
mod bootstrap;
mod estimate;
mod proportion;
mod samples;
mod shape;
mod student;

pub use blocks::BlockRatios;
pub use bootstrap::{Paired, ratio_of_runs, unrest};
pub use estimate::{CONFIDENCE, Estimate, Interval, SIGNIFICANT};
pub use proportion::{mcnemar, paired_difference, wilson};
pub use samples::{Samples, quantile};
pub use shape::{Bimodal, bimodal, drift};
