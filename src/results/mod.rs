//! The results of a benchmark as plain data. Reports, verdicts and comparisons read them; nothing here measures.

mod accuracy;
mod budget;
mod changed;
mod control_workload;
mod layer;
mod machine;
mod row;
mod spread;
mod time;
mod warning;

pub use accuracy::{ClassAccuracy, ConfusionChange, Mcnemar};
pub use budget::{Bound, Budget, BudgetLine};
pub use changed::{Answer, Changed, ChangedImage, MOST_CHANGED};
pub use control_workload::ControlWorkload;
pub use layer::LayerFigures;
pub use machine::Machine;
pub use row::{Breakdown, Effective, KernelTime, Memory, Requested, Row, RowCeiling, Status};
pub use spread::Spread;
pub use time::{Part, Share, Why};
pub use warning::{Warning, WarningKind};
