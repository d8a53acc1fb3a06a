//! How a verdict describes a row.

use super::contender::held;
use super::limits::{accuracy_drop, is_f32};
use crate::results::Row;
use crate::stats::{Estimate, SIGNIFICANT, paired_difference};
use crate::units::{bytes, count, duration, p_value, points};

/// `1.90×`
pub(super) fn times(speed: Estimate) -> String {
    format!("{:.2}×", speed.value)
}

/// ` (1.85 to 1.95)`; empty for a row of a single block, of which no interval is known.
pub(super) fn interval(row: &Row, speed: Estimate) -> String {
    if row.blocks.len() < 2 {
        return String::new();
    }
    format!(" ({:.2} to {:.2})", speed.low, speed.high)
}

/// `2.86× the speed of f32 (2.81 to 2.96)`; none where f32 was not measured beside it.
pub(super) fn speed(row: &Row) -> Option<String> {
    let speed = row.speed_vs_f32?;
    let (times, interval) = (times(speed), interval(row, speed));
    Some(format!("{times} the speed of f32{interval}"))
}

/// A row compared with f32 at the same batch size: speed, memory, labels and accuracy.
pub(super) fn compared_with_f32(row: &Row, f32: Option<&Row>, images: usize) -> String {
    let mut parts = Vec::new();
    let time = |time: u64| format!("{} a batch", duration(time as f64));
    parts.extend(speed(row).or(row.end_to_end_ns.map(time)));
    parts.extend(memory(row, f32));
    parts.extend(labels(row, images));
    parts.join("; ")
}

/// `26% of its memory (53.9 KiB)`; none where nothing ran.
fn memory(row: &Row, f32: Option<&Row>) -> Option<String> {
    let own = held(row)?;
    let text = bytes(own);
    Some(match f32.and_then(held) {
        Some(f32) => {
            let share = 100.0 * own as f64 / f32.max(1) as f64;
            format!("{share:.0}% of its memory ({text})")
        }
        None => format!("{text} of memory"),
    })
}

/// `Accuracy 88.87%, +0.03 points against f32 (−0.02 to +0.08).` Without an accuracy, the labels that change say something.
pub(super) fn accuracy(row: &Row, images: usize) -> String {
    let mut text = match (row.accuracy, row.mcnemar, row.accuracy_interval) {
        (None, ..) => "The accuracy is unknown, because the images have no labels".to_owned(),
        (Some(accuracy), Some(found), _) => {
            let images = images as u64;
            let change = paired_difference(found.this_only, found.f32_only, images);
            format!(
                "Accuracy {:.2}%, {} points against f32 ({} to {})",
                100.0 * accuracy,
                points(100.0 * change.value),
                points(100.0 * change.low),
                points(100.0 * change.high)
            )
        }
        (Some(accuracy), None, Some(range)) => format!(
            "Accuracy {:.2}% ({:.2} to {:.2})",
            100.0 * accuracy,
            100.0 * range.low,
            100.0 * range.high
        ),
        (Some(accuracy), None, None) => format!("Accuracy {:.2}%", 100.0 * accuracy),
    };
    let unknown = row.accuracy.is_none() && !is_f32(row);
    if let Some(changes) = row.label_changes.filter(|_| unknown) {
        text.push_str(&format!("; {}", label_changes(changes, images)));
    }
    text.push('.');
    text
}

/// `152 of 10,000 labels change`
fn label_changes(changes: usize, images: usize) -> String {
    if changes == 0 {
        return "no label changes".to_owned();
    }
    let change = if changes == 1 { "changes" } else { "change" };
    let (changes, images) = (count(changes as u64), count(images as u64));
    format!("{changes} of {images} labels {change}")
}

/// `152 of 10,000 labels change, accuracy −0.08 points, not significant (McNemar p = 0.40)`
fn labels(row: &Row, images: usize) -> Option<String> {
    let changes = row.label_changes.filter(|_| !is_f32(row))?;
    if changes == 0 {
        return Some(label_changes(changes, images));
    }
    let changes = label_changes(changes, images);
    let (Some(drop), Some(found)) = (accuracy_drop(row, images), row.mcnemar) else {
        return Some(changes);
    };
    let significance = if found.p < SIGNIFICANT {
        "significant"
    } else {
        "not significant"
    };
    Some(format!(
        "{changes}, accuracy {} points, {significance} (McNemar {})",
        points(-drop),
        p_value(found.p)
    ))
}
