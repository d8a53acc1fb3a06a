//! Which of the finalists is the result.

use super::options::{SearchGoal, SearchOptions};
use super::result::{Finalist, Gain, Rival};
use crate::Precision;
use crate::mode::Mode;
use crate::stats::{BlockRatios, CONFIDENCE, Estimate};

/// The confidence at which an order is decided: it is looked at after every block.
const CONFIDENCE_OF_ORDER: f64 = 0.99;

/// The choice among finalists.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Choice {
    /// The place of the result among the finalists.
    pub best: usize,
    /// The place of the best of the same precision in all layers.
    pub plain: usize,
    /// If that is f32: what seems best of the other plain ones, and what it gains over f32.
    pub instead_of_f32: Option<Rival>,
    /// The mix that is the result or seems best, and what it gains over `plain`.
    pub mixed: Option<Rival>,
}

impl Choice {
    /// Whether more samples may change it.
    pub fn is_undecided(&self) -> bool {
        let rivals = [self.instead_of_f32, self.mixed];
        let mut rivals = rivals.iter().flatten();
        rivals.any(|rival| rival.verdict == Gain::Undecided)
    }
}

/// Chooses among finalists, the fastest or smallest first. A low precision must gain the least gain over f32, and a mix
/// the same over the best plain precision; it must also be ahead of all plain ones. None where there is no plain one.
pub(super) fn choose(finalists: &[&Finalist], options: &SearchOptions) -> Option<Choice> {
    let rival = |at: usize, beats: usize| {
        let of = |confidence| gain(finalists[beats], finalists[at], options.goal, confidence);
        let (least, surely) = (1.0 + options.min_gain, of(CONFIDENCE_OF_ORDER));
        Rival {
            at,
            gain: of(CONFIDENCE),
            verdict: if surely.low >= least {
                Gain::Enough
            } else if surely.high < least {
                Gain::TooLittle
            } else {
                Gain::Undecided
            },
        }
    };
    let is_plain = |at: &usize| finalists[*at].trial.mode.layers.is_empty();
    let (plain, mixed): (Vec<usize>, Vec<usize>) = (0..finalists.len()).partition(is_plain);
    let &fastest = plain.first()?;
    let f32 = Mode::from(Precision::F32);
    let f32 = plain
        .iter()
        .copied()
        .find(|&at| finalists[at].trial.mode == f32);
    let (plain, instead_of_f32) = match f32 {
        None => (fastest, None),
        Some(f32) => {
            let others = plain.iter().filter(|&&at| at != f32);
            let rivals: Vec<Rival> = others.map(|&at| rival(at, f32)).collect();
            match rivals.iter().find(|rival| rival.verdict == Gain::Enough) {
                Some(enough) => (enough.at, None),
                None => (f32, rivals.first().copied()),
            }
        }
    };
    let rivals: Vec<Rival> = mixed.into_iter().map(|at| rival(at, plain)).collect();
    let enough = |rival: &&Rival| rival.verdict == Gain::Enough && rival.at < fastest;
    let chosen = rivals.iter().find(enough);
    Some(Choice {
        best: chosen.map_or(plain, |rival| rival.at),
        plain,
        instead_of_f32,
        mixed: chosen.or(rivals.first()).copied(),
    })
}

/// How many times as fast or as small the second is.
fn gain(first: &Finalist, second: &Finalist, goal: SearchGoal, confidence: f64) -> Estimate {
    let exactly = |value: f64| Estimate {
        value,
        low: value,
        high: value,
    };
    let bytes = |of: &Finalist| of.trial.measured.parameter_bytes.max(1) as f64;
    match goal {
        SearchGoal::Memory => exactly(bytes(first) / bytes(second)),
        SearchGoal::Latency => {
            let (first, second) = (blocks(first), blocks(second));
            let ratios = BlockRatios::new(&slices(&first), &slices(&second));
            // Times that a clock does not show differ by nothing.
            ratios.map_or(exactly(1.0), |ratios| ratios.estimate(confidence))
        }
    }
}

fn blocks(of: &Finalist) -> Vec<Vec<f64>> {
    let of_block = |block: &Vec<u64>| block.iter().map(|&time| time as f64).collect();
    of.blocks.iter().map(of_block).collect()
}

fn slices(blocks: &[Vec<f64>]) -> Vec<&[f64]> {
    blocks.iter().map(Vec::as_slice).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::search::{Measured, Trial};
    use crate::{Scheme, WeightScales};

    /// A finalist whose blocks take `time` nanoseconds, more or less.
    fn finalist(layers: &[Precision], time: u64, bytes: u64) -> Finalist {
        let mode = match layers {
            [one] => Mode::from(*one),
            layers => {
                Mode::mixed(layers.to_vec(), Scheme::DynamicRow, WeightScales::Channel).unwrap()
            }
        };
        Finalist {
            trial: Trial {
                mode,
                measured: Measured {
                    accuracy: 0.9,
                    label_changes: 0,
                    only_f32: 0,
                    only_this: 0,
                    output_error: 0.0,
                    relative_time: 1.0,
                    parameter_bytes: bytes,
                },
            },
            time: Duration::from_nanos(time),
            blocks: (0..6).map(|block| vec![time + block % 2; 3]).collect(),
        }
    }

    fn chosen(finalists: &[Finalist], goal: SearchGoal) -> (usize, usize) {
        let options = SearchOptions {
            goal,
            ..SearchOptions::default()
        };
        let finalists: Vec<&Finalist> = finalists.iter().collect();
        let choice = choose(&finalists, &options).unwrap();
        (choice.best, choice.plain)
    }

    #[test]
    fn a_mix_must_gain_enough_over_the_best_plain_precision() {
        use Precision::{F16, F32, Int8};
        let mix = |time, bytes| finalist(&[F16, Int8], time, bytes);
        let f16 = || finalist(&[F16], 10_000, 200);
        let f32 = || finalist(&[F32], 15_000, 400);
        // 9,000 is 11% faster than 10,000, and 9,700 3%.
        let all = [mix(9_000, 195), f16(), f32()];
        assert_eq!(chosen(&all, SearchGoal::Latency), (0, 1));
        let all = [mix(9_700, 150), f16(), f32()];
        assert_eq!(chosen(&all, SearchGoal::Latency), (1, 1));
        // By bytes it is the other way round.
        assert_eq!(chosen(&all, SearchGoal::Memory), (0, 1));
        let all = [mix(9_000, 195), f16(), f32()];
        assert_eq!(chosen(&all, SearchGoal::Memory), (1, 1));
    }

    #[test]
    fn a_low_precision_must_gain_enough_over_f32() {
        use Precision::{F16, F32};
        let all = [finalist(&[F16], 9_800, 200), finalist(&[F32], 10_000, 400)];
        assert_eq!(chosen(&all, SearchGoal::Latency), (1, 1));
        assert_eq!(chosen(&all, SearchGoal::Memory), (0, 0));
    }

    /// The same with blocks that vary by a large factor.
    fn noisy(mut finalist: Finalist) -> Finalist {
        for (at, block) in finalist.blocks.iter_mut().enumerate() {
            block.fill(if at % 2 == 0 { 5_000 } else { 16_000 });
        }
        finalist
    }

    /// Blocks that vary more than the gain decide nothing, and the next one is looked at.
    #[test]
    fn a_gain_within_the_noise_is_none() {
        use Precision::{Bf16, F16, F32, Int8};
        let mix = || noisy(finalist(&[F16, Int8], 9_000, 195));
        let f16 = || finalist(&[F16], 10_000, 200);
        let f32 = || finalist(&[F32], 15_000, 400);
        let all = [mix(), f16(), f32()];
        assert_eq!(chosen(&all, SearchGoal::Latency), (1, 1));
        let of = |all: &[Finalist]| {
            let all: Vec<&Finalist> = all.iter().collect();
            choose(&all, &SearchOptions::default()).unwrap()
        };
        assert!(of(&all).is_undecided());
        assert!(!of(&[f16(), f32()]).is_undecided());
        // The fastest plain one is noisy, the second is surely faster than f32.
        let all = [noisy(finalist(&[Bf16], 9_000, 200)), f16(), f32()];
        assert_eq!(chosen(&all, SearchGoal::Latency), (1, 1));
        // No plain one is surely faster than f32, and one of them seems faster than the mix.
        let all = [
            noisy(finalist(&[Bf16], 9_000, 200)),
            finalist(&[F16, Int8], 9_500, 195),
            f32(),
        ];
        assert_eq!(chosen(&all, SearchGoal::Latency), (2, 2));
        let found = of(&all);
        assert_eq!(found.instead_of_f32.map(|rival| rival.at), Some(0));
    }
}
