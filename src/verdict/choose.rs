//! Which of the rows of one batch size is the best for the goal.

use super::contender::{Answer, Contender};
use super::limits::is_f32;
use super::types::Goal;

/// What to recommend of the rows of one batch size.
#[derive(Clone, Copy)]
pub(super) struct Choice<'c, 'a> {
    /// The row to deploy. Where it is undecided, the simpler of the two.
    pub(super) best: &'c Contender<'a>,
    /// The row that may be clearly faster, or may not; none where it is decided.
    pub(super) rival: Option<&'c Contender<'a>>,
}

impl<'c, 'a> Choice<'c, 'a> {
    fn decided(best: &'c Contender<'a>) -> Self {
        Self { best, rival: None }
    }

    /// The fastest other row that is eligible; the rival where it is undecided.
    pub(super) fn runner_up(&self, group: &[&'c Contender<'a>]) -> Option<&'c Contender<'a>> {
        let others = eligible(group)
            .into_iter()
            .filter(|other| other.at != self.best.at);
        self.rival.or(others.min_by_key(|other| other.time()))
    }
}

fn eligible<'c, 'a>(group: &[&'c Contender<'a>]) -> Vec<&'c Contender<'a>> {
    let all = group.iter().copied();
    all.filter(|contender| contender.excluded.is_none())
        .collect()
}

/// The best of the eligible rows of one batch size; none where none is eligible.
pub(super) fn choose<'c, 'a>(group: &[&'c Contender<'a>], goal: Goal) -> Option<Choice<'c, 'a>> {
    let eligible = eligible(group);
    match goal {
        Goal::Latency | Goal::Throughput => simplest_of_the_fastest(&eligible),
        Goal::Memory => {
            let least = eligible
                .iter()
                .min_by_key(|contender| (contender.memory(), contender.simplicity()));
            least.copied().map(Choice::decided)
        }
        Goal::Accuracy => {
            let most = |rows: &[&'c Contender<'a>]| {
                let right = |contender: &&&Contender<'_>| {
                    (
                        contender.row.correct,
                        std::cmp::Reverse(contender.simplicity()),
                    )
                };
                rows.iter().max_by_key(right).copied().map(Choice::decided)
            };
            let only = |keep: &dyn Fn(&Contender<'_>) -> bool| -> Vec<&'c Contender<'a>> {
                eligible.iter().copied().filter(|c| keep(c)).collect()
            };
            let as_good = only(&|contender| contender.is_as_accurate());
            most(&only(&|contender| contender.differs(true)))
                .or_else(|| simplest_of_the_fastest(&as_good))
                .or_else(|| most(&eligible))
        }
    }
}

/// The simplest row that no other beats by the least gain, and that beats every f32 by it unless it is f32 itself.
/// Where the samples leave it open whether a row is that, it is the suggestion, and the fastest of the others its rival.
fn simplest_of_the_fastest<'c, 'a>(eligible: &[&'c Contender<'a>]) -> Option<Choice<'c, 'a>> {
    let mut rows = eligible.to_vec();
    rows.sort_by_key(|contender| contender.simplicity());
    let mut possible = rows.iter().filter_map(|contender| {
        let answer = is_fast_enough(contender, eligible);
        (answer != Answer::No).then_some((*contender, answer))
    });
    let fastest = |rows: &mut dyn Iterator<Item = &'c Contender<'a>>| {
        rows.min_by_key(|contender| contender.time())
    };
    let Some((best, answer)) = possible.next() else {
        return fastest(&mut rows.iter().copied()).map(Choice::decided);
    };
    let rival = match answer {
        Answer::Open => {
            let others = |contender: &&Contender<'_>| contender.at != best.at;
            fastest(&mut possible.map(|(contender, _)| contender))
                .or_else(|| fastest(&mut rows.iter().copied().filter(others)))
        }
        Answer::Yes | Answer::No => None,
    };
    Some(Choice { best, rival })
}

/// Whether no other row is faster than this one by the least gain, and whether this one, if it is not f32, is faster by
/// it than every f32.
fn is_fast_enough(contender: &Contender<'_>, eligible: &[&Contender<'_>]) -> Answer {
    let others = eligible.iter().map(|other| contender.is_slower_than(other));
    let is_fast = others.fold(Answer::Yes, |all, slower| all.and(slower.not()));
    if is_f32(contender.row) {
        return is_fast;
    }
    let f32 = eligible.iter().filter(|other| is_f32(other.row));
    f32.fold(is_fast, |all, f32| all.and(f32.is_slower_than(contender)))
}
