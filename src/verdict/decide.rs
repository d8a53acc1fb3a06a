//! The decision: which rows are eligible, and which of them is the best for the goal.

use super::choose::{Choice, choose};
use super::contender::{Contender, Devices, Exclusion};
use super::limits::is_f32;
use super::sentence::{at_batch, details, headline, reasons};
use super::types::{AtBatch, Candidate, DEFAULT_MIN_GAIN, Goal, Request, Undecided, Verdict};
use crate::adapter::AdapterInfo;
use crate::results::{Row, Warning};
use crate::units::count;

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
    let all = contenders(rows, images, adapters, request);
    let mut batches: Vec<usize> = all.iter().map(Contender::batch).collect();
    batches.sort_unstable();
    batches.dedup();
    let group = |batch: usize| -> Vec<&Contender<'_>> {
        all.iter().filter(|c| c.batch() == batch).collect()
    };
    let decided = batch_of_goal(&all, request).and_then(|batch| {
        let group = group(batch);
        choose(&group, request.goal).map(|choice| (choice, group))
    });
    let Some((choice, of_goal)) = decided else {
        return nothing(&all, request, warnings);
    };
    let at = |batch: usize| {
        let group = group(batch);
        let choice = choose(&group, request.goal);
        AtBatch {
            batch,
            recommended: choice.map(|choice| choice.best.choice()),
            undecided: choice.and_then(undecided),
            sentence: at_batch(choice, &group),
        }
    };
    Verdict {
        goal: request.goal,
        sentence: headline(choice, &of_goal, request.goal),
        details: details(choice, &of_goal, images, &warnings),
        reasons: reasons(choice.best, &of_goal, request.goal, images),
        recommended: Some(choice.best.choice()),
        undecided: undecided(choice),
        runner_up: choice.runner_up(&of_goal).map(Contender::choice),
        limits: choice.best.limits.clone(),
        candidates: candidates(choice.best, &all, request.goal),
        batches: batches.into_iter().map(at).collect(),
        warnings,
    }
}

/// The rows, all of one batch size, of which more samples are needed to decide which to deploy.
#[must_use]
pub fn unsettled(
    rows: &[Row],
    images: usize,
    adapters: &[&AdapterInfo],
    request: &Request,
) -> Vec<usize> {
    let all = contenders(rows, images, adapters, request);
    let group: Vec<&Contender<'_>> = all.iter().collect();
    let choice = choose(&group, request.goal);
    let Some((best, rival)) = choice.and_then(|choice| Some((choice.best, choice.rival?))) else {
        return Vec::new();
    };
    // Both are compared with every f32.
    let f32 = all
        .iter()
        .filter(|one| is_f32(one.row) && one.excluded.is_none());
    let mut open: Vec<usize> = f32.map(|contender| contender.at).collect();
    open.extend([best.at, rival.at]);
    open.sort_unstable();
    open.dedup();
    open
}

fn contenders<'a>(
    rows: &'a [Row],
    images: usize,
    adapters: &'a [&'a AdapterInfo],
    request: &Request,
) -> Vec<Contender<'a>> {
    let devices = Devices(adapters);
    let rows = rows.iter().enumerate();
    rows.map(|(at, row)| Contender::new(at, row, images, request, devices))
        .collect()
}

/// The batch size that the goal looks at; none where no row is eligible.
fn batch_of_goal(all: &[Contender<'_>], request: &Request) -> Option<usize> {
    let eligible = || all.iter().filter(|contender| contender.excluded.is_none());
    match request.goal {
        Goal::Throughput => {
            let speed = |contender: &Contender<'_>| contender.row.speed().unwrap_or(0.0);
            let highest = eligible().map(speed).max_by(f64::total_cmp)?;
            // A larger batch has to be worth its latency.
            let enough = highest / (1.0 + request.min_gain.unwrap_or(DEFAULT_MIN_GAIN));
            let fast = eligible().filter(|contender| speed(contender) >= enough);
            fast.map(Contender::batch).min()
        }
        _ => eligible().map(Contender::batch).min(),
    }
}

fn undecided(choice: Choice<'_, '_>) -> Option<Undecided> {
    let rival = choice.rival?;
    Some(Undecided {
        other: rival.choice(),
        within: choice.best.differs_by(rival),
    })
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
    let why = |c: &Contender<'_>| {
        let why = c.excluded.as_ref()?.text();
        let batch = count(c.batch() as u64);
        Some(format!("{} at batch {batch}: {why}.", c.name()))
    };
    if let Some(nearest) = nearest {
        verdict.sentence = format!(
            "No measured row can be recommended; {} at batch {} comes closest.",
            nearest.name(),
            count(nearest.batch() as u64)
        );
        verdict.details = why(nearest).into_iter().collect();
        verdict.limits.clone_from(&nearest.limits);
    }
    verdict.reasons = all.iter().filter_map(why).collect();
    verdict
}

#[cfg(test)]
mod tests;
