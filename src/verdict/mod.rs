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
    AtBatch, CLEARLY_FASTER, Candidate, DEFAULT_ACCURACY_DROP, Goal, LimitCheck, LimitName,
    Request, RowReference, Verdict,
};
pub use warnings::{Circumstances, warnings};
