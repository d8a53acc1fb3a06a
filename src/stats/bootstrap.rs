//! Intervals by resampling, for medians of samples that follow each other in time.
//!
//! Neighbouring samples are alike: a slow spell of the machine covers many. So whole blocks of them are drawn,
//! wherever in time they begin (the moving-block bootstrap of H. R. Künsch, The Jackknife and the Bootstrap
//! for General Stationary Observations, Annals of Statistics 17, 1989), and the interval is that of the
//! percentiles of the statistic over all draws (B. Efron, Bootstrap Methods: Another Look at the Jackknife,
//! Annals of Statistics 7, 1979). The generator has a fixed seed: the same samples have the same interval.

use std::ops::Range;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::estimate::{CONFIDENCE, Estimate};

/// Draws: the ends of an interval then stand on 25 of them each.
const DRAWS: usize = 1000;

/// The most pairs that are drawn from: of more, every second, third, … is taken. More would take long and say
/// no more of a median.
const MOST: usize = 2000;

/// Two lists of samples, of which those of equal index were taken one after the other.
#[derive(Clone, Debug)]
pub struct Paired {
    over: Vec<f64>,
    under: Vec<f64>,
}

impl Paired {
    /// The samples above and below the line of a ratio. Samples of the longer list without a partner are dropped. None
    /// where there is no pair, or where a sample below the line is not positive.
    #[must_use]
    pub fn new(over: &[f64], under: &[f64]) -> Option<Self> {
        let count = over.len().min(under.len());
        let step = count.div_ceil(MOST).max(1);
        let thinned = |samples: &[f64]| samples[..count].iter().copied().step_by(step).collect();
        let (over, under): (Vec<f64>, Vec<f64>) = (thinned(over), thinned(under));
        let valid = count > 0 && under.iter().all(|&value| value > 0.0);
        valid.then_some(Self { over, under })
    }

    /// How many there are.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.over.len()
    }

    /// The ratio of each pair.
    fn ratios(&self) -> Vec<f64> {
        let pairs = self.over.iter().zip(&self.under);
        pairs.map(|(over, under)| over / under).collect()
    }
}

/// Blocks that have as many samples together as there are, wherever they begin.
fn blocks(count: usize, rng: &mut impl Rng) -> Vec<Range<usize>> {
    let block = block_length(count);
    let mut drawn = Vec::with_capacity(count.div_ceil(block));
    let mut left = count;
    while left > 0 {
        let start = rng.random_range(0..=count - block);
        let length = block.min(left);
        drawn.push(start..start + length);
        left -= length;
    }
    drawn
}

/// How much larger the ratio of the pairs of one run is than that of another, by the lower quartiles of the
/// pairs' ratios, with its interval. The two of a pair were taken one after the other, so that what slowed one
/// mostly slowed the other too; the quartiles of each run's own samples would not know which belong together.
///
/// Why not medians: a disturbance adds to one of a pair, seldom to the other, and what is disturbed often in one
/// run and seldom in the next shows in the median. The undisturbed pairs lie below it.
#[must_use]
pub fn ratio_of_runs(over: &Paired, under: &Paired) -> Estimate {
    let (over, under) = (over.ratios(), under.ratios());
    let value = lower_quartile(&mut over.clone()) / lower_quartile(&mut under.clone());
    let redrawn = |ratios: &[f64], rng: &mut ChaCha8Rng| {
        let blocks = blocks(ratios.len(), rng);
        let drawn = blocks.into_iter().flat_map(|block| &ratios[block]);
        lower_quartile(&mut drawn.copied().collect::<Vec<f64>>())
    };
    estimate(value, |rng| redrawn(&over, rng) / redrawn(&under, rng))
}

/// How much a run varies within itself: the run is cut into ten parts, and the distance from the second lowest to the
/// second highest lower quartile of their ratios is given as a share of their median; 0 for fewer than 20 pairs. Two
/// runs differ by at least that much.
#[must_use]
pub fn unrest(samples: &Paired) -> f64 {
    const PARTS: usize = 10;
    let ratios = samples.ratios();
    if ratios.len() < 2 * PARTS {
        return 0.0;
    }
    let parts = ratios.chunks_exact(ratios.len() / PARTS);
    let mut levels: Vec<f64> = parts
        .map(|part| lower_quartile(&mut part.to_vec()))
        .collect();
    levels.sort_unstable_by(f64::total_cmp);
    let distance = levels[levels.len() - 2] - levels[1];
    distance / median(&mut levels)
}

/// A figure with the percentiles of what it is when drawn again.
fn estimate(value: f64, mut draw: impl FnMut(&mut ChaCha8Rng) -> f64) -> Estimate {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut drawn: Vec<f64> = (0..DRAWS).map(|_| draw(&mut rng)).collect();
    drawn.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - CONFIDENCE) / 2.0;
    let at = |share: f64| drawn[(share * (DRAWS - 1) as f64).round() as usize];
    Estimate {
        value,
        // Blocks at the ends of the list are drawn less often, so that the figure itself may lie outside.
        low: at(tail).min(value),
        high: at(1.0 - tail).max(value),
    }
}

/// The cube root of the number of samples, which is the order of growth that is best for the variance of a
/// mean (P. Hall, J. L. Horowitz, B.-Y. Jing, On Blocking Rules for the Bootstrap with Dependent Data,
/// Biometrika 82, 1995), or a twentieth of them where that is more: a thousand samples of a few microseconds
/// are all taken within one spell of the machine or two, and should not pass for a thousand witnesses.
fn block_length(count: usize) -> usize {
    let root = (count as f64).cbrt().ceil() as usize;
    root.max(count / 20).clamp(1, count)
}

/// The least value that a quarter of them do not exceed; the values are reordered. NaN where there are none.
fn lower_quartile(values: &mut [f64]) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    let at = values.len().div_ceil(4) - 1;
    *values.select_nth_unstable_by(at, f64::total_cmp).1
}

/// The middle value, or the mean of the two middle ones; the values are reordered. NaN where there are none.
pub(super) fn median(values: &mut [f64]) -> f64 {
    let count = values.len();
    if count == 0 {
        return f64::NAN;
    }
    let (low, &mut high, _) = values.select_nth_unstable_by(count / 2, f64::total_cmp);
    if count % 2 == 1 {
        return high;
    }
    let below = low.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    f64::midpoint(below, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_the_middle() {
        assert_eq!(median(&mut [3.0]), 3.0);
        assert_eq!(median(&mut [3.0, 1.0]), 2.0);
        assert_eq!(median(&mut [9.0, 1.0, 4.0]), 4.0);
        assert_eq!(median(&mut [9.0, 1.0, 4.0, 5.0]), 4.5);
        assert!(median(&mut []).is_nan());
    }

    #[test]
    fn a_quarter_does_not_exceed_the_lower_quartile() {
        assert_eq!(lower_quartile(&mut [3.0]), 3.0);
        assert_eq!(lower_quartile(&mut [9.0, 1.0, 4.0, 5.0]), 1.0);
        assert_eq!(lower_quartile(&mut [9.0, 1.0, 4.0, 5.0, 2.0]), 2.0);
        assert!(lower_quartile(&mut []).is_nan());
    }

    /// What disturbs every other pair of one run, and none of the other, is no change; what lengthens all is.
    #[test]
    fn runs_are_compared_by_their_undisturbed_pairs() {
        let run = |scale: f64, every: usize| {
            let sample = |at: usize| scale * if at % every == 1 { 4.0 } else { 3.0 };
            let over: Vec<f64> = (0..100).map(sample).collect();
            Paired::new(&over, &[2.0; 100]).unwrap()
        };
        assert_eq!(ratio_of_runs(&run(1.0, 2), &run(1.0, 1000)).value, 1.0);
        assert_eq!(ratio_of_runs(&run(1.5, 1000), &run(1.0, 2)).value, 1.5);
    }

    #[test]
    fn what_a_run_differs_by_within_itself_is_its_unrest() {
        let steady = Paired::new(&[3.0; 100], &[2.0; 100]).unwrap();
        assert_eq!(unrest(&steady), 0.0);
        // A single slow part of ten is excluded, three of them are not.
        let with_slow = |parts: usize| {
            let over: Vec<f64> = (0..100)
                .map(|at| if at < 10 * parts { 4.5 } else { 3.0 })
                .collect();
            unrest(&Paired::new(&over, &[2.0; 100]).unwrap())
        };
        assert_eq!(with_slow(1), 0.0);
        assert_eq!(with_slow(3), 0.5);
        assert_eq!(unrest(&Paired::new(&[1.0, 9.0], &[1.0, 1.0]).unwrap()), 0.0);
    }

    #[test]
    fn of_very_many_samples_some_are_taken() {
        let over: Vec<f64> = (0..1_000_003).map(|at| f64::from(at % 7)).collect();
        let pairs = Paired::new(&over, &vec![1.0; over.len() + 5]).unwrap();
        assert_eq!(pairs.over.len(), pairs.under.len());
        assert!((1000..=MOST).contains(&pairs.over.len()));
        assert_eq!(ratio_of_runs(&pairs, &pairs).value, 1.0);
    }

    #[test]
    fn a_run_without_noise_has_no_width() {
        let (over, under) = ([6.0; 20], [2.0; 20]);
        let half = ratio_of_runs(
            &Paired::new(&over, &under).unwrap(),
            &Paired::new(&over, &over).unwrap(),
        );
        assert_eq!((half.low, half.value, half.high), (3.0, 3.0, 3.0));
        assert!(Paired::new(&[], &[]).is_none() && Paired::new(&[1.0], &[0.0]).is_none());
    }

    #[test]
    fn the_same_samples_have_the_same_interval() {
        let over: Vec<f64> = (0..50).map(|at| f64::from(at * 37 % 50) + 100.0).collect();
        let (over, under) = (
            Paired::new(&over, &[50.0; 50]),
            Paired::new(&[150.0; 50], &[50.0; 50]),
        );
        let (over, under) = (over.unwrap(), under.unwrap());
        let estimate = || ratio_of_runs(&over, &under);
        assert_eq!(estimate(), estimate());
        assert!(estimate().low < estimate().value && estimate().value < estimate().high);
    }
}
