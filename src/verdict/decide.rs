//! The decision: which rows are eligible, which of them is the best for the goal, and the sentences that say so.

use super::limits::{broken, check, is_f32};
use super::types::{
    AtBatch, Candidate, DEFAULT_MIN_GAIN, Goal, LimitCheck, Request, RowReference, Verdict,
};
use super::words::{compared_with_f32, interval, times};
use crate::Scheme;
use crate::adapter::{AdapterInfo, Kind};
use crate::engine::Place;
use crate::results::{Row, Status, Warning, WarningKind};
use crate::stats::{Paired, SIGNIFICANT, drift, ratio_of_medians};
use crate::units::count;

/// What is measured on, as far as it matters to the decision.
#[derive(Clone, Copy, Debug)]
struct Devices<'a>(&'a [&'a AdapterInfo]);

impl<'a> Devices<'a> {
    /// The adapter of this place; none for a row of an adapter that is not known.
    fn of(self, adapter: usize) -> Option<&'a AdapterInfo> {
        self.0.get(adapter).copied()
    }

    /// What a sentence calls an adapter.
    fn name(self, adapter: usize) -> &'a str {
        match self.of(adapter) {
            Some(info) if info.kind == Kind::Cpu => "the CPU",
            Some(info) => &info.name,
            None => "another adapter",
        }
    }

    /// Whether this is a software adapter beside the CPU path, which does the same work on the same processor.
    fn is_software_beside_cpu(self, adapter: usize) -> bool {
        let is = |info: &AdapterInfo, kind| info.kind == kind;
        self.of(adapter)
            .is_some_and(|info| is(info, Kind::Software))
            && self.0.iter().any(|info| is(info, Kind::Cpu))
    }
}

/// Why a row is excluded from the choice.
#[derive(Clone, Debug)]
enum Exclusion {
    /// For a reason of its own.
    Own(String),
    /// All rows of its adapter are.
    SoftwareAdapter,
}

impl Exclusion {
    fn text(&self) -> String {
        match self {
            Self::Own(text) => text.clone(),
            Self::SoftwareAdapter => {
                "it ran on a software adapter, which is measured only for reference".to_owned()
            }
        }
    }
}

/// A row, and why it is excluded from the choice if it is.
struct Contender<'a> {
    at: usize,
    row: &'a Row,
    devices: Devices<'a>,
    min_gain: f64,
    limits: Vec<LimitCheck>,
    excluded: Option<Exclusion>,
}

impl<'a> Contender<'a> {
    fn new(
        at: usize,
        row: &'a Row,
        images: usize,
        request: &Request,
        devices: Devices<'a>,
    ) -> Self {
        let limits = check(request, row, images);
        let adapter = row.requested.adapter;
        let on_adapter = devices
            .of(adapter)
            .is_some_and(|info| info.kind != Kind::Cpu);
        let excluded = match (row.status, row.effective.device) {
            (Status::Unsupported | Status::Overflow | Status::Failed, _) => {
                row.detail.clone().map(Exclusion::Own)
            }
            _ if devices.is_software_beside_cpu(adapter) => Some(Exclusion::SoftwareAdapter),
            (Status::Ok, Some(Place::Cpu)) if on_adapter => Some(Exclusion::Own(format!(
                "it ran on the CPU, not on the adapter: {}",
                row.effective
                    .reason
                    .as_deref()
                    .unwrap_or("no reason is known")
            ))),
            (Status::Ok, _) if is_reference_scheme(row) && !request.reference_scheme => {
                Some(Exclusion::Own(REFERENCE_SCHEME.to_owned()))
            }
            (Status::Ok, _) => {
                let broken = limits.iter().find(|limit| !limit.met).map(broken);
                broken.map(Exclusion::Own)
            }
        };
        Self {
            at,
            row,
            devices,
            min_gain: request.min_gain.unwrap_or(DEFAULT_MIN_GAIN),
            limits,
            excluded,
        }
    }

    /// Its name, with the adapter where several are measured.
    fn name(&self) -> String {
        format!("{}{}", self.row.name, self.on())
    }

    /// ` on llvmpipe`; empty where only one adapter is measured.
    fn on(&self) -> String {
        if self.devices.0.len() < 2 {
            return String::new();
        }
        format!(" on {}", self.devices.name(self.adapter()))
    }

    fn adapter(&self) -> usize {
        self.row.requested.adapter
    }

    /// Whether it is of the same adapter as another.
    fn is_beside(&self, other: &Self) -> bool {
        self.adapter() == other.adapter()
    }

    fn is_on_cpu_path(&self) -> bool {
        let info = self.devices.of(self.adapter());
        info.is_some_and(|info| info.kind == Kind::Cpu)
    }

    fn batch(&self) -> usize {
        self.row.effective.batch
    }

    fn choice(&self) -> RowReference {
        RowReference {
            row: self.at,
            name: self.row.name.clone(),
            batch: self.batch(),
            adapter: self.adapter(),
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
        ratio.is_some_and(|ratio| ratio.low > 1.0 && ratio.value >= 1.0 + self.min_gain)
    }
}

/// Why the reference scheme of int8 is not recommended unless it was asked for.
const REFERENCE_SCHEME: &str = "it is the reference scheme, in which the result for an image depends on the other images of its \
                                batch; --scheme dynamic-tensor allows it";

fn is_reference_scheme(row: &Row) -> bool {
    row.requested.scheme == Some(Scheme::DynamicTensor)
}

/// Decides which of `rows`, measured on `images` images, to deploy. `adapters` are what was measured on, in the order of
/// the result's adapters. `warnings` concern the measurement as a whole.
#[must_use]
pub fn decide(
    rows: &[Row],
    images: usize,
    adapters: &[&AdapterInfo],
    request: &Request,
    warnings: Vec<Warning>,
) -> Verdict {
    let devices = Devices(adapters);
    let new = |(at, row)| Contender::new(at, row, images, request, devices);
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
        Goal::Latency | Goal::Throughput => fastest_of_all(&eligible),
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
                .or_else(|| fastest_of_all(&as_good))
                .or_else(|| most(&eligible))
        }
    }
}

/// The fastest of each adapter; of those the CPU path's, which needs no driver, unless another is clearly faster.
fn fastest_of_all<'c, 'a>(eligible: &[&'c Contender<'a>]) -> Option<&'c Contender<'a>> {
    let mut adapters: Vec<usize> = eligible.iter().map(|c| c.adapter()).collect();
    adapters.sort_unstable();
    adapters.dedup();
    let of = |adapter: &usize| {
        let own: Vec<&Contender<'_>> = eligible
            .iter()
            .copied()
            .filter(|c| c.adapter() == *adapter)
            .collect();
        fastest(&own)
    };
    let mut all: Vec<&'c Contender<'a>> = adapters.iter().filter_map(of).collect();
    all.sort_by_key(|contender| !contender.is_on_cpu_path());
    all.into_iter().reduce(|best, other| {
        if other.clearly_faster(best) {
            other
        } else {
            best
        }
    })
}

/// f32, unless another is clearly faster; of those the fastest, or one that is not clearly slower and changes
/// fewer labels. All are of one adapter.
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

/// The f32 row of a contender's adapter.
fn f32_beside<'a>(of: &Contender<'a>, group: &[&Contender<'a>]) -> Option<&'a Row> {
    let f32 = group
        .iter()
        .find(|contender| is_f32(contender.row) && contender.is_beside(of))?;
    f32.row.end_to_end_ns.map(|_| f32.row)
}

/// `f16 1.02× (0.98 to 1.05), int8 0.78× (0.75 to 0.81)`: the other eligible rows of its adapter, compared with f32.
fn alternatives(best: &Contender<'_>, group: &[&Contender<'_>]) -> String {
    let others = group
        .iter()
        .filter(|c| c.excluded.is_none() && !is_f32(c.row) && c.is_beside(best));
    let speeds = others.filter_map(|c| {
        let (name, speed) = (&c.row.name, c.row.speed_vs_f32?);
        Some(format!("{name} {} {}", times(speed), interval(speed)))
    });
    speeds.collect::<Vec<_>>().join(", ")
}

fn sentence(best: &Contender<'_>, group: &[&Contender<'_>], images: usize, goal: Goal) -> String {
    let batch = count(best.batch() as u64);
    let (on, elsewhere) = (best.on(), elsewhere(best, group));
    if is_f32(best.row) {
        let others = alternatives(best, group);
        if others.is_empty() {
            return format!(
                "Stay on f32{on} at batch {batch}: no other precision is eligible there.{elsewhere}"
            );
        }
        let reason = match goal {
            Goal::Accuracy => {
                "no other precision is significantly more accurate, or as accurate and clearly faster"
            }
            _ => "no other precision is clearly faster",
        };
        return format!("Stay on f32{on} at batch {batch}: {reason} ({others}).{elsewhere}");
    }
    let measured = compared_with_f32(best.row, f32_beside(best, group), images);
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
    format!(
        "Deploy {} at batch {batch}{what}: {measured}.{elsewhere}",
        best.name()
    )
}

/// How long the fastest row of each other adapter takes, beside the one to deploy.
fn elsewhere(best: &Contender<'_>, group: &[&Contender<'_>]) -> String {
    // What is excluded by itself is no alternative.
    let open = |c: &Contender<'_>| matches!(c.excluded, None | Some(Exclusion::SoftwareAdapter));
    let measured = group
        .iter()
        .filter(|c| c.row.end_to_end_ns.is_some() && open(c) && !c.is_beside(best));
    let mut adapters: Vec<usize> = measured.clone().map(|c| c.adapter()).collect();
    adapters.sort_unstable();
    adapters.dedup();
    let of = |adapter: usize| {
        let own = measured.clone().filter(|c| c.adapter() == adapter);
        let fastest = own.min_by_key(|c| c.time())?;
        let times = fastest.time() as f64 / best.time().max(1) as f64;
        let times = if times < 9.95 {
            format!("{times:.1}")
        } else {
            format!("{times:.0}")
        };
        Some(format!(
            " The fastest row{} takes {times}× as long.",
            fastest.on()
        ))
    };
    adapters.into_iter().filter_map(of).collect()
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
    let beside = f32_beside(best, group).filter(|_| !is_f32(best.row));
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
    let mut others: Vec<&&Contender<'_>> = group.iter().filter(|c| c.at != best.at).collect();
    others.sort_by_key(|contender| (contender.excluded.is_some(), contender.time()));
    let mut reasons = Vec::new();
    let mut software: Vec<usize> = Vec::new();
    for other in others {
        if matches!(other.excluded, Some(Exclusion::SoftwareAdapter)) {
            // Once for all its rows.
            if !software.contains(&other.adapter()) {
                software.push(other.adapter());
                reasons.push(format!(
                    "{} is a software adapter: it runs shaders on the CPU. It was measured only for reference.",
                    other.devices.name(other.adapter())
                ));
            }
            continue;
        }
        let name = other.name();
        let measured = other.row.end_to_end_ns.is_some() && !is_f32(other.row);
        let f32 = f32_beside(other, group);
        let measured = measured.then(|| compared_with_f32(other.row, f32, images));
        reasons.push(
            match (other.excluded.as_ref().map(Exclusion::text), measured) {
                (Some(why), Some(measured)) => {
                    format!("{name} was excluded: {why}. Measured: {measured}.")
                }
                (Some(why), None) => format!("{name} was excluded: {why}."),
                (None, Some(measured)) => format!("{name}: {measured}."),
                // The others are compared with f32.
                (None, None) => continue,
            },
        );
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
        _ if is_f32(best.row) => match alternatives(best, group) {
            others if others.is_empty() => {
                format!("{} (no other precision is eligible)", best.name())
            }
            others => format!("{} ({others})", best.name()),
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
            excluded: contender
                .excluded
                .as_ref()
                .map(Exclusion::text)
                .or(elsewhere),
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
                excluded: contender.excluded.as_ref().map(Exclusion::text),
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
        let why = c.excluded.as_ref()?.text();
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
