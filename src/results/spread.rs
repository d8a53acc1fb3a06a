//! How the end-to-end times of a row lie round their median.

use serde::Serialize;

use crate::stats::quantile;
use crate::units::{count, duration};

/// A sample that takes more than this many times the median is counted as an outlier: something interrupted it.
const OUTLIER: f64 = 3.0;

/// How end-to-end times, in nanoseconds, lie round their median.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// 10 in 100 are no larger.
    pub p10: f64,
    /// 90 in 100 are no larger.
    pub p90: f64,
    /// How many there are.
    pub samples: usize,
    /// How many take more than three times the median.
    pub outliers: usize,
    /// The longest.
    pub longest: f64,
}

impl Spread {
    /// That of these times; none where there are none.
    #[must_use]
    pub fn new(times: &[f64]) -> Option<Self> {
        let mut sorted = times.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let &longest = sorted.last()?;
        let median = quantile(&sorted, 0.5);
        let outliers = sorted.iter().filter(|&&time| time > OUTLIER * median);
        Some(Self {
            median,
            p10: quantile(&sorted, 0.1),
            p90: quantile(&sorted, 0.9),
            samples: sorted.len(),
            outliers: outliers.count(),
            longest,
        })
    }

    /// The distance of the two percentiles from the median as shares of it; the first is negative or zero.
    #[must_use]
    pub fn shares(&self) -> (f64, f64) {
        // A coarse clock may show nothing at all.
        let median = self.median.max(1.0);
        (
            (self.p10 - median).min(0.0) / median,
            (self.p90 - median).max(0.0) / median,
        )
    }

    /// How many samples are outliers, in a sentence; none where there are none.
    #[must_use]
    pub fn slow_samples(&self) -> Option<String> {
        if self.outliers == 0 {
            return None;
        }
        let (take, longest) = match self.outliers {
            1 => ("takes", duration(self.longest)),
            _ => ("take", duration(self.longest)),
        };
        Some(format!(
            "{} of its {} samples {take} over {OUTLIER:.0} times the median, the longest {longest}.",
            count(self.outliers as u64),
            count(self.samples as u64)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_interrupted_sample_does_not_move_the_spread() {
        let mut times: Vec<f64> = (0..99).map(|at| 1000.0 + f64::from(at)).collect();
        times.push(1e6);
        let spread = Spread::new(&times).unwrap();
        let (low, high) = spread.shares();
        assert!(
            (low + 0.0378).abs() <= 1e-3 && (high - 0.0378).abs() <= 1e-3,
            "{spread:?}"
        );
        assert_eq!(
            (spread.outliers, spread.longest, spread.samples),
            (1, 1e6, 100)
        );
        let words = "1 of its 100 samples takes over 3 times the median, the longest 1.00 ms.";
        assert_eq!(spread.slow_samples().as_deref(), Some(words));
        let calm = Spread::new(&times[..99]).unwrap();
        assert_eq!((calm.outliers, calm.slow_samples()), (0, None));
        assert_eq!(Spread::new(&[]), None);
    }

    #[test]
    fn a_clock_that_shows_nothing_gives_no_infinity() {
        let (low, high) = Spread::new(&[0.0; 20]).unwrap().shares();
        assert!(low.is_finite() && high.is_finite());
    }
}
