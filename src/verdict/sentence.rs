//! The sentences of a verdict.

use super::choose::Choice;
use super::contender::{Answer, Contender, Exclusion, held, is_reference_scheme};
use super::limits::is_f32;
use super::types::Goal;
use super::words::{accuracy, compared_with_f32, interval, speed, times};
use crate::results::{Row, Warning, WarningKind};
use crate::stats::drift;
use crate::units::{bytes, count, duration};

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
        Some(format!("{name} {}{}", times(speed), interval(c.row, speed)))
    });
    speeds.collect::<Vec<_>>().join(", ")
}

/// What to deploy, where, and how much faster it is.
pub(super) fn headline(choice: Choice<'_, '_>, group: &[&Contender<'_>], goal: Goal) -> String {
    let best = choice.best;
    let batch = count(best.batch() as u64);
    if let Some(rival) = choice.rival {
        let within = match best.differs_by(rival) {
            Some(share) => format!("within {:.0}%", (100.0 * share).ceil()),
            None => "too few samples to compare them".to_owned(),
        };
        let fast = if is_f32(best.row) {
            String::new()
        } else {
            format!(", {}", speed_or_time(best.row))
        };
        // Of several adapters the names say which.
        let on = if best.on().is_empty() {
            best.place()
        } else {
            String::new()
        };
        return format!(
            "Undecided between {} and {}{on} at batch {batch} ({within}). Suggested: {}, the simpler one{fast}.",
            best.name(),
            rival.name(),
            best.name()
        );
    }
    if is_f32(best.row) {
        let others = alternatives(best, group);
        let on = best.place();
        if others.is_empty() {
            return format!(
                "Stay on f32{on} at batch {batch}: no other precision is eligible there."
            );
        }
        let reason = match goal {
            Goal::Accuracy => {
                "no other precision is significantly more accurate, or as accurate and clearly faster"
                    .to_owned()
            }
            Goal::Memory => "no other precision needs less memory".to_owned(),
            Goal::Latency | Goal::Throughput => {
                format!("no other eligible precision is faster by {}", least_gain(best))
            }
        };
        return format!("Stay on f32{on} at batch {batch}: {reason} ({others}).");
    }
    let what = match goal {
        Goal::Latency => "",
        Goal::Throughput => ", for the most images a second, upload included",
        Goal::Memory => ", which needs the least memory",
        Goal::Accuracy if best.differs(true) => ", which is significantly more accurate",
        Goal::Accuracy if best.is_as_accurate() => {
            ", because no precision is significantly more accurate"
        }
        Goal::Accuracy => ", which is the most accurate of the eligible ones",
    };
    format!(
        "Deploy {}{} at batch {batch}{what}: {}.",
        best.row.name,
        best.place(),
        speed_or_time(best.row)
    )
}

/// `2.86× the speed of f32 (2.81 to 2.96)`, or the time where f32 was not measured beside it.
fn speed_or_time(row: &Row) -> String {
    let time = |time: u64| format!("{} a batch", duration(time as f64));
    let known = speed(row).or(row.end_to_end_ns.map(time));
    known.unwrap_or_else(|| "not measured".to_owned())
}

/// What the row to deploy costs, how much slower other adapters are, and what to do about a measurement in doubt.
pub(super) fn details(
    choice: Choice<'_, '_>,
    group: &[&Contender<'_>],
    images: usize,
    warnings: &[Warning],
) -> Vec<String> {
    let best = choice.best;
    let mut lines = vec![costs(best, group, images)];
    if best.is_on_software_adapter() {
        lines.push(format!(
            "{} is a software adapter: its times say nothing about a GPU.",
            best.devices.name(best.adapter())
        ));
    }
    lines.extend(faster_but_excluded(best, group));
    lines.extend(elsewhere(best, group));
    if let Some(rival) = choice.rival {
        lines.push(match best.differs_by(rival) {
            Some(_) => "More samples may decide it (a longer --max-time, or more --runs); --min-gain sets how much faster a precision must be.",
            None => "More samples may decide it.",
        }.to_owned());
    }
    lines.extend(caveat(best, group, warnings).map(str::to_owned));
    lines
}

/// `Accuracy 88.87%, +0.03 points against f32 (−0.02 to +0.08). Memory 67.1 KiB, 33% of f32's.`
fn costs(best: &Contender<'_>, group: &[&Contender<'_>], images: usize) -> String {
    let mut text = accuracy(best.row, images);
    if let Some(own) = held(best.row) {
        text.push_str(&format!(" Memory {}", bytes(own)));
        let f32 = f32_beside(best, group).filter(|_| !is_f32(best.row));
        if let Some(f32) = f32.and_then(held) {
            let share = 100.0 * own as f64 / f32.max(1) as f64;
            text.push_str(&format!(", {share:.0}% of f32's"));
        }
        text.push('.');
    }
    text
}

/// Why the fastest row of the same adapter is not recommended, if it is faster by the least gain and misses a limit.
fn faster_but_excluded(best: &Contender<'_>, group: &[&Contender<'_>]) -> Option<String> {
    let missed = |c: &&&Contender<'_>| c.is_beside(best) && c.limits.iter().any(|l| !l.met);
    let excluded = group
        .iter()
        .filter(|c| c.excluded.is_some() && !is_reference_scheme(c.row));
    let fastest = excluded.filter(missed).min_by_key(|c| c.time())?;
    if best.is_slower_than(fastest) != Answer::Yes {
        return None;
    }
    let why = fastest.excluded.as_ref()?.text();
    let speed = speed_or_time(fastest.row);
    Some(format!(
        "{} is faster, {speed}, but {why}.",
        fastest.row.name
    ))
}

/// How long the fastest row of each other adapter takes, beside the one to deploy.
fn elsewhere(best: &Contender<'_>, group: &[&Contender<'_>]) -> Vec<String> {
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
        let reference = match fastest.excluded {
            Some(Exclusion::SoftwareAdapter) => " (a software adapter)",
            _ => "",
        };
        Some(format!(
            "The fastest row{} takes {times}× as long{reference}.",
            fastest.on()
        ))
    };
    adapters.into_iter().filter_map(of).collect()
}

/// What to do where the measurement is too uncertain for the decision.
fn caveat(
    best: &Contender<'_>,
    group: &[&Contender<'_>],
    warnings: &[Warning],
) -> Option<&'static str> {
    if warnings
        .iter()
        .any(|warning| warning.kind == WarningKind::Busy)
    {
        return Some("The machine was busy: repeat the measurement.");
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
            Some("The samples drifted by more than that gain: repeat the measurement.")
        }
        _ => None,
    }
}

/// A sentence for each other row of the batch, and what limits the best.
pub(super) fn reasons(
    best: &Contender<'_>,
    group: &[&Contender<'_>],
    goal: Goal,
    images: usize,
) -> Vec<String> {
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
                (None, Some(measured)) => {
                    let little = gains_too_little(best, other, goal).unwrap_or_default();
                    format!("{name}: {measured}.{little}")
                }
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

/// Why a row that takes less time is not the best; none where it takes no less, or where that is not the reason.
fn gains_too_little(best: &Contender<'_>, other: &Contender<'_>, goal: Goal) -> Option<String> {
    let by_time = matches!(goal, Goal::Latency | Goal::Throughput);
    let little = by_time && other.time() < best.time() && best.is_slower_than(other) == Answer::No;
    (little && best.simplicity() < other.simplicity()).then(|| {
        format!(
            " It is not faster than {} by {}, the least gain for which a less simple precision is recommended (--min-gain).",
            best.name(),
            least_gain(best)
        )
    })
}

/// The decision at one batch size.
pub(super) fn at_batch(choice: Option<Choice<'_, '_>>, group: &[&Contender<'_>]) -> String {
    let Some(Choice { best, rival }) = choice else {
        return "no measured row is eligible".to_owned();
    };
    if let Some(rival) = rival {
        return format!("undecided between {} and {}", best.name(), rival.name());
    }
    match best.row.speed_vs_f32 {
        _ if is_f32(best.row) => match alternatives(best, group) {
            others if others.is_empty() => {
                format!("{} (no other precision is eligible)", best.name())
            }
            others => format!("{} ({others})", best.name()),
        },
        Some(_) => format!("{}, {}", best.name(), speed_or_time(best.row)),
        None => best.name(),
    }
}

/// The least gain as a percentage: `5%`.
fn least_gain(contender: &Contender<'_>) -> String {
    let percent = 100.0 * contender.min_gain();
    format!("{}%", (percent * 10.0).round() / 10.0)
}
