//! The passport of the CPU path's processor: what its code does where an adapter's would be a driver's choice.

use std::hint::black_box;
use std::time::Instant;

use half::f16;

use super::Passport;
use super::observe::{
    all_or_none, class, clock, code_pairs, contracted_operands, contraction, dot, exponents,
    largest_ulps, midpoints, quotients, rounding, subnormals,
};
use crate::cpu::{IntegerWeights, Processor};

/// How often the clock is read.
const READINGS: usize = 4096;

/// Why what only shaders have does not apply.
const NO_SHADER: &str = "the CPU path has no shaders";

/// Looks at everything.
pub(super) fn observe(processor: &Processor, passport: &mut Passport) {
    for name in [
        "f32_to_f16_pack2x16float",
        "f32_to_f16_storage",
        "f16_overflow_pack2x16float",
        "f16_subnormals_pack2x16float",
        "f16_subnormals_unpack2x16float",
    ] {
        passport.nothing(name, NO_SHADER);
    }
    passport.nothing("f16_subnormals_product", "the CPU path multiplies in f32");
    halves(passport);
    arithmetic(processor, passport);
    limits(passport);
    time(passport);
}

/// Conversions to binary16 and back.
fn halves(passport: &mut Passport) {
    let convert = |values: &[f32]| -> Vec<f16> {
        values
            .iter()
            .map(|&v| f16::from_f32(black_box(v)))
            .collect()
    };
    let values = midpoints();
    passport.word(
        "f32_to_f16_conversion",
        rounding(&values, &convert(&values)),
    );
    let inexact = values.iter().filter(|v| f16::from_f32(**v).to_f32() != **v);
    let changed = inexact.map(|&value| f16::from_f32(black_box(value)).to_f32() != value);
    let word = all_or_none(changed, ["rounds", "changes-nothing"]);
    passport.word("f16_round_trip", word);
    let infinite = convert(&[65520.0, 1e6])
        .iter()
        .all(|half| half.is_infinite());
    let word = if infinite { "infinity" } else { "other" };
    passport.word("f16_overflow_conversion", word);
    let tiny = [0x0001_u16, 0x0155, 0x03ff].map(|bits| f16::from_bits(bits).to_f32());
    let kept: Vec<f32> = convert(&tiny).into_iter().map(f16::to_f32).collect();
    let word = subnormals(&kept, &tiny);
    passport.word("f16_subnormals_conversion", word);
    passport.word("f16_subnormals_widened", word);
}

/// Contraction, division, exp and int8 products.
fn arithmetic(processor: &Processor, passport: &mut Passport) {
    let operands = contracted_operands();
    let plain = |[a, b, c]: &[f32; 3]| black_box(*a) * black_box(*b) + black_box(*c);
    let sums: Vec<f32> = operands.iter().map(plain).collect();
    let word = contraction(&operands, &sums, ["contracted", "separate"]);
    passport.word("multiply_add", word);
    let fused = |[a, b, c]: &[f32; 3]| black_box(*a).mul_add(black_box(*b), black_box(*c));
    let sums: Vec<f32> = operands.iter().map(fused).collect();
    passport.word("fma", contraction(&operands, &sums, ["fused", "separate"]));

    let pairs = quotients();
    let got: Vec<f32> = pairs
        .iter()
        .map(|[a, b]| black_box(*a) / black_box(*b))
        .collect();
    let exact: Vec<f64> = pairs
        .iter()
        .map(|[a, b]| f64::from(*a) / f64::from(*b))
        .collect();
    passport.number("division_ulps", largest_ulps(&got, &exact));
    let values = exponents();
    let got: Vec<f32> = values.iter().map(|x| black_box(*x).exp()).collect();
    let exact: Vec<f64> = values.iter().map(|x| f64::from(*x).exp()).collect();
    passport.number("exp_ulps", largest_ulps(&got, &exact));

    let pairs = code_pairs();
    let exact = pairs.iter().map(|[x, y]| {
        let codes = |word: &u32| word.to_le_bytes().map(|byte| byte as i8);
        let sums = IntegerWeights::new(&codes(y), 4, 1, processor).sums(&codes(x));
        sums == [dot(*x, *y)]
    });
    passport.word("dot4i8packed", all_or_none(exact, ["exact", "inexact"]));
}

/// f32's range, infinities and what is no number.
fn limits(passport: &mut Passport) {
    let tiny = black_box(f32::MIN_POSITIVE);
    let (infinity, nan) = (black_box(f32::INFINITY), black_box(f32::NAN));
    // Written as bits, so that nothing is computed.
    let exact = [0x0040_0000_u32, 0x0020_0000].map(f32::from_bits);
    let word = subnormals(&[tiny * 0.5, tiny * 0.25], &exact);
    passport.word("f32_subnormals_product", word);
    let [a, b] = exact.map(black_box);
    let word = subnormals(&[a + b], &[f32::from_bits(0x0060_0000)]);
    passport.word("f32_subnormals_operand", word);
    for (name, value) in [
        ("infinity_overflow", black_box(f32::MAX) * 2.0),
        ("infinity_division", 1.0 / black_box(0.0_f32)),
        ("infinity_exp", black_box(100.0_f32).exp()),
        ("nan_difference", infinity - black_box(f32::INFINITY)),
        ("nan_product", 0.0 * infinity),
        ("nan_maximum", nan.max(1.0)),
        ("nan_minimum", nan.min(1.0)),
    ] {
        passport.word(name, class(value));
    }
    let equal = black_box(nan) == black_box(nan);
    passport.word("nan_equality", if equal { "equal" } else { "unequal" });
}

/// The clock that samples are timed with.
fn time(passport: &mut Passport) {
    let start = Instant::now();
    let readings = (0..READINGS).map(|_| start.elapsed().as_nanos());
    let ticks: Vec<u64> = readings
        .map(|nanos| u64::try_from(nanos).unwrap_or(u64::MAX))
        .collect();
    let (monotonic, resolution) = clock(&ticks);
    passport.flag("timestamp_monotonic", monotonic);
    passport.number("timestamp_period_ns", 1.0);
    passport.number("timestamp_resolution_ns", resolution as f64);
}
