//! The ratio of two lists of samples that were taken in blocks, with what it varies by from block to block.
//!
//! Samples of one block are alike: they share a place in memory, an opened device and a spell of the machine. So a block
//! is one measurement, whatever its number of samples, and an interval comes from the differences between blocks.

use super::bootstrap::median;
use super::estimate::Estimate;
use super::student::student_quantile;

/// The ratios of the medians of two lists of samples, one for each block.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockRatios(Vec<f64>);

impl BlockRatios {
    /// The samples above and below the line of a ratio, each in blocks. Blocks of the longer list without a partner are
    /// dropped. None where there is no pair, or where a median is not positive.
    #[must_use]
    pub fn new(over: &[&[f64]], under: &[&[f64]]) -> Option<Self> {
        let middle = |block: &[f64]| median(&mut block.to_vec());
        let pairs = over.iter().zip(under);
        let ratios: Vec<f64> = pairs
            .map(|(over, under)| middle(over) / middle(under))
            .collect();
        let valid = |ratio: &f64| ratio.is_finite() && *ratio > 0.0;
        (!ratios.is_empty() && ratios.iter().all(valid)).then_some(Self(ratios))
    }

    /// How many blocks there are.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The geometric mean of the ratios with its interval at a confidence, from 0 to 1: that of Student's t for the mean
    /// of their logarithms. Of a single block nothing is known but the ratio itself, so the ends are the same as that.
    #[must_use]
    pub fn estimate(&self, confidence: f64) -> Estimate {
        let count = self.0.len() as f64;
        let logarithms = self.0.iter().map(|ratio| ratio.ln());
        let mean = logarithms.clone().sum::<f64>() / count;
        let squares: f64 = logarithms.map(|value| (value - mean).powi(2)).sum();
        let width = match self.0.len() - 1 {
            0 => 0.0,
            freedom => {
                let error = (squares / freedom as f64 / count).sqrt();
                student_quantile(confidence, freedom) * error
            }
        };
        Estimate {
            value: mean.exp(),
            low: (mean - width).exp(),
            high: (mean + width).exp(),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const CONFIDENCE: f64 = 0.95;

    #[test]
    fn a_ratio_without_noise_has_no_width() {
        let (over, under) = ([6.0; 20], [2.0; 20]);
        let blocks = |samples| -> Vec<&[f64]> { <[f64]>::chunks(samples, 5).collect() };
        let got = BlockRatios::new(&blocks(&over), &blocks(&under)).unwrap();
        assert_eq!(got.len(), 4);
        let got = got.estimate(CONFIDENCE);
        for value in [got.low, got.value, got.high] {
            assert!((value - 3.0).abs() <= 1e-12, "{got:?}");
        }
    }

    /// exp of the mean of ln 2 and ln 8 is 4; their standard error is ln 2, and Student's t of one degree 12.706.
    #[test]
    fn the_interval_is_that_of_students_t_for_the_logarithms() {
        let got = BlockRatios::new(&[&[2.0], &[8.0]], &[&[1.0], &[1.0]]).unwrap();
        let got = got.estimate(CONFIDENCE);
        let width = 12.706_205 * std::f64::consts::LN_2;
        assert!((got.value - 4.0).abs() <= 1e-12, "{got:?}");
        assert!(
            (got.high.ln() - 4_f64.ln() - width).abs() <= 1e-5,
            "{got:?}"
        );
        assert!((4_f64.ln() - got.low.ln() - width).abs() <= 1e-5, "{got:?}");
    }

    #[test]
    fn what_cannot_be_divided_has_no_ratio() {
        assert_eq!(BlockRatios::new(&[], &[]), None);
        assert_eq!(BlockRatios::new(&[&[1.0]], &[&[0.0]]), None);
        assert_eq!(BlockRatios::new(&[&[1.0]], &[&[]]), None);
        let single = BlockRatios::new(&[&[1.0]], &[&[4.0], &[5.0]]).unwrap();
        let got = single.estimate(CONFIDENCE);
        assert_eq!((got.low, got.value, got.high), (0.25, 0.25, 0.25));
    }

    /// The samples of a block share a disturbance of its own, as they share a place in memory. About 95 in 100 intervals
    /// hold the true ratio all the same; of 200, fewer than 176 have a chance below 1 in 10,000.
    #[test]
    fn intervals_hold_the_true_ratio_as_often_as_they_say() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        // Twelve uniform numbers: near enough to a normal one.
        let mut normal = || (0..12).map(|_| rng.random_range(-0.5..0.5)).sum::<f64>();
        for (count, confidence, least) in [(6, 0.95, 176), (30, 0.95, 176), (6, 0.99, 190)] {
            let mut held = 0;
            for _ in 0..200 {
                let mut blocks = |center: f64| -> Vec<Vec<f64>> {
                    let mut block = || {
                        let of_block = 1.0 + 0.04 * normal();
                        let sample = |_| center * of_block * (1.0 + 0.02 * normal());
                        (0..20).map(sample).collect()
                    };
                    (0..count).map(|_| block()).collect()
                };
                let (over, under) = (blocks(300.0), blocks(200.0));
                let over: Vec<&[f64]> = over.iter().map(Vec::as_slice).collect();
                let under: Vec<&[f64]> = under.iter().map(Vec::as_slice).collect();
                let got = BlockRatios::new(&over, &under)
                    .unwrap()
                    .estimate(confidence);
                held += usize::from(got.low <= 1.5 && 1.5 <= got.high);
            }
            assert!(
                held >= least,
                "{held} of 200 at {confidence} with {count} blocks"
            );
            assert!(
                held < 200 || confidence > 0.95,
                "intervals too wide to say anything"
            );
        }
    }
}
