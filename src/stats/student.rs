//! Student's t distribution: how far the mean of a few measurements may lie from the true mean.

use std::f64::consts::FRAC_PI_2;

/// The distance from the mean, in standard errors, that `confidence` of the distribution with so many degrees of
/// freedom does not exceed on either side; infinity for none.
///
/// The share within an angle is a finite sum (M. Abramowitz, I. A. Stegun, Handbook of Mathematical Functions, 1964,
/// 26.7.3 and 26.7.4), which is inverted by bisection.
#[must_use]
pub(super) fn student_quantile(confidence: f64, freedom: usize) -> f64 {
    if freedom == 0 {
        return f64::INFINITY;
    }
    let (mut low, mut high) = (0.0, FRAC_PI_2);
    // Each step halves the interval; an f64 has 53 bits.
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if share_within(middle, freedom) < confidence {
            low = middle;
        } else {
            high = middle;
        }
    }
    low.tan() * (freedom as f64).sqrt()
}

/// The share of the distribution between −t and t, where t is the square root of the degrees of freedom times the tangent
/// of `angle`.
fn share_within(angle: f64, freedom: usize) -> f64 {
    let (sine, cosine) = angle.sin_cos();
    let odd = freedom % 2 == 1;
    let mut term = if odd { cosine } else { 1.0 };
    let mut sum = 0.0;
    let mut at = if odd { 3 } else { 2 };
    while at <= freedom {
        sum += term;
        term *= cosine * cosine * (at - 1) as f64 / at as f64;
        at += 2;
    }
    if odd {
        (angle + sine * sum) / FRAC_PI_2
    } else {
        sine * sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the table of any textbook.
    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (confidence, freedom, want) in [
            (0.95, 1, 12.706),
            (0.95, 2, 4.303),
            (0.95, 3, 3.182),
            (0.95, 5, 2.571),
            (0.95, 10, 2.228),
            (0.95, 30, 2.042),
            (0.99, 1, 63.657),
            (0.99, 4, 4.604),
            (0.99, 5, 4.032),
            (0.99, 29, 2.756),
            (0.99, 100, 2.626),
        ] {
            let got = student_quantile(confidence, freedom);
            assert!((got - want).abs() <= 6e-4, "{confidence} {freedom}: {got}");
        }
        assert_eq!(student_quantile(0.95, 0), f64::INFINITY);
    }
}
