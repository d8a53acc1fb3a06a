//! The rows are made up, so that each decision follows from the figures beside it.

use std::time::Duration;

use super::*;
use crate::adapter::Kind;
use crate::cpu::Processor;
use crate::engine::Place;
use crate::memory::footprint;
use crate::results::{Mcnemar, Requested};
use crate::results::{Status, WarningKind};
use crate::stats::{CONFIDENCE, SIGNIFICANT, Samples, mcnemar};
use crate::verdict::types::{LimitName, UnknownAccuracy};
use crate::{Precision, Scheme};

const IMAGES: usize = 10_000;

/// A row whose batch takes about so many nanoseconds.
fn row(precision: Precision, batch: usize, time: u64) -> Row {
    let requested = Requested::new(&precision.into(), batch);
    let mut row = Row::new(
        requested,
        batch,
        footprint(&[784, 64, 10], precision, batch),
    );
    let samples: Vec<Duration> = (0..40)
        .map(|at| Duration::from_nanos(time + time * (at * 7 % 10) / 500))
        .collect();
    let wall = Samples::new(&samples).unwrap();
    row.upload_ns = Some(0);
    row.upload_samples_ns = Some(vec![0; 40]);
    row.blocks = vec![10; 4];
    row.end_to_end_ns = Some(wall.median);
    row.wall_ns = Some(wall);
    row.effective.device = Some(Place::Gpu);
    row.memory.device_allocated_bytes = Some(100 << 10);
    (row.accuracy, row.correct) = (Some(0.88), Some(8800));
    row.label_changes = Some(0);
    row
}

/// The same with labels that only f32, or only this precision, has right.
fn with_labels(mut row: Row, f32_only: u64, this_only: u64) -> Row {
    row.mcnemar = Some(Mcnemar {
        f32_only,
        this_only,
        p: mcnemar(f32_only, this_only),
    });
    row.label_changes = Some((f32_only + this_only) as usize);
    let correct = 8800 + this_only - f32_only;
    row.correct = Some(correct as usize);
    row
}

/// f32, f16 and int8 with these times at a batch size; int8 changes 100 labels for the worse or the better.
fn three(batch: usize, times: [u64; 3]) -> Vec<Row> {
    let [f32, f16, int8] = times;
    let mut rows = vec![
        row(Precision::F32, batch, f32),
        with_labels(row(Precision::F16, batch, f16), 0, 0),
        with_labels(row(Precision::Int8, batch, int8), 54, 46),
    ];
    rows[2].memory.device_allocated_bytes = Some(25 << 10);
    compared(&mut rows);
    rows
}

/// Compares rows with the first one.
fn compared(rows: &mut [Row]) {
    let f32 = rows[0].clone();
    for row in rows {
        let ratios = row.times_of(&f32);
        row.speed_vs_f32 = ratios.map(|ratios| ratios.estimate(CONFIDENCE));
    }
}

fn verdict(rows: &[Row], request: Request) -> Verdict {
    decide(rows, IMAGES, &[&gpu()], &request, Vec::new())
}

fn cpu() -> AdapterInfo {
    AdapterInfo::cpu(1, Processor::default().info())
}

/// An adapter of a kind.
fn adapter(kind: Kind) -> AdapterInfo {
    AdapterInfo {
        kind,
        name: "an adapter".into(),
        ..cpu()
    }
}

fn gpu() -> AdapterInfo {
    adapter(Kind::Discrete)
}

fn of(goal: Goal) -> Request {
    Request {
        goal,
        ..Request::default()
    }
}

/// The lines that every output begins with.
fn whole(verdict: &Verdict) -> String {
    let mut text = verdict.sentence.clone();
    for line in &verdict.details {
        text.push('\n');
        text.push_str(line);
    }
    text
}

/// `name at batch` of the row to deploy.
fn recommended(rows: &[Row], request: Request) -> String {
    let found = verdict(rows, request).recommended;
    found.map_or("nothing".to_owned(), |c| {
        format!("{} at {}", c.name, c.batch)
    })
}

#[test]
fn what_is_clearly_faster_is_recommended_and_the_sentence_says_why() {
    let rows = three(1, [1000, 990, 500]);
    let found = verdict(&rows, of(Goal::Latency));
    assert_eq!(found.recommended.as_ref().map(|choice| choice.row), Some(2));
    for words in [
        "Deploy int8 on an adapter at batch 1",
        "2.00× the speed of f32",
        "Accuracy 88.00%, −0.08 points against f32 (−0.28 to +0.12)",
        "Memory 25.0 KiB, 25% of f32's",
    ] {
        assert!(whole(&found).contains(words), "{words}: {}", whole(&found));
    }
    assert!(
        found
            .reasons
            .iter()
            .any(|reason| reason.starts_with("f16: 1.01×"))
    );
    let names: Vec<&str> = found
        .candidates
        .iter()
        .map(|c| c.choice.name.as_str())
        .collect();
    assert_eq!(names, ["int8", "f16", "f32"]);
}

#[test]
fn what_is_hardly_faster_is_no_reason_to_leave_f32() {
    let found = verdict(&three(1, [1000, 970, 1400]), of(Goal::Latency));
    assert_eq!(
        found.recommended.map(|choice| choice.name).as_deref(),
        Some("f32")
    );
    for words in [
        "Stay on f32 on an adapter at batch 1",
        "f16 1.03×",
        "int8 0.71×",
    ] {
        assert!(
            found.sentence.contains(words),
            "{words}: {}",
            found.sentence
        );
    }
}

#[test]
fn of_those_that_are_as_fast_the_simplest_is_recommended() {
    assert_eq!(
        recommended(&three(1, [1000, 510, 500]), of(Goal::Latency)),
        "f16 at 1"
    );
    assert_eq!(
        recommended(&three(1, [1000, 600, 500]), of(Goal::Latency)),
        "int8 at 1"
    );
    let little = |times: [u64; 3]| {
        let reasons = verdict(&three(1, times), of(Goal::Latency)).reasons;
        let about = |reason: &&String| reason.contains("not faster than f16 by 5%");
        let about: Vec<&String> = reasons.iter().filter(about).collect();
        about.iter().all(|reason| reason.starts_with("int8")) && about.len() == 1
    };
    assert!(little([1000, 510, 500]));
    // It is slower, or it is the recommended one.
    assert!(!little([1000, 500, 510]) && !little([1000, 600, 500]));
}

/// f32, and int8 that is faster by these shares in its blocks.
fn gaining(shares: &[f64]) -> Vec<Row> {
    let mut rows = vec![
        row(Precision::F32, 1, 1000),
        with_labels(row(Precision::Int8, 1, 1000), 54, 46),
    ];
    for row in &mut rows {
        let int8 = row.requested.precision == Precision::Int8;
        let time = |share: &f64| if int8 { 1e6 / (1.0 + share) } else { 1e6 };
        let of_block = |share| [Duration::from_nanos(time(share) as u64); 10];
        let samples: Vec<Duration> = shares.iter().flat_map(of_block).collect();
        let wall = Samples::new(&samples).unwrap();
        row.end_to_end_ns = Some(wall.median);
        row.upload_samples_ns = Some(vec![0; samples.len()]);
        row.wall_ns = Some(wall);
        row.blocks = vec![10; shares.len()];
    }
    compared(&mut rows);
    rows
}

#[test]
fn what_the_blocks_leave_open_is_undecided_and_the_simpler_one_is_suggested() {
    let verdict = |shares: &[f64]| verdict(&gaining(shares), of(Goal::Latency));
    let more = |shares: &[f64]| {
        let rows = gaining(shares);
        unsettled(&rows, IMAGES, &[&gpu()], &of(Goal::Latency))
    };
    let name = |found: &Verdict| found.recommended.clone().map(|row| row.name).unwrap();
    // A gain of 6% in the mean, in four blocks that differ by far more than that.
    let open = [0.0, 0.12, -0.1, 0.22];
    let found = verdict(&open);
    assert_eq!(name(&found), "f32");
    let undecided = found.undecided.as_ref().expect("an undecided verdict");
    assert_eq!(undecided.other.name, "int8");
    assert!(undecided.within.unwrap() > 0.2, "{undecided:?}");
    assert_eq!(found.runner_up, Some(undecided.other.clone()));
    for words in [
        "Undecided between f32 and int8 on an adapter at batch 1 (within ",
        "Suggested: f32",
    ] {
        assert!(found.sentence.contains(words), "{}", found.sentence);
    }
    assert!(whole(&found).contains("More samples may decide it (a longer --max-time"));
    assert_eq!(more(&open), [0, 1]);
    // The same mean is decided where the blocks are alike, and where there are more of them.
    let alike = [0.06, 0.062, 0.06, 0.063];
    assert_eq!(
        (name(&verdict(&alike)).as_str(), verdict(&alike).undecided),
        ("int8", None)
    );
    assert!(more(&alike).is_empty());
    let below = [0.03, 0.032, 0.03, 0.033];
    assert_eq!(
        (name(&verdict(&below)).as_str(), verdict(&below).undecided),
        ("f32", None)
    );
    // Two blocks may be alike by chance.
    let few = verdict(&alike[..2]);
    assert!(
        few.undecided
            .is_some_and(|undecided| undecided.within.is_none())
    );
    assert!(few.sentence.contains("too few samples"), "{}", few.sentence);
}

#[test]
fn a_larger_batch_must_be_worth_its_latency() {
    let at = |large: u64| {
        let mut rows = three(1000, [100_000, 120_000, large]);
        rows.extend(three(100, [10_000, 12_000, 4000]));
        recommended(&rows, of(Goal::Throughput))
    };
    assert_eq!(
        (at(39_000), at(37_000)),
        ("int8 at 100".into(), "int8 at 1000".into())
    );
}

#[test]
fn each_goal_looks_at_its_own_figure_and_batch() {
    let mut rows = three(1000, [100_000, 120_000, 40_000]);
    rows.extend(three(1, [1000, 700, 1200]));
    assert_eq!(recommended(&rows, of(Goal::Latency)), "f16 at 1");
    assert_eq!(recommended(&rows, of(Goal::Throughput)), "int8 at 1000");
    assert_eq!(recommended(&rows, of(Goal::Memory)), "int8 at 1");
    // No difference of accuracy is significant, so the fastest.
    assert_eq!(recommended(&rows, of(Goal::Accuracy)), "f16 at 1");
    let found = verdict(&rows, of(Goal::Latency));
    let at: Vec<usize> = found.batches.iter().map(|at| at.batch).collect();
    assert_eq!(at, [1, 1000]);
    assert!(found.batches[1].sentence.starts_with("int8, 2.50×"));
}

#[test]
fn accuracy_counts_only_if_the_difference_is_significant() {
    let mut rows = three(1, [1000, 2000, 500]);
    rows[2] = with_labels(rows[2].clone(), 100, 60);
    assert!(rows[2].mcnemar.unwrap().p < SIGNIFICANT);
    assert_eq!(recommended(&rows, of(Goal::Accuracy)), "f32 at 1");
    assert_eq!(
        recommended(&rows, of(Goal::Latency)),
        "int8 at 1",
        "0.4 points are allowed"
    );
    rows[1] = with_labels(rows[1].clone(), 60, 100);
    assert_eq!(recommended(&rows, of(Goal::Accuracy)), "f16 at 1");
}

#[test]
fn what_exceeds_a_limit_is_excluded_with_its_reason() {
    let mut rows = three(1, [1000, 900, 500]);
    rows[2] = with_labels(rows[2].clone(), 200, 80);
    let found = verdict(&rows, of(Goal::Latency));
    assert_eq!(
        found.recommended.map(|choice| choice.name).as_deref(),
        Some("f16")
    );
    let excluded = &found.candidates[2];
    assert_eq!(excluded.choice.name, "int8");
    let reason = excluded.excluded.as_deref().unwrap_or_default();
    assert!(reason.contains("1.20 points below"), "{reason}");
    let words = "int8 is faster, 2.00× the speed of f32 (2.00 to 2.00), but its accuracy is 1.20 points below";
    let found = verdict(&rows, of(Goal::Latency));
    assert!(whole(&found).contains(words), "{}", whole(&found));
    assert!(
        whole(&found).contains("the limit is 1 point."),
        "{}",
        whole(&found)
    );
    let allowed = Request {
        max_accuracy_drop: Some(1.2),
        ..Request::default()
    };
    assert_eq!(recommended(&rows, allowed), "int8 at 1");

    let quick = Request {
        max_latency: Some(Duration::from_nanos(950)),
        ..Request::default()
    };
    let found = verdict(&three(1, [1000, 900, 980]), quick);
    assert_eq!(
        found.recommended.map(|choice| choice.name).as_deref(),
        Some("f16")
    );
    assert!(found.limits.iter().all(|limit| limit.met));
}

#[test]
fn where_no_row_meets_every_limit_the_nearest_is_named_and_nothing_recommended() {
    let request = Request {
        max_latency: Some(Duration::from_nanos(10)),
        memory_limit: Some(120 << 10),
        ..Request::default()
    };
    let found = verdict(&three(1, [1000, 900, 950]), request);
    assert_eq!(found.recommended, None);
    assert!(
        found.sentence.contains("f16 at batch 1 comes closest"),
        "{}",
        found.sentence
    );
    let unmet: Vec<LimitName> = found
        .limits
        .iter()
        .filter(|l| !l.met)
        .map(|l| l.name)
        .collect();
    assert_eq!(unmet, [LimitName::Latency]);
    assert!(
        found
            .candidates
            .iter()
            .all(|candidate| candidate.excluded.is_some())
    );
    assert_eq!(found.reasons.len(), 3);
}

#[test]
fn a_precision_that_ran_elsewhere_or_not_at_all_is_no_answer_for_the_adapter() {
    let mut rows = three(1, [1000, 100, 990]);
    rows[1].effective.device = Some(Place::Cpu);
    rows[1].effective.reason = Some("the adapter has no shader-f16".into());
    assert_eq!(recommended(&rows, of(Goal::Latency)), "f32 at 1");
    let found = decide(&rows, IMAGES, &[&cpu()], &of(Goal::Latency), Vec::new());
    assert_eq!(
        found.recommended.map(|choice| choice.name).as_deref(),
        Some("f16")
    );
    rows[2].status = Status::Unsupported;
    rows[2].end_to_end_ns = None;
    rows[2].detail = Some("no reason".into());
    let found = verdict(&rows, of(Goal::Memory));
    assert_eq!(
        found.recommended.map(|choice| choice.name).as_deref(),
        Some("f32")
    );
    assert!(
        found.sentence.contains("no other precision"),
        "{}",
        found.sentence
    );
    assert_eq!(recommended(&[], of(Goal::Latency)), "nothing");
}

#[test]
fn without_f32_the_fastest_is_recommended() {
    let mut rows = three(1, [1000, 800, 600]);
    rows.remove(0);
    rows.iter_mut().for_each(|row| row.speed_vs_f32 = None);
    let found = verdict(&rows, of(Goal::Latency));
    assert_eq!(
        found.recommended.map(|choice| choice.name).as_deref(),
        Some("int8")
    );
    assert!(found.sentence.contains("a batch"), "{}", found.sentence);
}

#[test]
fn for_accuracy_the_most_accurate_is_recommended_where_f32_may_not_be() {
    let mut rows = three(1, [1000, 900, 500]);
    rows[1] = with_labels(rows[1].clone(), 120, 60);
    rows[2] = with_labels(rows[2].clone(), 160, 60);
    rows[0].status = Status::Unsupported;
    rows[0].detail = Some("no reason".into());
    let request = Request {
        max_accuracy_drop: Some(2.0),
        ..of(Goal::Accuracy)
    };
    assert_eq!(recommended(&rows, request), "f16 at 1");
    let sentence = verdict(&rows, request).sentence;
    assert!(
        sentence.contains("the most accurate of the eligible ones"),
        "{sentence}"
    );
    // Nothing is known beside f32 where it has no answers.
    rows.iter_mut().for_each(|row| row.mcnemar = None);
    assert_eq!(recommended(&rows, of(Goal::Accuracy)), "f16 at 1");
}

#[test]
fn what_was_measured_on_a_busy_machine_or_drifted_more_than_the_gain_is_to_be_repeated() {
    let busy = Warning {
        kind: WarningKind::Busy,
        text: "The machine was busy.".into(),
    };
    for times in [[1000, 990, 500], [1000, 970, 1400]] {
        let rows = three(1, times);
        let found = decide(
            &rows,
            IMAGES,
            &[&gpu()],
            &of(Goal::Latency),
            vec![busy.clone()],
        );
        let words = "The machine was busy: repeat the measurement.";
        assert!(whole(&found).ends_with(words), "{}", whole(&found));
        let calm = whole(&verdict(&rows, of(Goal::Latency)));
        assert!(!calm.contains("repeat"), "{calm}");
    }
    // f32 and f16 become slower together by a half, so that f16's gain of a quarter is still one.
    let drifting = |times: [u64; 3]| {
        let mut rows = three(1, times);
        for row in &mut rows {
            let samples = row.wall_ns.as_ref().unwrap().samples.iter();
            let slower = |(at, &ns): (usize, &u64)| Duration::from_nanos(ns + ns * at as u64 / 40);
            let samples: Vec<Duration> = samples.enumerate().map(slower).collect();
            row.wall_ns = Samples::new(&samples);
        }
        compared(&mut rows);
        whole(&verdict(&rows, of(Goal::Latency)))
    };
    let sentence = drifting([1000, 800, 1400]);
    assert!(
        sentence.contains("drifted by more than that gain"),
        "{sentence}"
    );
    let sentence = drifting([1000, 200, 1400]);
    assert!(!sentence.contains("drifted"), "{sentence}");
}

/// f32, f16 and int8 on each of two adapters at batch 1; the second is the CPU path.
fn on_two(first: [u64; 3], cpu: [u64; 3]) -> Vec<Row> {
    let mut rows = three(1, first);
    let mut beside = three(1, cpu);
    for row in &mut beside {
        row.requested.adapter = 1;
        row.effective.device = Some(Place::Cpu);
    }
    rows.extend(beside);
    rows
}

#[test]
fn the_fastest_of_all_adapters_is_recommended_and_the_sentence_names_both() {
    let decide_on = |first: &AdapterInfo, rows: &[Row]| {
        let adapters = [first, &cpu()];
        decide(rows, IMAGES, &adapters, &of(Goal::Latency), Vec::new())
    };
    let named = |verdict: &Verdict| {
        let found = verdict.recommended.clone().unwrap();
        (found.name, found.adapter)
    };
    let faster = on_two([1000, 990, 500], [8000, 8100, 4000]);
    let found = decide_on(&gpu(), &faster);
    assert_eq!(named(&found), ("int8".to_owned(), 0));
    for words in [
        "Deploy int8 on an adapter at batch 1: 2.00× the speed of f32",
        "The fastest row on the CPU takes 8.0× as long.",
    ] {
        assert!(whole(&found).contains(words), "{}", whole(&found));
    }
    // As fast as each other: the CPU path needs no driver.
    let equal = on_two([1000, 990, 500], [1000, 1010, 500]);
    assert_eq!(named(&decide_on(&gpu(), &equal)), ("int8".to_owned(), 1));
    let slower = on_two([8000, 8100, 4000], [1000, 1010, 990]);
    let found = decide_on(&gpu(), &slower);
    assert_eq!(named(&found), ("f32".to_owned(), 1));
    assert!(
        found
            .sentence
            .starts_with("Stay on f32 on the CPU at batch 1")
    );
    // An adapter's own f32 is what its rows are compared with.
    assert!(
        found
            .reasons
            .iter()
            .any(|reason| reason.starts_with("int8 on an adapter: 2.00×"))
    );
}

#[test]
fn a_software_adapter_is_never_recommended_beside_the_cpu_path() {
    let rows = on_two([1000, 990, 500], [8000, 8100, 4000]);
    let software = adapter(Kind::Software);
    for goal in Goal::ALL {
        let adapters = [&software, &cpu()];
        let found = decide(&rows, IMAGES, &adapters, &of(goal), Vec::new());
        assert_eq!(
            found.recommended.as_ref().map(|row| row.adapter),
            Some(1),
            "{goal}"
        );
        let about = |reason: &&String| reason.contains("software adapter");
        assert_eq!(found.reasons.iter().filter(about).count(), 1);
    }
    // By itself it is what was asked for.
    let alone = decide(
        &rows[..3],
        IMAGES,
        &[&software],
        &of(Goal::Latency),
        Vec::new(),
    );
    assert_eq!(alone.recommended.as_ref().map(|row| row.row), Some(2));
    let words = "an adapter is a software adapter: its times say nothing about a GPU.";
    assert!(whole(&alone).contains(words), "{}", whole(&alone));
    let on_gpu = decide(
        &rows[..3],
        IMAGES,
        &[&gpu()],
        &of(Goal::Latency),
        Vec::new(),
    );
    assert!(!whole(&on_gpu).contains("software"), "{}", whole(&on_gpu));
}

#[test]
fn the_reference_scheme_is_recommended_only_where_it_was_asked_for() {
    let mut rows = three(1, [1000, 990, 500]);
    rows[2].requested.scheme = Some(Scheme::DynamicTensor);
    assert_eq!(recommended(&rows, of(Goal::Latency)), "f32 at 1");
    let reasons = verdict(&rows, of(Goal::Latency)).reasons;
    assert!(
        reasons
            .iter()
            .any(|reason| reason.contains("depends on the other images"))
    );
    let allowed = Request {
        reference_scheme: true,
        ..of(Goal::Latency)
    };
    assert_eq!(recommended(&rows, allowed), "int8 at 1");
}

#[test]
fn a_gain_below_the_least_that_is_wanted_is_no_reason_to_change() {
    let rows = three(1, [1000, 990, 920]);
    assert_eq!(recommended(&rows, of(Goal::Latency)), "int8 at 1");
    let wanting = |share| Request {
        min_gain: Some(share),
        ..of(Goal::Latency)
    };
    assert_eq!(recommended(&rows, wanting(0.08)), "int8 at 1");
    assert_eq!(recommended(&rows, wanting(0.09)), "f32 at 1");
    // It decides between adapters too.
    let rows = on_two([920; 3], [1000; 3]);
    let on = |share| {
        let adapters = [&gpu(), &cpu()];
        let found = decide(&rows, IMAGES, &adapters, &wanting(share), Vec::new());
        found.recommended.unwrap().adapter
    };
    assert_eq!((on(0.08), on(0.09)), (0, 1));
}

#[test]
fn the_least_accuracy_is_a_limit_of_each_row() {
    let mut rows = three(1, [1000, 990, 500]);
    (rows[2].accuracy, rows[2].correct) = (Some(0.8845), Some(8845));
    (rows[0].accuracy, rows[0].correct) = (Some(0.885), Some(8850));
    let least = |percent| Request {
        min_accuracy: Some(percent),
        ..of(Goal::Latency)
    };
    // As the quotient is rounded, so that the limit itself is met.
    assert_eq!(recommended(&rows, least(88.45)), "int8 at 1");
    assert_eq!(recommended(&rows, least(88.46)), "f32 at 1");
    let found = verdict(&rows, least(90.0));
    assert_eq!(found.recommended, None);
    let limit = found
        .limits
        .iter()
        .find(|limit| limit.name == LimitName::Accuracy)
        .unwrap();
    assert_eq!(
        (limit.unit, limit.limit, limit.measured, limit.met),
        ("percent", 90.0, Some(88.45), false)
    );
    let how = limit.shortfall().unwrap();
    assert_eq!(
        how,
        "its accuracy is 88.45%, and the least that is allowed is 90%"
    );
}

/// Without labels: which limits each kind of run misses.
#[test]
fn an_unknown_accuracy_misses_limits_unless_that_is_accepted() {
    use UnknownAccuracy::{Accepted, MissesAllLimits, MissesLimits};
    let mut rows = three(1, [1000, 990, 500]);
    for row in &mut rows {
        (row.accuracy, row.mcnemar) = (None, None);
    }
    let missed = |unknown_accuracy, max_accuracy_drop, min_accuracy| {
        let request = Request {
            unknown_accuracy,
            max_accuracy_drop,
            min_accuracy,
            ..of(Goal::Latency)
        };
        let found = verdict(&rows, request);
        assert_eq!(
            found.recommended.is_none(),
            found.limits.iter().any(|limit| !limit.met)
        );
        let missed = found.limits.iter().filter(|limit| !limit.met);
        missed.map(|limit| limit.name).collect::<Vec<_>>()
    };
    let (drop, accuracy) = (LimitName::AccuracyDrop, LimitName::Accuracy);
    for (unknown, default, dropped, least) in [
        (MissesLimits, vec![], vec![drop], vec![accuracy]),
        (
            MissesAllLimits,
            vec![drop],
            vec![drop],
            vec![drop, accuracy],
        ),
        (Accepted, vec![], vec![], vec![]),
    ] {
        assert_eq!(missed(unknown, None, None), default, "{unknown:?}");
        assert_eq!(missed(unknown, Some(1.0), None), dropped, "{unknown:?}");
        assert_eq!(missed(unknown, None, Some(50.0)), least, "{unknown:?}");
    }
}
