//! What a search chose and why, in words.

use super::document::SearchSubject;
use crate::search::{Exposure, Gain, Rival, SearchGoal, SearchOptions, SearchResult};
use crate::stats::Estimate;
use crate::units::{self, count, percent};

/// What was chosen and why, and what it does on the images that chose nothing.
pub(super) fn sentences(subject: &SearchSubject<'_>, result: &SearchResult) -> Vec<String> {
    let SearchOptions {
        max_drop,
        min_gain,
        goal,
        ..
    } = *subject.options;
    let mut all = choice(result, goal, min_gain);
    for (mode, found) in &result.rejected {
        all.push(match found.out_of_range {
            true => format!("{mode} seemed better, but leaves its range on the images to confirm with."),
            false => format!(
                "{mode} seemed better, but on the images to confirm with it changes the accuracy by {} points {}, and a loss of at most {} is \
                 allowed.",
                change(found.loss()),
                around(found.loss()),
                points(max_drop)
            ),
        });
    }
    all.push(confirmed(result, max_drop));
    all.push(
        match subject.exposure {
            Exposure::HeldBack => {
                "The network has not learned from any of these images: its metadata name this training split, of which 'train' held \
                 them back."
            }
            Exposure::OtherSplit => {
                "By its metadata (data_sha256) the network was trained on another split than this one. It may still have learned from some \
                 of these images, if both splits share them."
            }
            Exposure::Unknown => {
                "The network does not say whether it has learned from these images. If it has, these accuracies are too high: give \
                 other images with --data."
            }
        }
        .to_owned(),
    );
    all
}

/// What the result does on the images that did not choose it.
fn confirmed(result: &SearchResult, max_drop: f64) -> String {
    let found = &result.confirmation;
    let interval = found.interval();
    let used = match result.rejected.len() {
        0 => "that were not used to choose".to_owned(),
        _ => format!(
            "that were used only to reject {}",
            (result.rejected.iter().map(|(mode, _)| mode.to_string()))
                .collect::<Vec<_>>()
                .join(", ")
        ),
    };
    let mut text = format!(
        "On {} images {used}, {} has an accuracy of {} ({} to {})",
        count(found.images),
        result.best.mode,
        percent(found.accuracy()),
        percent(interval.low),
        percent(interval.high)
    );
    if result.best.mode != result.f32.mode {
        let loss = found.loss();
        text += &format!(", {} points against f32 {}", change(loss), around(loss));
        if loss.high > max_drop {
            text += &format!(
                ". A loss of {} is within that interval, so more images are needed to know whether the limit is kept",
                points(max_drop)
            );
        }
    }
    text + "."
}

/// Why the best is the best.
fn choice(result: &SearchResult, goal: SearchGoal, min_gain: f64) -> Vec<String> {
    let name = |at: usize| result.finalists[at].trial.mode.to_string();
    let plain = name(result.plain);
    let least = format!("{}%", (1_000.0 * min_gain).round() / 10.0);
    let (better, decides) = match goal {
        SearchGoal::Latency => ("faster", ", and a longer --min-time may decide it"),
        SearchGoal::Memory => ("smaller", ""),
    };
    let is = |rival: Rival, than: &str| match goal {
        SearchGoal::Latency => {
            let Estimate { value, low, high } = rival.gain;
            format!("is {value:.2}× as fast as {than} ({low:.2} to {high:.2})")
        }
        SearchGoal::Memory => {
            format!(
                "takes {:.1}% of the bytes of {than}",
                100.0 / rival.gain.value
            )
        }
    };
    let mut all = Vec::new();
    if plain == "f32" {
        all.push(match result.instead_of_f32 {
            Some(rival) if rival.verdict == Gain::Undecided => format!(
                "It is undecided whether one precision for all layers is {better} than f32 by {least}: {} {}{decides}.",
                name(rival.at),
                is(rival, "f32")
            ),
            Some(rival) => format!(
                "No precision for all layers is {better} than f32 by {least}: the best one, {}, {}.",
                name(rival.at),
                is(rival, "f32")
            ),
            None => "No other precision for all layers is within the allowed accuracy loss.".to_owned(),
        });
    }
    let than = format!("plain {plain}");
    all.push(match result.mixed {
        None => format!("No mix is within the allowed accuracy loss, so {than} is the result."),
        Some(mix) if mix.at == result.best_at => {
            format!("The mix {} {}, the best precision for all layers.", name(mix.at), is(mix, &than))
        }
        Some(mix) if mix.verdict == Gain::TooLittle => format!(
            "No mix is better than {than} here: the best one, {}, {}, and a mix must be {better} by {least}.",
            name(mix.at),
            is(mix, &than)
        ),
        Some(mix) if mix.verdict == Gain::Enough => format!(
            "The mix {} {}, but another precision for all layers seems {better} still.",
            name(mix.at),
            is(mix, &than)
        ),
        Some(mix) => format!(
            "No mix is surely better than {than} here: the best one, {}, {}, and a mix must be {better} by {least}{decides}.",
            name(mix.at),
            is(mix, &than)
        ),
    });
    all
}

/// `+0.04`: the change of the accuracy in points, of a loss.
pub(super) fn change(loss: Estimate) -> String {
    units::points(-100.0 * loss.value)
}

/// `(−0.18 to +0.10)`
pub(super) fn around(loss: Estimate) -> String {
    let [low, high] = [loss.high, loss.low].map(|end| units::points(-100.0 * end));
    format!("({low} to {high})")
}

/// `0.12 points`
pub(super) fn points(share: f64) -> String {
    format!("{:.2} points", 100.0 * share)
}
