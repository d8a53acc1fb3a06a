//! Samples of a duration, and what is usually computed of them.

use std::time::Duration;

use serde::Serialize;

/// Samples in nanoseconds with what is usually computed of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Samples {
    /// The smallest.
    pub min: u64,
    /// The middle one, or the mean of the two middle ones.
    pub median: u64,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation (n − 1).
    pub stddev: f64,
    /// 90 in 100 are no larger (linear between neighbours, as in NumPy's default).
    pub p90: u64,
    /// 99 in 100 are no larger.
    pub p99: u64,
    /// All of them, in the order in which they were taken.
    pub samples: Vec<u64>,
}

impl Samples {
    /// Summarizes durations; none where there are none.
    #[must_use]
    pub fn new(durations: &[Duration]) -> Option<Self> {
        let nanoseconds = |d: &Duration| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
        let samples: Vec<u64> = durations.iter().map(nanoseconds).collect();
        let mut sorted = samples.clone();
        sorted.sort_unstable();
        let &min = sorted.first()?;
        let count = samples.len() as f64;
        let mean = samples.iter().map(|&s| s as f64).sum::<f64>() / count;
        let squares: f64 = samples.iter().map(|&s| (s as f64 - mean).powi(2)).sum();
        let stddev = if samples.len() > 1 {
            (squares / (count - 1.0)).sqrt()
        } else {
            0.0
        };
        let exact: Vec<f64> = sorted.iter().map(|&s| s as f64).collect();
        let nearest = |q| quantile(&exact, q).round() as u64;
        Some(Self {
            min,
            median: nearest(0.5),
            mean,
            stddev,
            p90: nearest(0.9),
            p99: nearest(0.99),
            samples,
        })
    }
}

/// The quantile `q` of sorted values: linear between the two nearest (type 7 of Hyndman and Fan,
/// Sample Quantiles in Statistical Packages, 1996).
///
/// # Panics
/// Where there are no values.
#[must_use]
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    let position = q * (sorted.len() - 1) as f64;
    let low = sorted[position.floor() as usize];
    let high = sorted[position.ceil() as usize];
    low + (high - low) * position.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_numpy_gives() {
        // numpy.percentile([40, 10, 30, 20, 100], [50, 90, 99]) = 30, 76, 97.6
        let durations = [40, 10, 30, 20, 100].map(Duration::from_nanos);
        let samples = Samples::new(&durations).unwrap();
        assert_eq!(
            (samples.min, samples.median, samples.p90, samples.p99),
            (10, 30, 76, 98)
        );
        assert_eq!(samples.mean, 40.0);
        // numpy.std(…, ddof=1) = 35.3553…
        assert!((samples.stddev - 1250_f64.sqrt()).abs() <= 1e-9);
        assert_eq!(samples.samples, [40, 10, 30, 20, 100]);
        assert_eq!(Samples::new(&[]), None);
    }
}
