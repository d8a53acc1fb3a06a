//! Two results, row by row.

use super::comparison::{
    Change, Comparison, Flag, LEAST_CHANGE, LEAST_PAIRS, MOST_UNREST, Present,
};
use super::saved::{self, Saved};
use crate::Precision;
use crate::engine::Place;
use crate::results::{ControlWorkload, Mcnemar, Row, Status};
use crate::stats::{Estimate, Paired, SIGNIFICANT, mcnemar, ratio_of_runs, unrest};

/// Compares `rows` and their `control_workloads` with an earlier result called `name`. [`Saved::check`] has found that it
/// is of the same adapter, model (unless another is allowed) and data, and [`Saved::check_modes`] that it is of the same schemes.
#[must_use]
pub fn compare(
    name: &str,
    before: &Saved,
    now: &Present<'_>,
    rows: &[Row],
    control_workloads: &[ControlWorkload],
) -> Comparison {
    let matched: Vec<Option<&saved::Row>> =
        rows.iter().map(|row| same_row(row, before, now)).collect();
    let pairs = rows.iter().zip(&matched).enumerate();
    let mut changes: Vec<Change> = pairs
        .map(|(at, (row, old))| change(at, row, *old, before, now, control_workloads))
        .collect();
    // Where modes differ, a row of another model without a partner says nothing.
    let lists_gone = !before.may_be_of_other_model || matched.iter().all(Option::is_none);
    let alone = |old: &&saved::Row| {
        let is_old = |one: &&saved::Row| std::ptr::eq(*one, *old);
        !matched.iter().flatten().any(is_old)
    };
    let gone = before.results.iter().filter(alone).filter(|_| lists_gone);
    let gone = gone.map(|old| Change {
        flags: vec![Flag::Unmatched],
        note: Some("only the earlier result has it".to_owned()),
        ..Change::unknown(None, &old.name, old.requested.batch)
    });
    changes.extend(gone);
    Comparison {
        baseline: name.to_owned(),
        date: before.tool.date.to_string(),
        commit: before.tool.commit.as_ref().map(ToString::to_string),
        other_model: before.may_be_of_other_model,
        threshold: LEAST_CHANGE,
        rows: changes,
    }
}

impl Change {
    fn unknown(row: Option<usize>, name: &str, batch: usize) -> Self {
        Self {
            row,
            name: name.to_owned(),
            batch,
            time: None,
            threshold: None,
            accuracy_points: None,
            accuracy_p: None,
            agreement: None,
            memory: None,
            flags: Vec::new(),
            note: None,
        }
    }
}

/// The earlier row of the same mode and batch size that was requested on the same backend; of two models of which one is
/// quantized, f32 of the other.
fn same_row<'a>(row: &Row, before: &'a Saved, now: &Present<'_>) -> Option<&'a saved::Row> {
    let backend = now.adapters.get(row.requested.adapter)?.backend.name();
    let beside = |old: &&saved::Row| {
        let then = before.requested_on(old);
        old.requested.batch == row.requested.batch
            && then.is_some_and(|then| *then.backend == *backend)
    };
    let mut all = before.results.iter().filter(beside);
    let same = all.clone().find(|old| *old.name == *row.name);
    if same.is_some() || !before.may_be_of_other_model {
        return same;
    }
    // A quantized file has only its own mode. It is compared with the f32 that it was made from, and the other way round.
    let is_f32 = |name: &str| *name == *Precision::F32.name();
    match (now.is_quantized, before.model.quantized.is_some()) {
        (true, false) => all.find(|old| is_f32(&old.requested.precision)),
        (false, true) if is_f32(row.requested.precision.name()) => all.next(),
        _ => None,
    }
}

/// Compares the labels of a quantized file with those of f32 of the other model: a file without float weights has no f32
/// of its own.
pub fn compare_with_f32(before: &Saved, now: &Present<'_>, rows: &mut [Row]) {
    if !now.is_quantized || before.model.quantized.is_some() {
        return;
    }
    for row in rows {
        let Some(old) =
            same_row(row, before, now).filter(|old| old.labels.len() == row.labels.len())
        else {
            continue;
        };
        if row.labels.is_empty() {
            continue;
        }
        let pairs = row.labels.iter().zip(&old.labels);
        let changes = pairs.filter(|(now, then)| now != then).count();
        row.label_changes = Some(changes);
        row.agreement_with_f32 = Some(1.0 - changes as f64 / row.labels.len() as f64);
        if let Some((f32_only, this_only)) = labels(row, old, now.images) {
            let difference = this_only as f64 - f32_only as f64;
            row.accuracy_points_vs_f32 = Some(100.0 * difference / now.images as f64);
            row.mcnemar = Some(Mcnemar {
                f32_only,
                this_only,
                p: mcnemar(f32_only, this_only),
            });
        }
    }
}

/// The device that a row ran on, as a result says it; none where nothing ran.
fn device(row: &Row) -> Option<&'static str> {
    row.effective.device.map(|place| match place {
        Place::Gpu => "gpu",
        Place::Cpu => "cpu",
    })
}

/// How a row changed.
fn change(
    at: usize,
    row: &Row,
    old: Option<&saved::Row>,
    before: &Saved,
    now: &Present<'_>,
    control_workloads: &[ControlWorkload],
) -> Change {
    let batch = row.requested.batch;
    let mut change = Change::unknown(Some(at), &row.name, batch);
    let Some(old) = old else {
        change.flags = vec![Flag::Unmatched];
        change.note = Some("only this result has it".to_owned());
        return change;
    };
    let mut notes: Vec<String> = unmeasured(row, old).into_iter().collect();
    if *old.name != *row.name {
        notes.push(format!("compared with {}", old.name));
    }
    change.agreement = agreement(&row.labels, &old.labels);
    let held = row.memory.device_allocated_bytes.zip(old.held_bytes());
    change.memory = held.map(|(now, then)| now as f64 / then.max(1) as f64 - 1.0);
    if old.is_measured() && row.end_to_end_samples().is_none() {
        change.flags.push(Flag::NoLongerMeasured);
    }
    match time(row, old, before, control_workloads) {
        Ok(Some(seen)) => {
            change.time = Some(seen.time);
            change.flags.extend(seen.flag);
            if seen.flag == Some(Flag::TooFewSamples) {
                notes.push(format!(
                    "one of the two runs has only {} samples of it; each run needs at least {LEAST_PAIRS}",
                    seen.pairs
                ));
            } else {
                change.threshold = Some(seen.threshold);
            }
        }
        Ok(None) => {}
        // Another model may take other work beside it, or run elsewhere.
        Err(reason) if before.may_be_of_other_model => {
            notes.push(format!("no time to compare: {reason}"));
        }
        Err(reason) => {
            change.flags.push(Flag::Incomparable);
            change.note = Some(reason);
            return change;
        }
    }
    if let Some((first, second)) = labels(row, old, now.images) {
        let p = mcnemar(first, second);
        change.accuracy_points = Some(100.0 * (second as f64 - first as f64) / now.images as f64);
        change.accuracy_p = Some(p);
        if p < SIGNIFICANT {
            let worse = first > second;
            let flag = if worse {
                Flag::LessAccurate
            } else {
                Flag::MoreAccurate
            };
            change.flags.push(flag);
        }
    }
    if let (Some(then), Some(now)) = (old.effective.kernel.as_deref(), row.effective.kernel)
        && then != now
    {
        notes.push(format!("the kernel was {then} and is now {now}"));
    }
    change.note = (!notes.is_empty()).then(|| notes.join("; "));
    change
}

/// Why there is no time to compare, where one of the two results lacks it.
fn unmeasured(row: &Row, old: &saved::Row) -> Option<String> {
    let why = match row.status {
        Status::Ok => "not timed",
        Status::Unsupported => "unsupported",
        Status::Overflow => "overflow",
        Status::Failed => "failed",
    };
    match (old.is_measured(), row.end_to_end_samples().is_some()) {
        (true, true) => None,
        (true, false) => Some(match &row.detail {
            Some(detail) => format!("{why}: {detail}"),
            None => why.to_owned(),
        }),
        (false, true) => Some("the earlier result did not measure it".to_owned()),
        (false, false) => Some("neither result measured it".to_owned()),
    }
}

/// A change of the end-to-end time, the smallest change that is flagged, and the conclusion.
#[derive(Clone, Copy, Debug)]
struct Seen {
    time: Estimate,
    /// The pairs of samples in the run that has fewer.
    pairs: usize,
    threshold: f64,
    flag: Option<Flag>,
}

/// The change of the end-to-end time relative to the control workload; with several control workloads, the smallest
/// change. None where one of the two results did not measure the row. An error says why two measurements cannot be
/// compared.
///
/// A row that ran on several threads has two control workloads, on as many threads and on one. How soon threads meet
/// changes from run to run: the first control workload is affected more than a network, the second not at all.
fn time(
    row: &Row,
    old: &saved::Row,
    before: &Saved,
    control_workloads: &[ControlWorkload],
) -> Result<Option<Seen>, String> {
    let (Some(samples), Some(wall), Some(uploads)) = (
        row.end_to_end_samples(),
        &old.wall_ns,
        &old.upload_samples_ns,
    ) else {
        return Ok(None);
    };
    let place = device(row).unwrap_or("nothing");
    if old.effective.device.as_deref() != Some(place) {
        return Err(format!(
            "it ran on {} before and runs on {place} now",
            old.effective.device.as_deref().unwrap_or("nothing")
        ));
    }
    let sums = uploads.iter().zip(&wall.samples);
    let earlier: Vec<f64> = sums
        .map(|(upload, wall)| *upload as f64 + *wall as f64)
        .collect();
    let batch = row.requested.batch;
    let beside = |now_on: Option<usize>, then_on: Option<usize>| {
        let now = control_workloads.iter().find(|y| {
            (y.batch, Some(y.device), y.threads) == (batch, row.effective.device, now_on)
        });
        let then = before
            .control_workloads
            .iter()
            .find(|y| (y.batch, &*y.device, y.threads) == (batch, place, then_on));
        now.zip(then)
    };
    let (now_on, then_on) = (row.effective.threads, old.effective.threads);
    // The modes of two models may run on other numbers of threads; beside each there is the work of one thread.
    let own = match before.may_be_of_other_model && now_on != then_on {
        true => beside(Some(1), Some(1)),
        false => beside(now_on, then_on),
    };
    let own = own.ok_or("one of the results has no times of a control workload for it")?;
    let several = |threads: Option<usize>| threads.is_some_and(|threads| threads > 1);
    let single = (several(now_on) && several(then_on)).then(|| beside(Some(1), Some(1)));
    let pairs = [Some(own), single.flatten()].into_iter().flatten();
    let seen: Vec<Seen> = pairs
        .map(|(now, then)| relative_to(&samples, now, &earlier, then))
        .collect::<Result<_, _>>()?;
    Ok(smallest(&seen))
}

/// The change of the time relative to one control workload.
fn relative_to(
    samples: &[f64],
    now: &ControlWorkload,
    earlier: &[f64],
    then: &saved::ControlWorkload,
) -> Result<Seen, String> {
    if now.work != *then.work {
        return Err(format!(
            "its control workload was '{}' and is now '{}'",
            then.work, now.work
        ));
    }
    let numbers =
        |samples: &[u64]| -> Vec<f64> { samples.iter().map(|&sample| sample as f64).collect() };
    let (own, theirs) = (
        numbers(&now.wall_ns.samples),
        numbers(&then.wall_ns.samples),
    );
    let pairs = Paired::new(samples, &own).zip(Paired::new(earlier, &theirs));
    let (over, under) = pairs.ok_or("a control workload took no measurable time")?;
    let ratio = ratio_of_runs(&over, &under);
    if !(ratio.low.is_finite() && ratio.high.is_finite()) {
        return Err("a sample took no measurable time".to_owned());
    }
    let time = Estimate {
        value: ratio.value - 1.0,
        low: ratio.low - 1.0,
        high: ratio.high - 1.0,
    };
    let pairs = over.len().min(under.len());
    let unrest = unrest(&over).max(unrest(&under)).min(MOST_UNREST);
    let threshold = LEAST_CHANGE.max(unrest);
    let flag = match pairs < LEAST_PAIRS {
        true => Some(Flag::TooFewSamples),
        false => flag(time, threshold),
    };
    Ok(Seen {
        time,
        pairs,
        threshold,
        flag,
    })
}

/// The smallest of several estimates of a change: one that is not flagged if there is any. It is flagged only where all
/// agree.
fn smallest(seen: &[Seen]) -> Option<Seen> {
    let size = |seen: &Seen| seen.time.value.abs();
    let less = |one: &&Seen, other: &&Seen| {
        let by_flag = one.flag.is_some().cmp(&other.flag.is_some());
        by_flag.then(size(one).total_cmp(&size(other)))
    };
    let smallest = seen.iter().min_by(less)?;
    let few = |seen: &&Seen| seen.flag == Some(Flag::TooFewSamples);
    if let Some(few) = seen.iter().find(few) {
        return Some(*few);
    }
    let agree = seen.iter().all(|other| other.flag == smallest.flag);
    Some(Seen {
        flag: smallest.flag.filter(|_| agree),
        ..*smallest
    })
}

/// The flag of a change of time that is beyond the noise, both of the samples and from run to run.
fn flag(time: Estimate, threshold: f64) -> Option<Flag> {
    if time.value >= threshold && time.low > 0.0 {
        Some(Flag::Slower)
    } else if time.value <= 1.0 / (1.0 + threshold) - 1.0 && time.high < 0.0 {
        Some(Flag::Faster)
    } else {
        None
    }
}

/// The share of the images that get the same label; none where one of the two does not say.
fn agreement(now: &[u32], then: &[u32]) -> Option<f64> {
    if now.is_empty() || now.len() != then.len() {
        return None;
    }
    let same = now.iter().zip(then).filter(|(now, then)| now == then);
    Some(same.count() as f64 / now.len() as f64)
}

/// How many images only the earlier row, and only this row, labels correctly; none where one of them does not say.
fn labels(row: &Row, old: &saved::Row, images: usize) -> Option<(u64, u64)> {
    let bits = |hex: &str| -> Option<Vec<u8>> {
        let digits = hex.as_bytes().chunks(2);
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        digits.map(byte).collect()
    };
    let now = bits(row.correct_images.as_deref()?)?;
    let then = bits(old.correct_images.as_deref()?)?;
    if now.len() != then.len() || now.len() != images.div_ceil(8) {
        return None;
    }
    let count = |one: &[u8], other: &[u8]| -> u64 {
        let pairs = one.iter().zip(other);
        pairs
            .map(|(one, other)| u64::from((one & !other).count_ones()))
            .sum()
    };
    Some((count(&then, &now), count(&now, &then)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(value: f64, low: f64, high: f64) -> Option<Flag> {
        flag(Estimate { value, low, high }, LEAST_CHANGE)
    }

    fn seen(value: f64) -> Seen {
        let time = Estimate {
            value,
            low: value - 0.01,
            high: value + 0.01,
        };
        Seen {
            time,
            pairs: LEAST_PAIRS,
            threshold: LEAST_CHANGE,
            flag: flag(time, LEAST_CHANGE),
        }
    }

    /// A control workload with `count` samples, and the same in an earlier result.
    fn control_workloads(count: usize) -> (ControlWorkload, saved::ControlWorkload) {
        let samples = vec![std::time::Duration::from_nanos(1000); count];
        let now = ControlWorkload {
            batch: 1,
            device: Place::Cpu,
            adapter: 0,
            threads: Some(1),
            work: "some".into(),
            wall_ns: crate::stats::Samples::new(&samples).unwrap(),
        };
        let text = format!(
            r#"{{"batch":1,"device":"cpu","threads":1,"work":"some","wall_ns":{{"samples":{:?}}}}}"#,
            vec![1000; count]
        );
        (now, serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn few_pairs_of_either_run_flag_nothing() {
        let flag = |now: usize, then: usize| {
            let (own, _) = control_workloads(now);
            let (_, theirs) = control_workloads(then);
            let seen = relative_to(&vec![9000.0; now], &own, &vec![1000.0; then], &theirs).unwrap();
            assert_eq!(seen.pairs, now.min(then));
            smallest(&[seen, seen]).unwrap().flag
        };
        let (few, enough) = (LEAST_PAIRS - 1, LEAST_PAIRS);
        assert_eq!(flag(enough, enough), Some(Flag::Slower));
        for (now, then) in [(few, enough), (enough, few), (3, 3)] {
            assert_eq!(flag(now, then), Some(Flag::TooFewSamples), "{now} {then}");
        }
    }

    #[test]
    fn a_change_is_flagged_if_all_control_workloads_agree_and_by_the_smallest() {
        let least = |values: &[f64]| {
            let seen: Vec<Seen> = values.iter().map(|&value| seen(value)).collect();
            smallest(&seen).map(|seen| (seen.time.value, seen.flag))
        };
        assert_eq!(least(&[0.20, 0.10]), Some((0.10, Some(Flag::Slower))));
        assert_eq!(least(&[-0.10, -0.20]), Some((-0.10, Some(Flag::Faster))));
        assert_eq!(least(&[0.20, 0.03]), Some((0.03, None)), "beside one only");
        assert_eq!(least(&[0.20, -0.10]), Some((-0.10, None)), "they disagree");
        assert_eq!(least(&[0.20]), Some((0.20, Some(Flag::Slower))));
        assert_eq!(least(&[]), None);
    }

    #[test]
    fn only_what_exceeds_both_noises_is_flagged() {
        assert_eq!(change(0.10, 0.02, 0.18), Some(Flag::Slower));
        assert_eq!(change(0.04, 0.03, 0.05), None, "less than runs differ by");
        assert_eq!(change(0.10, -0.01, 0.21), None, "samples that say nothing");
        assert_eq!(change(-0.10, -0.15, -0.05), Some(Flag::Faster));
        assert_eq!(change(-0.04, -0.05, -0.03), None);
        assert_eq!(change(-0.10, -0.21, 0.01), None);
        let (value, low, high) = (0.10, 0.08, 0.12);
        let restless = flag(Estimate { value, low, high }, 0.12);
        assert_eq!(restless, None, "less than parts of a run differ by");
    }
}
