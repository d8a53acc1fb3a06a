//! Limits, and which rows meet them.

use super::types::{DEFAULT_ACCURACY_DROP, LimitCheck, LimitName, Request};
use crate::Precision;
use crate::results::{Row, Status};
use crate::units::{bytes, duration};

/// How many percentage points less accurate a row is than f32 on the same images; none where that is not known.
pub(super) fn accuracy_drop(row: &Row, images: usize) -> Option<f64> {
    row.accuracy?;
    let lost = match row.mcnemar {
        Some(found) => found.f32_only as f64 - found.this_only as f64,
        // f32 is compared with itself; for a quantized file it is not known.
        None if is_f32(row) => 0.0,
        None => return None,
    };
    Some(100.0 * lost / images.max(1) as f64)
}

/// Every limit, checked against a row.
pub(super) fn check(request: &Request, row: &Row, images: usize) -> Vec<LimitCheck> {
    let limit = |name, set_by_user, limit: f64, measured: Option<f64>| LimitCheck {
        name,
        unit: name.unit(),
        set_by_user,
        limit,
        measured,
        // A default limit excludes no row whose figure is unknown.
        met: measured.map_or(!set_by_user, |measured| measured <= limit),
    };
    let drop = request.max_accuracy_drop;
    let most = drop.unwrap_or(DEFAULT_ACCURACY_DROP);
    let mut all = Vec::new();
    // Without labels there is no accuracy to lose.
    let unlabelled = row.status == Status::Ok && row.accuracy.is_none();
    if drop.is_some() || !unlabelled {
        all.push(limit(
            LimitName::AccuracyDrop,
            drop.is_some(),
            most,
            accuracy_drop(row, images),
        ));
    }
    if let Some(most) = request.max_latency {
        let measured = row.end_to_end_ns.map(|time| time as f64);
        all.push(limit(
            LimitName::Latency,
            true,
            most.as_nanos() as f64,
            measured,
        ));
    }
    if let Some(most) = request.memory_limit {
        let measured = Some(row.memory.textbook.total_bytes as f64);
        all.push(limit(LimitName::Memory, true, most as f64, measured));
    }
    all
}

impl LimitName {
    fn unit(self) -> &'static str {
        match self {
            Self::AccuracyDrop => "points",
            Self::Latency => "ns",
            Self::Memory => "bytes",
        }
    }
}

/// How a row exceeds a limit, in words.
pub(super) fn broken(limit: &LimitCheck) -> String {
    let Some(measured) = limit.measured else {
        return "its accuracy cannot be compared with that of f32".to_owned();
    };
    match limit.name {
        LimitName::AccuracyDrop => format!(
            "its accuracy is {measured:.2} points below that of f32, and the limit is {} points",
            limit.limit
        ),
        LimitName::Latency => format!(
            "a batch takes {}, and the limit is {}",
            duration(measured),
            duration(limit.limit)
        ),
        LimitName::Memory => format!(
            "it needs {} of memory, and the limit is {}",
            bytes(measured as u64),
            bytes(limit.limit as u64)
        ),
    }
}

/// Whether this is the row of f32.
pub(super) fn is_f32(row: &Row) -> bool {
    row.requested.precision == Precision::F32
}
