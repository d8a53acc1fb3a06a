//! Limits, and which rows meet them.

use super::types::{DEFAULT_ACCURACY_DROP, LimitCheck, LimitName, Request, UnknownAccuracy};
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
    use UnknownAccuracy::{Accepted, MissesAllLimits, MissesLimits};
    let limit = |name: LimitName, limit: f64, measured: Option<f64>| LimitCheck {
        name,
        unit: name.unit(),
        set_by_user: true,
        limit,
        measured,
        met: measured.is_some_and(|measured| name.allows(measured, limit)),
    };
    let mut all = Vec::new();
    // Without labels there is no accuracy to lose.
    let unlabelled = row.status == Status::Ok && row.accuracy.is_none();
    let unknown = request.unknown_accuracy;
    let checked = match unknown {
        Accepted => accuracy_drop(row, images).is_some(),
        _ if !unlabelled => true,
        MissesAllLimits => true,
        MissesLimits => request.max_accuracy_drop.is_some(),
    };
    if checked {
        let set_by_user = request.max_accuracy_drop.is_some();
        let most = request.max_accuracy_drop.unwrap_or(DEFAULT_ACCURACY_DROP);
        let drop = accuracy_drop(row, images);
        let check = limit(LimitName::AccuracyDrop, most, drop);
        // A default limit excludes no row that has nothing to be compared with.
        let skipped = drop.is_none() && !set_by_user && !(unlabelled && unknown == MissesAllLimits);
        all.push(LimitCheck {
            set_by_user,
            met: check.met || skipped,
            ..check
        });
    }
    if let Some(least) = request.min_accuracy
        && (!unlabelled || unknown != Accepted)
    {
        let correct = row.correct.filter(|_| row.accuracy.is_some());
        let percent = correct.map(|correct| 100.0 * correct as f64 / images.max(1) as f64);
        all.push(limit(LimitName::Accuracy, least, percent));
    }
    if let Some(most) = request.max_latency {
        let measured = row.end_to_end_ns.map(|time| time as f64);
        all.push(limit(LimitName::Latency, most.as_nanos() as f64, measured));
    }
    if let Some(most) = request.memory_limit {
        // A row that did not run has no plan. It is never recommended, and the formula tells how large it would be.
        let planned = row.memory.planned_bytes;
        let measured = Some(planned.unwrap_or(row.memory.textbook.total_bytes) as f64);
        all.push(limit(LimitName::Memory, most as f64, measured));
    }
    all
}

impl LimitName {
    /// Whether a figure keeps a limit.
    fn allows(self, measured: f64, limit: f64) -> bool {
        match self {
            // The quotient is rounded: 88.45% of the images is not less than 88.45%.
            Self::Accuracy => measured >= limit - 1e-9,
            Self::AccuracyDrop | Self::Latency | Self::Memory => measured <= limit,
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::AccuracyDrop => "points",
            Self::Accuracy => "percent",
            Self::Latency => "ns",
            Self::Memory => "bytes",
        }
    }
}

/// How a row misses a limit, in words.
pub(super) fn broken(limit: &LimitCheck) -> String {
    let Some(measured) = limit.measured else {
        return match limit.name {
            LimitName::Accuracy => "its accuracy is unknown",
            LimitName::AccuracyDrop => "its accuracy cannot be compared with that of f32",
            LimitName::Latency | LimitName::Memory => "it was not measured",
        }
        .to_owned();
    };
    match limit.name {
        LimitName::Accuracy => format!(
            "its accuracy is {measured:.2}%, and the least that is allowed is {}%",
            limit.limit
        ),
        LimitName::AccuracyDrop => format!(
            "its accuracy is {measured:.2} points below that of f32, and the limit is {}",
            match limit.limit {
                1.0 => "1 point".to_owned(),
                points => format!("{points} points"),
            }
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

impl LimitCheck {
    /// How the row misses the limit, in words; none where it is met.
    #[must_use]
    pub fn shortfall(&self) -> Option<String> {
        (!self.met).then(|| broken(self))
    }
}

/// Whether this is the row of f32.
pub(super) fn is_f32(row: &Row) -> bool {
    row.requested.precision == Precision::F32
}
