//! Properties of samples that a median hides: that they drift, or that their distribution is bimodal.

use super::bootstrap::median;

/// The fewest samples whose shape means anything.
const FEWEST: usize = 12;

/// The smallest drift, and the smallest distance of two modes, that is reported, as a share.
const SMALLEST_REPORTED: f64 = 0.1;

/// The change from the median of the first third of the samples to that of the last, as a share of the first, where it
/// is large enough to report. Thirds, since neighbouring samples are alike and a trend line would follow a single slow
/// spell.
#[must_use]
pub fn drift(samples: &[u64]) -> Option<f64> {
    if samples.len() < FEWEST {
        return None;
    }
    let third = samples.len() / 3;
    let middle =
        |part: &[u64]| median(&mut part.iter().map(|&sample| sample as f64).collect::<Vec<_>>());
    let (first, last) = (
        middle(&samples[..third]),
        middle(&samples[samples.len() - third..]),
    );
    let change = last / first - 1.0;
    (change.abs() > SMALLEST_REPORTED).then_some(change)
}

/// A bimodal distribution of samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bimodal {
    /// The mean of the lower group.
    pub low: f64,
    /// The mean of the upper group.
    pub high: f64,
    /// The share of the samples in the upper group.
    pub high_share: f64,
}

/// The two groups of a bimodal distribution; none where there is one group. The samples are cut where the variance
/// between the two parts is largest (N. Otsu, A Threshold Selection Method from Gray-Level Histograms, IEEE
/// Transactions on Systems, Man, and Cybernetics 9, 1979). They are bimodal if both parts have at least a tenth of the
/// samples and if almost none lie in the middle half of the way from one mean to the other: of a single group, normal
/// or uniform, a quarter or more lie there. The slowest twentieth is ignored, since interrupted samples may be anywhere.
#[must_use]
pub fn bimodal(samples: &[u64]) -> Option<Bimodal> {
    const LEAST_SHARE: f64 = 0.1;
    const MIDDLE_SHARE: f64 = 0.05;
    if samples.len() < FEWEST {
        return None;
    }
    let mut sorted: Vec<f64> = samples.iter().map(|&sample| sample as f64).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.truncate(sorted.len() - sorted.len() / 20);
    let count = sorted.len() as f64;
    let total: f64 = sorted.iter().sum();

    let mut best = (0.0, 0);
    let mut below = 0.0;
    for cut in 1..sorted.len() {
        below += sorted[cut - 1];
        let (low, high) = (cut as f64, count - cut as f64);
        let distance = below / low - (total - below) / high;
        let between = low * high * distance * distance;
        if between > best.0 {
            best = (between, cut);
        }
    }
    let (low, high) = sorted.split_at(best.1);
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len().max(1) as f64;
    let found = Bimodal {
        low: mean(low),
        high: mean(high),
        high_share: high.len() as f64 / count,
    };
    let quarter = (found.high - found.low) / 4.0;
    let between = found.low + quarter..found.high - quarter;
    let middle = sorted
        .iter()
        .filter(|value| between.contains(value))
        .count() as f64;
    let both = (LEAST_SHARE..=1.0 - LEAST_SHARE).contains(&found.high_share);
    let distant = found.high > (1.0 + SMALLEST_REPORTED) * found.low;
    (both && distant && middle <= MIDDLE_SHARE * count).then_some(found)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn around(center: f64, spread: f64, count: usize, rng: &mut ChaCha8Rng) -> Vec<u64> {
        let mut normal = || (0..12).map(|_| rng.random_range(-0.5..0.5)).sum::<f64>();
        let sample = |_| (center + spread * normal()) as u64;
        (0..count).map(sample).collect()
    }

    #[test]
    fn a_trend_is_reported_and_noise_is_not() {
        let rising: Vec<u64> = (0..100).map(|at| 1000 + 4 * at).collect();
        let change = drift(&rising).expect("a drift");
        assert!((change - 0.26).abs() <= 0.02, "{change}");
        let falling: Vec<u64> = rising.iter().rev().copied().collect();
        assert!(drift(&falling).expect("a drift") < 0.0);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        assert_eq!(drift(&around(1000.0, 100.0, 300, &mut rng)), None);
        assert_eq!(drift(&[1, 100, 10_000]), None);
        assert_eq!(drift(&[]), None);
    }

    #[test]
    fn a_bimodal_distribution_is_found_with_its_means() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut samples = around(1000.0, 30.0, 140, &mut rng);
        samples.extend(around(1600.0, 40.0, 60, &mut rng));
        // A few interrupted ones.
        samples.extend([9000, 12_000, 30_000]);
        let found = bimodal(&samples).expect("a bimodal distribution");
        assert!((found.low - 1000.0).abs() <= 20.0, "{found:?}");
        assert!((found.high - 1600.0).abs() <= 30.0, "{found:?}");
        assert!((found.high_share - 0.3).abs() <= 0.05, "{found:?}");
    }

    #[test]
    fn a_single_group_is_not_bimodal() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for spread in [0.0, 50.0, 300.0] {
            assert_eq!(
                bimodal(&around(1000.0, spread, 500, &mut rng)),
                None,
                "{spread}"
            );
        }
        let uniform: Vec<u64> = (0..500).map(|_| rng.random_range(500..2000)).collect();
        assert_eq!(bimodal(&uniform), None);
        // A long tail: the exponential of a normal variable.
        let tail: Vec<u64> = (0..500)
            .map(|_| {
                let normal: f64 = (0..12).map(|_| rng.random_range(-0.5..0.5)).sum();
                (1000.0 * (0.5 * normal).exp()) as u64
            })
            .collect();
        assert_eq!(bimodal(&tail), None);
        assert_eq!(bimodal(&[1, 2, 1, 2]), None);
    }
}
