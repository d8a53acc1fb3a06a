//! From rows to a decision: which precision to deploy, and why.
//!
//! Every figure of a verdict is in the rows that it points to.

mod choose;
mod contender;
mod decide;
mod limits;
mod sentence;
mod types;
mod warnings;
mod words;

pub use decide::{decide, unsettled};
pub use types::{
    AtBatch, Candidate, DEFAULT_ACCURACY_DROP, DEFAULT_MIN_GAIN, Goal, LimitCheck, LimitName,
    Request, RowReference, Undecided, UnknownAccuracy, Verdict,
};
pub use warnings::{Circumstances, warnings};
