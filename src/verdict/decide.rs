//! The decision: which rows are eligible, which of them is the best for the goal, and the sentences that say so.

use super::limits::{broken, check, is_f32};
use super::types::{
    AtBatch, CLEARLY_FASTER, Candidate, Goal, LimitCheck, Request, RowReference, Verdict,
};
use super::words::{compared_with_f32, interval, times};
use crate::engine::Place;
use crate::results::{Row, Status, Warning, WarningKind};
use crate::stats::{Paired, SIGNIFICANT, drift, ratio_of_medians};
use crate::units::count;

/// A row, and why it is excluded from the choice if it is.
struct Contender<'a> {
    at: usize,
    row: &'a Row,
    limits: Vec<LimitCheck>,
    excluded: Option<String>,
}

impl<'a> Contender<'a> {
    fn new(at: usize, row: &'a Row, images: usize, request: &Request, on_adapter: bool) -> Self {
        let limits = check(request, row, images);
        let excluded = match (row.status, row.effective.device) {
            (Status::Unsupported | Status::Overflow | Status::Failed, _) => row.detail.clone(),
            (Status::Ok, Some(Place::Cpu)) if on_adapter => Some(format!(
                "it ran on the CPU, not on the adapter: {}",
                row.effective
                    .reason
                    .as_deref()
                    .unwrap_or("no reason is known")
            )),
            (Status::Ok, _) => limits.iter().find(|limit| !limit.met).map(broken),
        };
        Self {
            at,
            row,
            limits,
            excluded,
        }
    }

    fn name(&self) -> String {
        self.row.name.clone()
    }

    fn batch(&self) -> usize {
        self.row.effective.batch
    }

    fn choice(&self) -> RowReference {
        RowReference {
            row: self.at,
            name: self.name(),
            batch: self.batch(),
        }
    }

    /// Its end-to-end time; the longest where it was not measured.
    fn time(&self) -> u64 {
        self.row.end_to_end_ns.unwrap_or(u64::MAX)
    }

    fn changes(&self) -> usize {
        self.row.label_changes.unwrap_or(usize::MAX)
    }

    /// Whether it is significantly more (or less) accurate than f32.
    fn differs(&self, better: bool) -> bool {
        self.row.mcnemar.is_some_and(|found| {
            let more = found.this_only > found.f32_only;
            found.p < SIGNIFICANT && more == better
        })
    }

    /// Whether it is known not to be significantly less accurate than f32.
    fn is_as_accurate(&self) -> bool {
        is_f32(self.row) || self.row.mcnemar.is_some() && !self.differs(false)
    }

    /// Whether it is clearly faster than another row of the same batch size: beyond the noise, and by enough.
    fn clearly_faster(&self, other: &Self) -> bool {
        let (Some(own), Some(others)) = (
            self.row.end_to_end_samples(),
            other.row.end_to_end_samples(),
        ) else {
            return false;
        };
        let ratio = Paired::new(&others, &own).map(|pairs| ratio_of_medians(&pairs));
        ratio.is_some_and(|ratio| ratio.low > 1.0 && ratio.value >= CLEARLY_FASTER)
    }
}

/// Decides which of `rows`, measured on `images` images, to deploy. `warnings` concern the measurement as a whole.
#[must_use]
pub fn decide(
    rows: &[Row],
    images: usize,
    on_adapter: bool,
    request: &Request,
    warnings: Vec<Warning>,
) -> Verdict {
    let new = |(at, row)| Contender::new(at, row, images, request, on_adapter);
    let all: Vec<Contender<'_>> = rows.iter().enumerate().map(new).collect();
    let mut batches: Vec<usize> = all.iter().map(Contender::batch).collect();
    batches.sort_unstable();
    batches.dedup();

    let eligible = || all.iter().filter(|contender| contender.excluded.is_none());
    let batch = match request.goal {
        Goal::Throughput => {
            let speed = |contender: &&Contender<'_>| contender.row.speed().unwrap_or(0.0);
            eligible().max_by(|a, b| speed(a).total_cmp(&speed(b)))
        }
        _ => eligible().min_by_key(|contender| contender.batch()),
    };
    let Some(batch) = batch.map(Contender::batch) else {
        return nothing(&all, request, warnings);
    };
    let group: Vec<&Contender<'_>> = all.iter().filter(|c| c.batch() == batch).collect();
    let Some(best) = best(&group, request.goal) else {
        return nothing(&all, request, warnings);
    };
    let at = |batch: usize| {
        let group: Vec<&Contender<'_>> = all.iter().filter(|c| c.batch() == batch).collect();
        let best = self::best(&group, request.goal);
        AtBatch {
            batch,
            recommended: best.map(Contender::choice),
            sentence: at_batch(best, &group),
        }
    };
    Verdict {
        goal: request.goal,
        sentence: sentence(best, &group, images, request.goal) + caveat(best, &group, &warnings),
        reasons: reasons(best, &group, images),
        recommended: Some(best.choice()),
        limits: best.limits.clone(),
        candidates: candidates(best, &all, request.goal),
        batches: batches.into_iter().map(at).collect(),
        warnings,
    }
}

/// The best of the eligible rows of one batch size.
fn best<'c, 'a>(group: &[&'c Contender<'a>], goal: Goal) -> Option<&'c Contender<'a>> {
    let eligible: Vec<&Contender<'_>> = group
        .iter()
        .copied()
        .filter(|contender| contender.excluded.is_none())
        .collect();
    match goal {
        Goal::Latency | Goal::Throughput => fastest(&eligible),
        Goal::Memory => {
            let needs = |c: &&&Contender<'_>| (c.row.memory.textbook.total_bytes, c.time());
            eligible.iter().min_by_key(needs).copied()
        }
        Goal::Accuracy => {
            let most = |rows: &[&'c Contender<'a>]| {
                let right = |c: &&&Contender<'_>| (c.row.correct, std::cmp::Reverse(c.time()));
                rows.iter().max_by_key(right).copied()
            };
            let only = |keep: &dyn Fn(&Contender<'_>) -> bool| -> Vec<&'c Contender<'a>> {
                eligible.iter().copied().filter(|c| keep(c)).collect()
            };
            let as_good = only(&|c| c.is_as_accurate());
            most(&only(&|c| c.differs(true)))
                .or_else(|| fastest(&as_good))
                .or_else(|| most(&eligible))
        }
    }
}

/// f32, unless another is clearly faster; of those the fastest, or one that is not clearly slower and changes
/// fewer labels.
fn fastest<'c, 'a>(eligible: &[&'c Contender<'a>]) -> Option<&'c Contender<'a>> {
    let best = *eligible.iter().min_by_key(|contender| contender.time())?;
    let f32 = eligible.iter().copied().find(|c| is_f32(c.row));
    if let Some(f32) = f32.filter(|f32| !best.clearly_faster(f32)) {
        return Some(f32);
    }
    let as_fast = eligible.iter().copied().filter(|c| {
        let gains = f32.is_none_or(|f32| c.clearly_faster(f32));
        c.at == best.at || gains && !best.clearly_faster(c)
    });
    as_fast.min_by_key(|contender| (contender.changes(), contender.time()))
}

fn f32_of<'a>(group: &[&Contender<'a>]) -> Option<&'a Row> {
    let f32 = group.iter().find(|contender| is_f32(contender.row))?;
    f32.row.end_to_end_ns.map(|_| f32.row)
}

/// `f16 1.02× (0.98 to 1.05), int8 0.78× (0.75 to 0.81)`: the other eligible rows, compared with f32.
fn alternatives(group: &[&Contender<'_>]) -> String {
    let others = group
        .iter()
        .filter(|c| c.excluded.is_none() && !is_f32(c.row));
    let speeds = others.filter_map(|c| {
        let speed = c.row.speed_vs_f32?;
        Some(format!("{} {} {}", c.name(), times(speed), interval(speed)))
    });
    speeds.collect::<Vec<_>>().join(", ")
}

fn sentence(best: &Contender<'_>, group: &[&Contender<'_>], images: usize, goal: Goal) -> String {
    let batch = count(best.batch() as u64);
    if is_f32(best.row) {
        let others = alternatives(group);
        if others.is_empty() {
            return format!("Stay on f32 at batch {batch}: no other precision is eligible there.");
        }
        let reason = match goal {
            Goal::Accuracy => {
                "no other precision is significantly more accurate, or as accurate and clearly faster"
            }
            _ => "no other precision is clearly faster",
        };
        return format!("Stay on f32 at batch {batch}: {reason} ({others}).");
    }
    let measured = compared_with_f32(best.row, f32_of(group), images);
    let what = match goal {
        Goal::Latency => "",
        Goal::Throughput => ", which classifies the most images a second, upload included",
        Goal::Memory => ", which needs the least memory",
        Goal::Accuracy if best.differs(true) => ", which is significantly more accurate",
        Goal::Accuracy if best.is_as_accurate() => {
            ", because no precision is significantly more accurate"
        }
        Goal::Accuracy => ", which is the most accurate of the eligible ones",
    };
    format!("Deploy {} at batch {batch}{what}: {measured}.", best.name())
}

/// What to do where the measurement is too uncertain for the decision.
fn caveat(best: &Contender<'_>, group: &[&Contender<'_>], warnings: &[Warning]) -> &'static str {
    if warnings
        .iter()
        .any(|warning| warning.kind == WarningKind::Busy)
    {
        return " The machine was busy: repeat the measurement.";
    }
    let gain = best.row.speed_vs_f32.map(|speed| speed.value - 1.0);
    let drifted = |row: &Row| {
        let samples = row.end_to_end_samples()?;
        let samples: Vec<u64> = samples.iter().map(|&sample| sample as u64).collect();
        drift(&samples).map(f64::abs)
    };
    let beside = f32_of(group).filter(|_| !is_f32(best.row));
    let most = beside.and_then(|f32| {
        let both = [drifted(best.row), drifted(f32)];
        both.into_iter().flatten().max_by(f64::total_cmp)
    });
    match (gain, most) {
        (Some(gain), Some(most)) if most > gain.abs() => {
            " The samples drifted by more than that gain: repeat the measurement."
        }
        _ => "",
    }
}

/// A sentence for each other row of the batch, and what limits the best.
fn reasons(best: &Contender<'_>, group: &[&Contender<'_>], images: usize) -> Vec<String> {
    let f32 = f32_of(group);
    let mut others: Vec<&&Contender<'_>> = group.iter().filter(|c| c.at != best.at).collect();
    others.sort_by_key(|contender| (contender.excluded.is_some(), contender.time()));
    let mut reasons = Vec::new();
    for other in others {
        let name = other.name();
        let measured = other.row.end_to_end_ns.is_some() && !is_f32(other.row);
        let measured = measured.then(|| compared_with_f32(other.row, f32, images));
        reasons.push(match (&other.excluded, measured) {
            (Some(why), Some(measured)) => {
                format!("{name} was excluded: {why}. Measured: {measured}.")
            }
            (Some(why), None) => format!("{name} was excluded: {why}."),
            (None, Some(measured)) => format!("{name}: {measured}."),
            // The others are compared with f32.
            (None, None) => continue,
        });
    }
    if best.row.accuracy.is_none() {
        reasons.push("The accuracy is unknown, because the images have no labels.".to_owned());
    }
    if let Some(why) = &best.row.why {
        reasons.push(format!("What limits {}: {}", best.name(), why.text));
    }
    reasons
}

fn at_batch(best: Option<&Contender<'_>>, group: &[&Contender<'_>]) -> String {
    let Some(best) = best else {
        return "no measured row is eligible".to_owned();
    };
    match best.row.speed_vs_f32 {
        _ if is_f32(best.row) => match alternatives(group) {
            others if others.is_empty() => "f32 (no other precision is eligible)".to_owned(),
            others => format!("f32 ({others})"),
        },
        Some(speed) => {
            let name = best.name();
            format!(
                "{name}, {} the speed of f32 {}",
                times(speed),
                interval(speed)
            )
        }
        None => best.name(),
    }
}

/// The eligible rows, the best first, then the excluded ones with their reasons.
fn candidates(best: &Contender<'_>, all: &[Contender<'_>], goal: Goal) -> Vec<Candidate> {
    let candidate = |contender: &Contender<'_>| {
        let elsewhere = goal != Goal::Throughput && contender.batch() != best.batch();
        let elsewhere = elsewhere.then(|| "the goal applies to another batch size".to_owned());
        Candidate {
            choice: contender.choice(),
            excluded: contender.excluded.clone().or(elsewhere),
        }
    };
    let mut order: Vec<&Contender<'_>> = all.iter().collect();
    // The time per image, so that batches of different sizes can be sorted.
    let each = |c: &Contender<'_>| c.time() / c.batch().max(1) as u64;
    order.sort_by_key(|contender| (contender.at != best.at, each(contender)));
    let mut candidates: Vec<Candidate> = order.into_iter().map(candidate).collect();
    candidates.sort_by_key(|candidate| candidate.excluded.is_some());
    candidates
}

/// The verdict where no row is eligible: which one comes closest, and what it lacks.
fn nothing(all: &[Contender<'_>], request: &Request, warnings: Vec<Warning>) -> Verdict {
    let measured = all.iter().filter(|c| c.row.end_to_end_ns.is_some());
    let broken = |c: &Contender<'_>| c.limits.iter().filter(|limit| !limit.met).count();
    let nearest = measured.min_by_key(|c| (broken(c), c.time()));
    let mut verdict = Verdict {
        warnings,
        candidates: all
            .iter()
            .map(|contender| Candidate {
                choice: contender.choice(),
                excluded: contender.excluded.clone(),
            })
            .collect(),
        ..Verdict::unmeasured(request.goal)
    };
    if let Some(nearest) = nearest {
        verdict.sentence = format!(
            "No measured row can be recommended; {} at batch {} comes closest.",
            nearest.name(),
            count(nearest.batch() as u64)
        );
        verdict.limits.clone_from(&nearest.limits);
    }
    let reason = |c: &Contender<'_>| {
        let why = c.excluded.as_ref()?;
        Some(format!(
            "{} at batch {}: {why}.",
            c.name(),
            count(c.batch() as u64)
        ))
    };
    verdict.reasons = all.iter().filter_map(reason).collect();
    verdict
}

#[cfg(test)]
mod tests;
