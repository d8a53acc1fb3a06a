//! The learning rate over the training's steps.

use std::f64::consts::PI;

/// The learning rate of `step` (from 0) out of `steps`: half a cosine from `base` down to 0.
///
/// `base · (1 + cos(π · step / steps)) / 2`, which is SGDR without restarts (Loshchilov and Hutter
/// 2017, equation 5, with the least rate 0). It ends on small steps, so that the last weights are
/// settled ones and no epoch has to be picked.
pub(super) fn cosine(base: f32, step: usize, steps: usize) -> f32 {
    let progress = step as f64 / steps.max(1) as f64;
    (f64::from(base) * (1.0 + (PI * progress).cos()) / 2.0) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begins_at_the_base_rate_and_ends_at_nothing() {
        assert_eq!(cosine(0.25, 0, 100), 0.25);
        assert_eq!(cosine(0.25, 50, 100), 0.125);
        assert_eq!(cosine(0.25, 100, 100), 0.0);
        assert_eq!(cosine(0.25, 0, 0), 0.25);
    }

    #[test]
    fn never_rises() {
        let rates: Vec<f32> = (0..=1000).map(|step| cosine(0.01, step, 1000)).collect();
        assert!(rates.windows(2).all(|pair| pair[1] < pair[0]));
    }
}
