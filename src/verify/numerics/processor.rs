//! The numerics report of the CPU path's processor: what its kernels' vectors do where an adapter's would be a driver's
//! choice.

use std::hint::black_box;
use std::time::Instant;

use half::f16;

use super::observe::{
    LARGE, TINY, all_or_none, class, clock, contracted_operands, contraction, dot, exponents,
    f32_rounding, inexact_pairs, largest_ulps, midpoints, overflow, quantized_pairs, quotients,
    rounding_in_f32, subnormals,
};
use super::report::NumericsReport;
use crate::cpu::numerics::{ProcessorOperation, apply};
use crate::cpu::{IntegerWeights, Processor};

/// How often the clock is read.
const READINGS: usize = 4096;

/// Why what only shaders have does not apply.
const NO_SHADER: &str = "the CPU path has no shaders";

/// Looks at everything.
pub(super) fn observe(processor: &Processor, report: &mut NumericsReport) {
    for name in [
        "f32_to_f16_pack2x16float",
        "f32_to_f16_storage",
        "f32_to_f16_quantize",
        "f16_overflow_quantize",
        "f16_subnormals_quantize",
        "f16_overflow_pack2x16float",
        "f16_subnormals_pack2x16float",
        "f16_subnormals_unpack2x16float",
    ] {
        report.nothing(name, NO_SHADER);
    }
    report.nothing("f16_subnormals_product", "the CPU path multiplies in f32");
    let probe = ProcessorProbe(processor);
    halves(&probe, report);
    arithmetic(&probe, report);
    limits(&probe, report);
    time(report);
}

/// Observes the kernels' vectors.
struct ProcessorProbe<'a>(&'a Processor);

impl ProcessorProbe<'_> {
    fn each(&self, operation: ProcessorOperation, operands: &[[f32; 3]]) -> Vec<f32> {
        apply(self.0, operation, operands)
    }

    /// Of operations on one value.
    fn of_values(&self, operation: ProcessorOperation, values: &[f32]) -> Vec<f32> {
        let operands: Vec<_> = values.iter().map(|&value| [value, 0.0, 0.0]).collect();
        self.each(operation, &operands)
    }

    /// Of operations on two values.
    fn of_pairs(&self, operation: ProcessorOperation, pairs: &[[f32; 2]]) -> Vec<f32> {
        let operands: Vec<_> = pairs.iter().map(|&[a, b]| [a, b, 0.0]).collect();
        self.each(operation, &operands)
    }
}

/// Conversions to binary16 and back.
fn halves(probe: &ProcessorProbe<'_>, report: &mut NumericsReport) {
    let convert = |values: &[f32]| probe.of_values(ProcessorOperation::RoundF16, values);
    let values = midpoints();
    let rounded = convert(&values);
    report.word("f32_to_f16_conversion", rounding_in_f32(&values, &rounded));
    let inexact = values.iter().zip(&rounded);
    let inexact = inexact.filter(|(value, _)| f16::from_f32(**value).to_f32() != **value);
    let changed = inexact.map(|(value, rounded)| rounded != value);
    let word = all_or_none(changed, ["rounds", "changes-nothing"]);
    report.word("f16_round_trip", word);
    report.word("f16_overflow_conversion", overflow(&convert(&LARGE)));
    let exact = TINY.map(|bits| f16::from_bits(bits).to_f32());
    let word = subnormals(&convert(&exact), &exact);
    report.word("f16_subnormals_conversion", word);
    let bits = TINY.map(|bits| f32::from_bits(u32::from(bits)));
    let widened = probe.of_values(ProcessorOperation::WidenF16, &bits);
    report.word("f16_subnormals_widened", subnormals(&widened, &exact));
}

/// Sums, products, contraction, division, exp and int8 products.
fn arithmetic(probe: &ProcessorProbe<'_>, report: &mut NumericsReport) {
    let pairs = inexact_pairs();
    let sums = probe.of_pairs(ProcessorOperation::Add, &pairs);
    report.word("addition", f32_rounding(&pairs, &sums, |a, b| a + b));
    let products = probe.of_pairs(ProcessorOperation::Multiply, &pairs);
    let word = f32_rounding(&pairs, &products, |a, b| a * b);
    report.word("multiplication", word);

    let operands = contracted_operands();
    let sums = probe.each(ProcessorOperation::MultiplyThenAdd, &operands);
    let word = contraction(&operands, &sums, ["contracted", "separate"]);
    report.word("multiply_add", word);
    let sums = probe.each(ProcessorOperation::MultiplyAdd, &operands);
    report.word("fma", contraction(&operands, &sums, ["fused", "separate"]));

    let pairs = quotients();
    let got = probe.of_pairs(ProcessorOperation::Divide, &pairs);
    let exact: Vec<f64> = pairs
        .iter()
        .map(|[a, b]| f64::from(*a) / f64::from(*b))
        .collect();
    report.number("division_ulps", largest_ulps(&got, &exact));
    let values = exponents();
    let exact: Vec<f64> = values.iter().map(|x| f64::from(*x).exp()).collect();
    // Softmax has its own, sigmoid the language's.
    let own = probe.of_values(ProcessorOperation::Exp, &values);
    let of_language: Vec<f32> = values.iter().map(|x| black_box(*x).exp()).collect();
    let ulps = largest_ulps(&own, &exact).max(largest_ulps(&of_language, &exact));
    report.number("exp_ulps", ulps);

    let pairs = quantized_pairs();
    let exact = pairs.iter().map(|[x, y]| {
        let values = |word: &u32| word.to_le_bytes().map(|byte| byte as i8);
        let sums = IntegerWeights::new(&values(y), 4, 1, probe.0).sums(&values(x));
        sums == [dot(*x, *y)]
    });
    report.word("dot4i8packed", all_or_none(exact, ["exact", "inexact"]));
}

/// f32's range, infinities and what is no number.
fn limits(probe: &ProcessorProbe<'_>, report: &mut NumericsReport) {
    let (tiny, infinity, nan) = (f32::MIN_POSITIVE, f32::INFINITY, f32::NAN);
    // Written as bits, so that nothing is computed.
    let exact = [0x0040_0000_u32, 0x0020_0000].map(f32::from_bits);
    let products = probe.of_pairs(ProcessorOperation::Multiply, &[[tiny, 0.5], [tiny, 0.25]]);
    report.word("f32_subnormals_product", subnormals(&products, &exact));
    let sums = probe.of_pairs(ProcessorOperation::Add, &[exact]);
    let word = subnormals(&sums, &[f32::from_bits(0x0060_0000)]);
    report.word("f32_subnormals_operand", word);
    for (name, operation, operands) in [
        (
            "infinity_overflow",
            ProcessorOperation::Multiply,
            [f32::MAX, 2.0],
        ),
        ("infinity_division", ProcessorOperation::Divide, [1.0, 0.0]),
        (
            "nan_difference",
            ProcessorOperation::Add,
            [infinity, -infinity],
        ),
        ("nan_product", ProcessorOperation::Multiply, [0.0, infinity]),
        ("nan_maximum", ProcessorOperation::Maximum, [nan, 1.0]),
        ("nan_minimum", ProcessorOperation::Minimum, [nan, 1.0]),
    ] {
        let got = probe.of_pairs(operation, &[operands]);
        report.word(name, got.first().map_or("nothing", |&value| class(value)));
    }
    // Sigmoid's; softmax takes e^x of x ≤ 0 only.
    report.word("infinity_exp", class(black_box(100.0_f32).exp()));
    let equal = black_box(nan) == black_box(nan);
    report.word("nan_equality", if equal { "equal" } else { "unequal" });
}

/// The clock that samples are timed with.
fn time(report: &mut NumericsReport) {
    let start = Instant::now();
    let readings = (0..READINGS).map(|_| start.elapsed().as_nanos());
    let ticks: Vec<u64> = readings
        .map(|nanos| u64::try_from(nanos).unwrap_or(u64::MAX))
        .collect();
    let (monotonic, resolution) = clock(&ticks);
    report.flag("timestamp_monotonic", monotonic);
    report.number("timestamp_period_ns", 1.0);
    report.number("timestamp_resolution_ns", resolution as f64);
}
