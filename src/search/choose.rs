//! Which of the finalists is the result.

use super::options::{SearchGoal, SearchOptions};
use super::result::Finalist;
use crate::Precision;
use crate::mode::Mode;
use crate::stats::{BlockRatios, CONFIDENCE, Estimate};

/// The choice among finalists.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Choice {
    /// Its place among the finalists.
    pub best: usize,
    /// The best of the same precision in all layers.
    pub plain: usize,
    /// The best mixed one, if any is within the accuracy loss, and what it gains over `plain`.
    pub mixed: Option<(usize, Estimate)>,
}

/// Chooses among finalists, the best first. A low precision must gain the least gain over f32, and a mix the same over
/// the best plain precision, with confidence. None where there is no plain one.
pub(super) fn choose(finalists: &[&Finalist], options: &SearchOptions) -> Option<Choice> {
    let gain = |over: usize, of: usize| gain(finalists[over], finalists[of], options.goal);
    let pays = |gain: Estimate| gain.low >= 1.0 + options.min_gain;
    let is_plain = |one: &&Finalist| one.trial.mode.layers.is_empty();
    let fastest = finalists.iter().position(is_plain)?;
    let f32 = Mode::from(Precision::F32);
    let f32 = finalists.iter().position(|one| one.trial.mode == f32);
    let plain = match f32 {
        Some(f32) if !pays(gain(f32, fastest)) => f32,
        _ => fastest,
    };
    let mixed = finalists.iter().position(|one| !is_plain(one));
    let mixed = mixed.map(|mixed| (mixed, gain(plain, mixed)));
    let best = match mixed {
        Some((mixed, gain)) if pays(gain) => mixed,
        _ => plain,
    };
    Some(Choice { best, plain, mixed })
}

/// How many times as fast or as small the second is.
fn gain(first: &Finalist, second: &Finalist, goal: SearchGoal) -> Estimate {
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
            ratios.map_or(exactly(1.0), |ratios| ratios.estimate(CONFIDENCE))
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

    /// Blocks that vary more than the gain decide nothing.
    #[test]
    fn a_gain_within_the_noise_is_none() {
        use Precision::{F16, F32, Int8};
        let mut mix = finalist(&[F16, Int8], 9_000, 195);
        for (at, block) in mix.blocks.iter_mut().enumerate() {
            block.fill(if at % 2 == 0 { 5_000 } else { 16_000 });
        }
        let all = [
            mix,
            finalist(&[F16], 10_000, 200),
            finalist(&[F32], 15_000, 400),
        ];
        assert_eq!(chosen(&all, SearchGoal::Latency), (1, 1));
    }
}
