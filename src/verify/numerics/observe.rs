//! What results say of how they came about: pure functions of operands and of what was made of them.

use half::f16;

/// Values beyond binary16, the first of which lies midway between its largest number and the next, which it lacks.
pub(super) const LARGE: [f32; 3] = [65520.0, 1e6, f32::MAX];

/// Subnormal numbers of binary16.
pub(super) const TINY: [u16; 5] = [0x0001, 0x0002, 0x0155, 0x0200, 0x03ff];

/// Values round the midpoints between neighbouring binary16 numbers, of both signs.
pub(super) fn midpoints() -> Vec<f32> {
    let bits = [
        0x0400_u16, 0x0401, 0x0777, 0x3555, 0x3c00, 0x3c01, 0x57fe, 0x6400, 0x7bfd,
    ];
    let mut values = Vec::new();
    for bits in bits {
        let low = f16::from_bits(bits).to_f32();
        let high = f16::from_bits(bits + 1).to_f32();
        let middle = f32::midpoint(low, high);
        for value in [low, middle.next_down(), middle, middle.next_up()] {
            values.extend([value, -value]);
        }
    }
    values
}

/// The binary16 numbers on either side of a value that lies inside their range; twice the same where it is
/// one.
fn neighbours(value: f32) -> [f16; 2] {
    let near = f16::from_f32(value);
    let widened = near.to_f32();
    let step = |up: bool| {
        let bits = near.to_bits();
        // Away from zero where that is the way, else towards it; midpoints() holds no zero.
        f16::from_bits(if up == (value > 0.0) {
            bits + 1
        } else {
            bits - 1
        })
    };
    match widened.total_cmp(&value) {
        std::cmp::Ordering::Equal => [near, near],
        std::cmp::Ordering::Less => [near, step(true)],
        std::cmp::Ordering::Greater => [step(false), near],
    }
}

/// How values were rounded to binary16: the way that all results agree with.
pub(super) fn rounding(values: &[f32], results: &[f16]) -> &'static str {
    type Way = fn(f32, [f16; 2]) -> f16;
    let ways: [(&str, Way); 6] = [
        ("nearest-even", |value, _| f16::from_f32(value)),
        ("nearest-away", |value, [low, high]| {
            let middle = f32::midpoint(low.to_f32(), high.to_f32());
            let up = if value > 0.0 {
                value >= middle
            } else {
                value > middle
            };
            if up { high } else { low }
        }),
        (
            "toward-zero",
            |value, [low, high]| if value > 0.0 { low } else { high },
        ),
        (
            "away-from-zero",
            |value, [low, high]| if value > 0.0 { high } else { low },
        ),
        ("upward", |_, [_, high]| high),
        ("downward", |_, [low, _]| low),
    ];
    let is = |way: &Way| {
        let pairs = values.iter().zip(results);
        pairs.clone().count() == values.len()
            && pairs
                .into_iter()
                .all(|(&value, result)| way(value, neighbours(value)).to_bits() == result.to_bits())
    };
    let found = ways.iter().find(|(_, way)| is(way));
    found.map_or("other", |(name, _)| name)
}

/// The same where the results are f32, which may be numbers that binary16 lacks.
pub(super) fn rounding_in_f32(values: &[f32], results: &[f32]) -> &'static str {
    let halves: Vec<f16> = results
        .iter()
        .map(|&result| f16::from_f32(result))
        .collect();
    let exact = halves.iter().map(|half| half.to_f32().to_bits());
    if exact.eq(results.iter().map(|result| result.to_bits())) {
        rounding(values, &halves)
    } else {
        "other"
    }
}

/// What became of values beyond binary16, widened to f32.
pub(super) fn overflow(results: &[f32]) -> &'static str {
    let infinite = results.iter().all(|result| result.is_infinite());
    let largest = results.iter().all(|result| *result == f16::MAX.to_f32());
    match (infinite, largest) {
        (true, _) => "infinity",
        (_, true) => "largest-number",
        _ => "other",
    }
}

/// Whether all, none or some of them are so, in these words.
pub(super) fn all_or_none(
    of: impl IntoIterator<Item = bool>,
    [all, none]: [&'static str; 2],
) -> &'static str {
    let (mut yes, mut no) = (false, false);
    for one in of {
        yes |= one;
        no |= !one;
    }
    match (yes, no) {
        (true, false) => all,
        (false, true) => none,
        _ => "mixed",
    }
}

/// What became of what is too small for a normal number: kept as it should be, flushed to zero, or else.
pub(super) fn subnormals(results: &[f32], exact: &[f32]) -> &'static str {
    if results.iter().all(|result| *result == 0.0) {
        "flushed"
    } else if results == exact {
        "kept"
    } else {
        "other"
    }
}

/// What a result that should be infinite or no number is.
pub(super) fn class(result: f32) -> &'static str {
    if result.is_nan() {
        "nan"
    } else if result.is_infinite() {
        "infinity"
    } else if result.abs() == f32::MAX {
        "largest-number"
    } else if result == 0.0 {
        "zero"
    } else {
        "number"
    }
}

/// The largest error of f32 results, in units in the last place of the exact values.
pub(super) fn largest_ulps(results: &[f32], exact: &[f64]) -> f64 {
    let ulp = |value: f64| 2_f64.powi(value.abs().log2().floor().max(-126.0) as i32 - 23);
    let pairs = results.iter().zip(exact);
    let errors = pairs.map(|(&result, &exact)| {
        let error = (f64::from(result) - exact).abs() / ulp(exact);
        if error.is_nan() { f64::INFINITY } else { error }
    });
    errors.fold(0.0, f64::max)
}

/// `[a, b, c]` whose a · b + c is another number where it is rounded once than where it is twice.
pub(super) fn contracted_operands() -> Vec<[f32; 3]> {
    let mut all = Vec::new();
    for step in 1..64 {
        let a = 1.0 + f32::EPSILON * (2 * step + 1) as f32;
        let b = 1.0 + f32::EPSILON * (3 * step + 2) as f32;
        all.push([a, b, -(a * b)]);
    }
    all
}

/// How sums of products were rounded: `once`, `twice`, by these words.
pub(super) fn contraction(
    operands: &[[f32; 3]],
    results: &[f32],
    words: [&'static str; 2],
) -> &'static str {
    let once = operands.iter().zip(results).map(|([a, b, c], result)| {
        let exact = f64::from(*a) * f64::from(*b) + f64::from(*c);
        *result == exact as f32
    });
    all_or_none(once, words)
}

/// Operands of sums and products over many magnitudes. No product is subnormal, and no sum that is not exact.
pub(super) fn inexact_pairs() -> Vec<[f32; 2]> {
    let signed = |[a, b]: [f32; 2], at: usize| {
        if at.is_multiple_of(2) {
            [a, b]
        } else {
            [a, -b]
        }
    };
    let pairs = quotients().into_iter().enumerate();
    pairs.map(|(at, pair)| signed(pair, at)).collect()
}

/// How f32 results were rounded: `nearest-even`, or `other`.
pub(super) fn f32_rounding(
    pairs: &[[f32; 2]],
    results: &[f32],
    exact: fn(f32, f32) -> f32,
) -> &'static str {
    let right = pairs
        .iter()
        .zip(results)
        .all(|([a, b], result)| exact(*a, *b) == *result);
    if right && results.len() == pairs.len() {
        "nearest-even"
    } else {
        "other"
    }
}

/// Dividends and divisors over all magnitudes whose quotient is a normal number.
pub(super) fn quotients() -> Vec<[f32; 2]> {
    let mut all = Vec::new();
    for step in 0..2048_u32 {
        let significand = |salt: u32| {
            let bits = step
                .wrapping_mul(0x9e37_79b9)
                .wrapping_add(salt.wrapping_mul(0x85eb_ca6b));
            f32::from_bits(0x3f80_0000 | bits >> 9)
        };
        let exponent = (step % 61) as i32 - 30;
        all.push([significand(1), significand(2) * 2_f32.powi(exponent)]);
    }
    all
}

/// Exponents from −87 to 88.
pub(super) fn exponents() -> Vec<f32> {
    (0..4096)
        .map(|step| -87.0 + 175.0 * step as f32 / 4096.0)
        .collect()
}

/// Words of four quantized values each: all corners, and as many others.
pub(super) fn quantized_pairs() -> Vec<[u32; 2]> {
    let corner = |bits: u32| {
        (0..4).fold(0, |word, at| {
            let value: u32 = if bits >> at & 1 == 1 { 0x7f } else { 0x80 };
            word | value << (8 * at)
        })
    };
    let corners = (0..16).flat_map(|x| (0..16).map(move |y| [corner(x), corner(y)]));
    let others =
        (0..256_u32).map(|at| [at.wrapping_mul(0x9e37_79b9), at.wrapping_mul(0x85eb_ca6b)]);
    corners.chain(others).collect()
}

/// The sum of products of the quantized values of two words.
pub(super) fn dot(x: u32, y: u32) -> i32 {
    let values = |word: u32| word.to_le_bytes().map(|byte| i32::from(byte as i8));
    values(x)
        .into_iter()
        .zip(values(y))
        .map(|(x, y)| x * y)
        .sum()
}

/// Whether ticks never go back, and what their differences are multiples of.
pub(super) fn clock(ticks: &[u64]) -> (bool, u64) {
    let monotonic = ticks.is_sorted();
    let steps = ticks.windows(2).map(|pair| pair[1].abs_diff(pair[0]));
    let resolution = steps.fold(0, |common, step| {
        let (mut a, mut b) = (common, step);
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a
    });
    (monotonic, resolution)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_of_rounding_is_known() {
        let values = midpoints();
        let by = |way: fn(f32, [f16; 2]) -> f16| -> Vec<f16> {
            values.iter().map(|&v| way(v, neighbours(v))).collect()
        };
        let even: Vec<f16> = values.iter().map(|&v| f16::from_f32(v)).collect();
        assert_eq!(rounding(&values, &even), "nearest-even");
        assert_eq!(rounding(&values, &by(|_, [low, _]| low)), "downward");
        assert_eq!(rounding(&values, &by(|_, [_, high]| high)), "upward");
        let zero = by(|v, [low, high]| if v > 0.0 { low } else { high });
        assert_eq!(rounding(&values, &zero), "toward-zero");
        let mut other = even;
        other[3] = f16::ZERO;
        assert_eq!(rounding(&values, &other), "other");
        assert_eq!(rounding(&values, &[]), "other");
        let widened = by(|_, [low, _]| low).into_iter().map(f16::to_f32);
        let widened: Vec<f32> = widened.collect();
        assert_eq!(rounding_in_f32(&values, &widened), "downward");
        // Not rounded at all, which would round to the nearest.
        assert_eq!(rounding_in_f32(&values, &values), "other");
        let [low, high] = neighbours(-1.000_01);
        assert!(low.to_f32() < -1.000_01 && high.to_f32() > -1.000_01);
    }

    #[test]
    fn sums_and_products_rounded_toward_zero_are_reported() {
        let pairs = inexact_pairs();
        let toward_zero = |exact: f64| {
            let near = exact as f32;
            let too_large = f64::from(near).abs() > exact.abs();
            f32::from_bits(near.to_bits() - u32::from(too_large))
        };
        let sums: Vec<f32> = pairs.iter().map(|[a, b]| a + b).collect();
        assert_eq!(f32_rounding(&pairs, &sums, |a, b| a + b), "nearest-even");
        assert_eq!(f32_rounding(&pairs, &sums[1..], |a, b| a + b), "other");
        let of = |[a, b]: &[f32; 2]| toward_zero(f64::from(*a) + f64::from(*b));
        let sums: Vec<f32> = pairs.iter().map(of).collect();
        assert_eq!(f32_rounding(&pairs, &sums, |a, b| a + b), "other");
        let of = |[a, b]: &[f32; 2]| toward_zero(f64::from(*a) * f64::from(*b));
        let products: Vec<f32> = pairs.iter().map(of).collect();
        assert_eq!(f32_rounding(&pairs, &products, |a, b| a * b), "other");
    }

    #[test]
    fn a_sum_rounded_once_is_distinguished_from_one_rounded_twice() {
        let operands = contracted_operands();
        let once: Vec<f32> = operands.iter().map(|[a, b, c]| a.mul_add(*b, *c)).collect();
        let twice: Vec<f32> = operands.iter().map(|[a, b, c]| a * b + c).collect();
        let words = ["once", "twice"];
        assert_eq!(contraction(&operands, &once, words), "once");
        // Where the product is exact, both are the same.
        assert_ne!(contraction(&operands, &twice, words), "once");
        assert_eq!(all_or_none([true, false], words), "mixed");
    }

    #[test]
    fn errors_subnormals_products_and_clocks() {
        assert_eq!(largest_ulps(&[1.0, 2.0], &[1.0, 2.0]), 0.0);
        assert_eq!(largest_ulps(&[1.0 + f32::EPSILON], &[1.0]), 1.0);
        assert_eq!(largest_ulps(&[f32::NAN], &[1.0]), f64::INFINITY);
        assert_eq!(subnormals(&[0.0, 0.0], &[1e-40, 2e-40]), "flushed");
        assert_eq!(subnormals(&[1e-40], &[1e-40]), "kept");
        assert_eq!(subnormals(&[1e-40, 0.0], &[1e-40, 2e-40]), "other");
        assert_eq!(dot(0x8080_8080, 0x7f7f_7f7f), -4 * 128 * 127);
        assert_eq!(clock(&[0, 40, 100, 160]), (true, 20));
        assert_eq!(clock(&[5, 3]), (false, 2));
        assert_eq!(class(f32::MAX), "largest-number");
        assert_eq!(overflow(&[f32::INFINITY; 2]), "infinity");
        assert_eq!(overflow(&[65504.0; 2]), "largest-number");
        assert_eq!(overflow(&[65504.0, f32::INFINITY]), "other");
        assert_eq!(overflow(&LARGE), "other");
    }
}
