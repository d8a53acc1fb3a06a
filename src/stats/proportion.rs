//! Shares of images: an interval for one, and a test of two on the same images.

use super::estimate::{Estimate, Interval};

/// The normal quantile that belongs to [`super::estimate::CONFIDENCE`], two-sided.
const Z: f64 = 1.959_963_984_540_054;

/// Wilson's score interval for `hits` of `trials` (E. B. Wilson, Probable Inference, the Law of Succession,
/// and Statistical Inference, Journal of the American Statistical Association 22, 1927); from 0 to 1 where
/// there are no trials.
#[must_use]
pub fn wilson(hits: u64, trials: u64) -> Interval {
    if trials == 0 {
        return Interval {
            low: 0.0,
            high: 1.0,
        };
    }
    let (n, share) = (trials as f64, hits as f64 / trials as f64);
    let center = share + Z * Z / (2.0 * n);
    let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    Interval {
        // At 0 and 1 the two terms cancel but for their last bits.
        low: ((center - half) / scale).clamp(0.0, share),
        high: ((center + half) / scale).clamp(share, 1.0),
    }
}

/// McNemar's test in its exact form (Q. McNemar, Note on the Sampling Error of the Difference Between
/// Correlated Proportions or Percentages, Psychometrika 12, 1947): of the images on which exactly one of two
/// precisions is right, `first` are the one's and `second` the other's. Gives the two-sided chance, of a fair
/// coin, of a split at least as uneven: twice the binomial tail, at most 1.
#[must_use]
pub fn mcnemar(first: u64, second: u64) -> f64 {
    let (count, fewer) = (first + second, first.min(second));
    // Logarithms of the terms C(n, k) / 2^n: the numbers themselves leave f64 for large n.
    let mut term = -(count as f64) * std::f64::consts::LN_2;
    let mut tail = term.exp();
    for k in 0..fewer {
        term += ((count - k) as f64 / (k + 1) as f64).ln();
        tail += term.exp();
    }
    (2.0 * tail).min(1.0)
}

/// By how much the share of images that one of two precisions labels correctly exceeds that of the other, with its
/// interval: `only_first` and `only_second` of `images` are labelled correctly by exactly one of them. The interval is
/// Wald's after half an image is added to each of the four counts (A. Agresti, Y. Min, Simple Improved Confidence
/// Intervals for Comparing Matched Proportions, Statistics in Medicine 24, 2005).
#[must_use]
pub fn paired_difference(only_first: u64, only_second: u64, images: u64) -> Estimate {
    let (first, second) = (only_first as f64, only_second as f64);
    let value = (first - second) / images.max(1) as f64;
    let count = images as f64 + 2.0;
    let center = (first - second) / count;
    let half = Z * ((first + second + 1.0) / count - center * center).sqrt() / count.sqrt();
    Estimate {
        value,
        low: (center - half).min(value),
        high: (center + half).max(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Table I, method 3 of R. G. Newcombe, Two-Sided Confidence Intervals for the Single Proportion,
    /// Statistics in Medicine 17, 1998.
    #[test]
    fn wilsons_intervals_are_the_published_ones() {
        for (hits, trials, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let got = wilson(hits, trials);
            assert!((got.low - low).abs() <= 5e-5, "{got:?}");
            assert!((got.high - high).abs() <= 5e-5, "{got:?}");
        }
        let whole = wilson(20, 20);
        assert!(whole.high == 1.0 && (whole.low - (1.0 - 0.1611)).abs() <= 5e-5);
        let unknown = wilson(0, 0);
        assert_eq!((unknown.low, unknown.high), (0.0, 1.0));
    }

    /// The vignette of R's package exact2x2 (M. P. Fay, Exact McNemar's Test and Matching Confidence
    /// Intervals) has 9 against 2; the manual of statsmodels' `mcnemar` 121 against 59; the others are sums of
    /// a few terms: 2 · (1 + 12 + 66) / 2¹² and 2 / 2⁶.
    #[test]
    fn mcnemars_chances_are_the_published_ones() {
        for (first, second, p) in [
            (9, 2, 0.06543),
            (121, 59, 4.434e-6),
            (2, 10, 0.03857),
            (0, 6, 0.03125),
            (10, 10, 1.0),
            (0, 0, 1.0),
            (1, 0, 1.0),
        ] {
            for got in [mcnemar(first, second), mcnemar(second, first)] {
                assert!((got - p).abs() <= 2e-4 * p, "{first}, {second}: {got}");
            }
        }
    }

    #[test]
    fn as_many_images_as_there_may_be_leave_a_number() {
        assert_eq!(mcnemar(1_000_000, 1_000_000), 1.0);
        let p = mcnemar(500_000, 501_000);
        // The normal approximation: z = 1000 / √1,001,000 is just below 1.
        assert!((0.31..0.33).contains(&p), "{p}");
        assert_eq!(mcnemar(0, 5_000), 0.0);
    }

    /// Of 1,600 people asked twice, 150 no longer approved and 86 did now: the example of A. Agresti, Categorical Data
    /// Analysis, 10.1, whose interval without the added halves is 0.021 to 0.059. And values of the formula with few images.
    #[test]
    fn paired_differences_are_the_published_ones() {
        let got = paired_difference(150, 86, 1600);
        assert!((got.value - 0.04).abs() <= 1e-12, "{got:?}");
        assert!((got.low - 0.0212).abs() <= 2e-4, "{got:?}");
        assert!((got.high - 0.0587).abs() <= 2e-4, "{got:?}");
        let none = paired_difference(0, 0, 100);
        // 1.96 · √(1/102) / √102
        assert!((none.high - 1.959_964 / 102.0).abs() <= 1e-6, "{none:?}");
        assert_eq!((none.value, none.low), (0.0, -none.high));
        let unknown = paired_difference(0, 0, 0);
        assert!(unknown.low < -0.9 && unknown.high > 0.9, "{unknown:?}");
    }
}
