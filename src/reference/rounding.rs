//! Rounding to types of fewer bits, from their definition.

/// The binary16 number nearest to `value`, ties to even; infinite from 65,520 on.
///
/// Binary16 has 11 significant bits and no exponent under −14.
#[must_use]
pub fn round_f16(value: f64) -> f64 {
    nearest(value, 11, -14, 65_504.0)
}

/// The bfloat16 number nearest to `value`, ties to even; infinite beyond the largest.
///
/// bfloat16 has 8 significant bits and f32's exponents, the least of which is −126 and the largest 127.
#[must_use]
pub fn round_bf16(value: f64) -> f64 {
    nearest(value, 8, -126, (2.0 - 2_f64.powi(-7)) * 2_f64.powi(127))
}

/// The nearest number of a type: with e = max(⌊log₂|x|⌋, the least exponent), those near x are multiples of
/// 2^(e − significant bits + 1). OutOfRange the type's largest it is infinite.
fn nearest(value: f64, significant_bits: i32, least_exponent: i32, largest: f64) -> f64 {
    if !value.is_finite() || value == 0.0 {
        return value;
    }
    // The exponent bits of an f64 are ⌊log₂|x|⌋ + 1,023.
    let exponent = ((value.to_bits() >> 52) & 0x7ff) as i32 - 1023;
    let unit = 2_f64.powi(exponent.max(least_exponent) - significant_bits + 1);
    let rounded = (value / unit).round_ties_even() * unit;
    if rounded.abs() > largest {
        f64::INFINITY.copysign(value)
    } else {
        rounded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::{bf16, f16};

    /// Every number of a type up to the last but one, and the points on, just below and just above each
    /// midpoint.
    fn agrees(last: u16, number: impl Fn(u16) -> f64, round: impl Fn(f64) -> f64) {
        for bits in 0..last {
            let (low, high) = (number(bits), number(bits + 1));
            let middle = (low + high) / 2.0;
            let even = if bits % 2 == 0 { low } else { high };
            for (value, expected) in [
                (low, low),
                (middle, even),
                (middle.next_down(), low),
                (middle.next_up(), high),
            ] {
                assert_eq!(round(value), expected, "{value:e}");
                assert_eq!(round(-value), -expected, "-{value:e}");
            }
        }
    }

    #[test]
    fn rounding_agrees_with_the_conversion_library_everywhere() {
        agrees(0x7bff, |bits| f16::from_bits(bits).to_f64(), round_f16);
        agrees(0x7f7f, |bits| bf16::from_bits(bits).to_f64(), round_bf16);
    }

    #[test]
    fn what_exceeds_the_largest_number_is_infinite() {
        assert_eq!(round_f16(65_519.9), 65_504.0);
        assert_eq!(round_f16(65_520.0), f64::INFINITY);
        assert_eq!(round_bf16(bf16::MAX.to_f64() * 1.001), bf16::MAX.to_f64());
        assert_eq!(round_bf16(-3.4e38), f64::NEG_INFINITY);
    }
}
