//! From the values that a layer takes over the calibration images to the range that its quantized values cover.
//! [`super`] describes the methods.

use super::method::Calibration;
use crate::quantize::convert::affine;
use crate::quantize::forward::restored;

/// The share of values, in percent, that the range of the method percentile holds on each side of zero.
pub const PERCENTILE: f64 = 99.99;

/// The ranges that the method mean-square-error tries: the whole one times 1/100 to 100/100.
const SHARES: u32 = 100;

/// Bins of the histogram of magnitudes that the method entropy looks at.
const BINS: usize = 2048;

/// The range that `method` chooses for these values, `(low, high)` with low ≤ 0 ≤ high.
#[must_use]
pub fn range(values: &[f32], method: Calibration) -> (f32, f32) {
    let values: Vec<f32> = values.iter().copied().filter(|&x| x != 0.0).collect();
    match method {
        Calibration::MinMax => whole(&values),
        Calibration::Percentile => percentile(values),
        Calibration::MeanSquareError => least_error(&values),
        Calibration::Entropy => least_divergence(&values),
    }
}

/// All of the values.
fn whole(values: &[f32]) -> (f32, f32) {
    let wider = |(low, high): (f32, f32), &x: &f32| (low.min(x), high.max(x));
    values.iter().fold((0.0, 0.0), wider)
}

/// On each side of zero, all of its values but the last 0.01%.
fn percentile(values: Vec<f32>) -> (f32, f32) {
    let (below, above): (Vec<f32>, Vec<f32>) = values.into_iter().partition(|&x| x < 0.0);
    let end = |side: Vec<f32>| {
        let mut magnitudes: Vec<f32> = side.into_iter().map(f32::abs).collect();
        magnitudes.sort_unstable_by(f32::total_cmp);
        let held = (PERCENTILE / 100.0 * magnitudes.len() as f64).ceil() as usize;
        held.checked_sub(1).map_or(0.0, |last| magnitudes[last])
    };
    (-end(below), end(above))
}

/// The shrunken whole range whose quantized values are nearest to the values.
fn least_error(values: &[f32]) -> (f32, f32) {
    let (low, high) = whole(values);
    let error = |share: u32| {
        let share = share as f32 / SHARES as f32;
        let affine = affine(low * share, high * share);
        let square = |&x: &f32| f64::from(x - restored(affine, x)).powi(2);
        values.iter().map(square).sum::<f64>()
    };
    let mut best = (SHARES, error(SHARES));
    for share in (1..SHARES).rev() {
        let error = error(share);
        if error < best.1 {
            best = (share, error);
        }
    }
    let share = best.0 as f32 / SHARES as f32;
    (low * share, high * share)
}

/// The largest share of the values that entropy may cut off. Q is a distribution of what is left alone: cut off behind the first
/// bin that holds anything, it would be P exactly, and nearly all values would be clamped.
const MOST_CUT_OFF: f64 = 0.01;

/// The threshold on magnitudes for which the distribution of the quantized values diverges least from that of the values.
fn least_divergence(values: &[f32]) -> (f32, f32) {
    let (low, high) = whole(values);
    let largest = high.max(-low);
    // All 256 quantized values, or as many as either sign has.
    let levels = if low < 0.0 && high > 0.0 { 128 } else { 256 };
    let mut histogram = vec![0_u64; BINS];
    for x in values {
        let bin = (f64::from(x.abs()) / f64::from(largest) * BINS as f64) as usize;
        histogram[bin.min(BINS - 1)] += 1;
    }
    let mut best = (BINS, f64::INFINITY);
    let mut cut_off = 0;
    for bins in (levels..=BINS).rev() {
        cut_off += histogram.get(bins).copied().unwrap_or(0);
        if cut_off as f64 > MOST_CUT_OFF * values.len() as f64 {
            break;
        }
        let divergence = divergence(&histogram, bins, levels);
        if divergence < best.1 {
            best = (bins, divergence);
        }
    }
    let threshold = (f64::from(largest) * best.0 as f64 / BINS as f64) as f32;
    (low.max(-threshold), high.min(threshold))
}

/// The divergence of the first `bins` of a histogram, cut off there, from the same bins in `levels` levels;
/// infinite where the last of them holds nothing but what was cut off.
fn divergence(histogram: &[u64], bins: usize, levels: usize) -> f64 {
    let (kept, cut_off) = histogram.split_at(bins);
    let sum = |counts: &[u64]| counts.iter().sum::<u64>() as f64;
    let (total, outliers) = (sum(kept), sum(cut_off));
    let mut divergence = 0.0;
    for level in 0..levels {
        let (from, to) = (level * bins / levels, (level + 1) * bins / levels);
        let filled = kept[from..to].iter().filter(|&&count| count > 0).count();
        let q = sum(&kept[from..to]) / filled as f64 / total;
        for (bin, &count) in kept.iter().enumerate().take(to).skip(from) {
            // What was cut off is in P's last bin, but not in Q: that is what cutting off costs.
            let cut_off = if bin + 1 == bins { outliers } else { 0.0 };
            let p = (count as f64 + cut_off) / (total + outliers);
            if p > 0.0 && count == 0 {
                return f64::INFINITY;
            }
            if p > 0.0 {
                divergence += p * (p / q).ln();
            }
        }
    }
    divergence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn min_max_is_the_whole_range_with_zero() {
        let of = |values: &[f32]| range(values, Calibration::MinMax);
        assert_eq!(of(&[0.5, -2.0, 3.0]), (-2.0, 3.0));
        assert_eq!(of(&[0.5, 3.0]), (0.0, 3.0));
        assert_eq!(of(&[]), (0.0, 0.0));
    }

    #[test]
    fn percentile_leaves_one_of_ten_thousand_out() {
        // 1 to 20,000 in another order: 99.99% are 19,998 of them. Zeros do not count.
        let mut values: Vec<f32> = (0..20_000).map(|i| (i * 7 % 20_000 + 1) as f32).collect();
        values.extend([0.0; 1_000]);
        let of = |values: &[f32]| range(values, Calibration::Percentile);
        assert_eq!(of(&values), (0.0, 19_998.0));
        values.extend([-1.0, -3.0]);
        assert_eq!(of(&values), (-3.0, 19_998.0));
        assert_eq!(of(&[2.0]), (0.0, 2.0));
    }

    #[test]
    fn least_error_weighs_one_outlier_against_many_steps() {
        let of = |values: &[f32]| range(values, Calibration::MeanSquareError);
        // What is exact cannot be bettered.
        let exact: Vec<f32> = (0..=255).map(|i| i as f32).collect();
        assert_eq!(of(&exact), (0.0, 255.0));
        // 100,000 values up to 1, and one of 4: its error of up to 9 is less than what four times the step
        // costs the others only where these are many.
        let even = |count: usize| -> Vec<f32> {
            let value = |i: usize| (i as f32 + 0.5) / count as f32;
            (0..count).map(value).chain([4.0]).collect()
        };
        // s²/12 each, s = 4/255: 2e-5 · 1,000 values is next to nothing; · 10⁶ is beyond 9.
        assert_eq!(of(&even(1_000)).1, 4.0);
        let high = of(&even(1_000_000)).1;
        assert!((1.0..3.0).contains(&high), "{high}");
    }

    #[test]
    fn divergence_worked_by_hand() {
        // Bins (2, 0 | 1, 1) into two levels: Q spreads 2 over its one filled bin, and 1 to each: no loss.
        assert_eq!(divergence(&[2, 0, 1, 1], 4, 2), 0.0);
        // (3, 1 | 2, 2): the first level says 2 and 2: P = 3/8, 1/8; Q = 2/8, 2/8.
        let expected = 0.375 * 1.5_f64.ln() + 0.125 * 0.5_f64.ln();
        assert!((divergence(&[3, 1, 2, 2], 4, 2) - expected).abs() <= 1e-12);
        // Cut off after two of three bins (2, 2, 4): P = 2/8, 6/8; Q = 1/2, 1/2.
        let expected = 0.25 * 0.5_f64.ln() + 0.75 * 1.5_f64.ln();
        assert!((divergence(&[2, 2, 4], 2, 2) - expected).abs() <= 1e-12);
        assert_eq!(divergence(&[2, 0, 4], 2, 2), f64::INFINITY);
    }

    /// Cut off behind the first bin that holds a value, they would have no divergence at all.
    #[test]
    fn entropy_keeps_values_that_are_close_together_and_far_from_zero() {
        let values: Vec<f32> = (0..1_000).map(|i| 0.5 + i as f32 / 10_000.0).collect();
        let (low, high) = range(&values, Calibration::Entropy);
        let outside = values.iter().filter(|&&x| x > high).count();
        assert!(low == 0.0 && outside <= 10, "{high} {outside}");
    }

    #[test]
    fn entropy_cuts_a_lone_outlier_off_and_an_even_distribution_nowhere() {
        // As many values in each bin: no merging loses anything, any cut does.
        let even: Vec<f32> = (0..4 * BINS).map(|i| (i as f32 + 0.5) / 4.0).collect();
        let (low, high) = range(&even, Calibration::Entropy);
        assert_eq!(low, 0.0);
        assert!(high >= 0.99 * BINS as f32, "{high}");
        // Magnitudes up to 4.6, thin towards the end, and one of 12.
        let gauss = |i: usize| {
            let u = (i as f64 + 0.5) / 20_000.0;
            (-2.0 * u.ln()).sqrt() as f32
        };
        let mut values: Vec<f32> = (0..20_000).map(gauss).collect();
        values.push(12.0);
        let high = range(&values, Calibration::Entropy).1;
        assert!((2.0..6.0).contains(&high), "{high}");
        // Of either sign the threshold is one of magnitudes.
        let signed: Vec<f32> = values.iter().flat_map(|&x| [x, -x / 2.0]).collect();
        let (low, high) = range(&signed, Calibration::Entropy);
        assert!(low < 0.0 && high > 0.0 && -low <= high, "{low} {high}");
    }
}
