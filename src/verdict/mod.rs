//! From rows to a decision: which precision to deploy, and why.
//!
//! Every figure of a verdict is in the rows that it points to.

mod decide;
mod limits;
mod types;
mod warnings;
mod words;

pub use decide::decide;
pub use types::{
    AtBatch, Candidate, DEFAULT_ACCURACY_DROP, DEFAULT_MIN_GAIN, Goal, LimitCheck, LimitName,
    Request, RowReference, UnknownAccuracy, Verdict,
};
pub use warnings::{Circumstances, warnings};
