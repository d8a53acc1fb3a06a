//! The numerics report of an adapter.

use std::sync::Arc;

use half::f16;

use super::observe::{
    LARGE, TINY, all_or_none, class, clock, contracted_operands, contraction, dot, exponents,
    f32_rounding, inexact_pairs, largest_ulps, midpoints, overflow, quantized_pairs, quotients,
    rounding, rounding_in_f32, subnormals,
};
use super::report::NumericsReport;
use crate::Precision;
use crate::error::Result;
use crate::gpu::{Device, DeviceOperation, Numerics};

/// Passes between which timestamps are taken.
const PASSES: u32 = 32;

/// Looks at everything.
pub(super) async fn observe(device: &Arc<Device>, report: &mut NumericsReport) -> Result<()> {
    let numerics = Numerics::new(device)?;
    let lacks = device.info().lacks(Precision::F16);
    let probe = DeviceProbe { numerics, lacks };
    probe.f16(report).await?;
    probe.f16_range(report).await?;
    probe.quantize(report).await?;
    probe.arithmetic(report).await?;
    probe.limits(report).await?;
    probe.clock(report).await
}

struct DeviceProbe {
    numerics: Numerics,
    /// Why there is no f16 type.
    lacks: Option<&'static str>,
}

impl DeviceProbe {
    /// The words that an operation makes of `[a, b, c]`; none where it needs what is not there.
    async fn words(
        &self,
        operation: DeviceOperation,
        operands: &[[u32; 3]],
    ) -> Result<Option<Vec<u32>>> {
        self.numerics.apply(operation, operands).await
    }

    /// The f32 that an operation of the core makes of f32 operands.
    async fn values(&self, operation: DeviceOperation, operands: &[[f32; 3]]) -> Result<Vec<f32>> {
        let operands: Vec<_> = operands.iter().map(|o| o.map(f32::to_bits)).collect();
        let words = self.words(operation, &operands).await?.unwrap_or_default();
        Ok(words.into_iter().map(f32::from_bits).collect())
    }

    /// The binary16 in the lower half of what an operation makes of each value.
    async fn halves(&self, operation: DeviceOperation, values: &[f32]) -> Result<Option<Vec<f16>>> {
        let ones = match operation {
            DeviceOperation::Convert => 0x0001_0001 * u32::from(f16::ONE.to_bits()),
            _ => 0,
        };
        let operands: Vec<_> = values.iter().map(|v| [v.to_bits(), ones, 0]).collect();
        let words = self.words(operation, &operands).await?;
        let half = |word: u32| f16::from_bits(word as u16);
        Ok(words.map(|words| words.into_iter().map(half).collect()))
    }

    /// Notes a word, or that there is no f16.
    fn note(&self, report: &mut NumericsReport, name: &str, word: Option<&str>) {
        match word {
            Some(word) => report.word(name, word),
            None => report.nothing(name, self.lacks.unwrap_or("it gave no result")),
        }
    }

    /// How f32 is rounded to f16, each way there is.
    async fn f16(&self, report: &mut NumericsReport) -> Result<()> {
        let values = midpoints();
        for (name, operation) in [
            ("f32_to_f16_pack2x16float", DeviceOperation::Pack),
            ("f32_to_f16_conversion", DeviceOperation::Convert),
            ("f32_to_f16_storage", DeviceOperation::Store),
        ] {
            let halves = self.halves(operation, &values).await?;
            let word = halves.map(|halves| rounding(&values, &halves));
            self.note(report, name, word);
        }
        let operands: Vec<_> = values.iter().map(|v| [v.to_bits(), 0, 0]).collect();
        let back = self.words(DeviceOperation::RoundTrip, &operands).await?;
        let rounded = back.map(|words| {
            let inexact = values
                .iter()
                .zip(words)
                .filter(|(value, _)| f16::from_f32(**value).to_f32() != **value);
            let changed = inexact.map(|(value, word)| f32::from_bits(word) != *value);
            all_or_none(changed, ["rounds", "changes-nothing"])
        });
        self.note(report, "f16_round_trip", rounded);
        Ok(())
    }

    /// The ends of f16's range.
    async fn f16_range(&self, report: &mut NumericsReport) -> Result<()> {
        let exact = TINY.map(|bits| f16::from_bits(bits).to_f32());
        let widen = |halves: Vec<f16>| halves.into_iter().map(f16::to_f32).collect::<Vec<_>>();
        // Stored, since a product may flush what the conversion kept.
        for (overflowing, small, operation) in [
            (
                "f16_overflow_pack2x16float",
                "f16_subnormals_pack2x16float",
                DeviceOperation::Pack,
            ),
            (
                "f16_overflow_conversion",
                "f16_subnormals_conversion",
                DeviceOperation::Store,
            ),
        ] {
            let large = self.halves(operation, &LARGE).await?;
            let word = large.map(|halves| overflow(&widen(halves)));
            self.note(report, overflowing, word);
            let kept = self.halves(operation, &exact).await?;
            let word = kept.map(|halves| subnormals(&widen(halves), &exact));
            self.note(report, small, word);
        }
        let words = TINY.iter().map(|&bits| u32::from(bits));
        let operands: Vec<_> = words.map(|bits| [bits, bits, 0]).collect();
        for (name, operation) in [
            ("f16_subnormals_unpack2x16float", DeviceOperation::Unpack),
            ("f16_subnormals_widened", DeviceOperation::Widen),
        ] {
            let words = self.words(operation, &operands).await?;
            let values =
                |words: Vec<u32>| words.into_iter().map(f32::from_bits).collect::<Vec<_>>();
            let word = words.map(|words| subnormals(&values(words), &exact));
            self.note(report, name, word);
        }
        // 2⁻¹⁰ of normal numbers: multiples of 2⁻²⁴.
        let factor = u32::from(f16::from_f32(2_f32.powi(-10)).to_bits());
        let normal = [0x0400_u32, 0x0800, 0x1000, 0x2000];
        let operands: Vec<_> = normal
            .iter()
            .map(|&bits| [0, bits | factor << 16, 0])
            .collect();
        let words = self
            .words(DeviceOperation::MultiplyHalves, &operands)
            .await?;
        let word = words.map(|words| {
            let products = words.into_iter().map(|w| f16::from_bits(w as u16));
            let exact = normal.map(|bits| f16::from_bits(bits as u16).to_f32() * 2_f32.powi(-10));
            // The largest stays normal; it is no part of this.
            let small = exact
                .iter()
                .filter(|product| **product < 2_f32.powi(-14))
                .count();
            subnormals(&widen(products.take(small).collect()), &exact[..small])
        });
        self.note(report, "f16_subnormals_product", word);
        Ok(())
    }

    /// `quantizeToF16`, which gives f32 that binary16 has.
    async fn quantize(&self, report: &mut NumericsReport) -> Result<()> {
        let quantized = async |values: &[f32]| {
            let operands: Vec<_> = values.iter().map(|&value| [value, 0.0, 0.0]).collect();
            self.values(DeviceOperation::Quantize, &operands).await
        };
        let values = midpoints();
        report.word(
            "f32_to_f16_quantize",
            rounding_in_f32(&values, &quantized(&values).await?),
        );
        let large = quantized(&LARGE).await?;
        report.word("f16_overflow_quantize", overflow(&large));
        let exact = TINY.map(|bits| f16::from_bits(bits).to_f32());
        let kept = quantized(&exact).await?;
        report.word("f16_subnormals_quantize", subnormals(&kept, &exact));
        Ok(())
    }

    /// Sums, products, contraction, division, exp and dot products.
    async fn arithmetic(&self, report: &mut NumericsReport) -> Result<()> {
        let pairs = inexact_pairs();
        let operands: Vec<_> = pairs.iter().map(|[a, b]| [*a, *b, 0.0]).collect();
        let sums = self.values(DeviceOperation::Add, &operands).await?;
        report.word("addition", f32_rounding(&pairs, &sums, |a, b| a + b));
        let products = self.values(DeviceOperation::Multiply, &operands).await?;
        let word = f32_rounding(&pairs, &products, |a, b| a * b);
        report.word("multiplication", word);

        let operands = contracted_operands();
        let sums = self.values(DeviceOperation::MultiplyAdd, &operands).await?;
        let word = contraction(&operands, &sums, ["contracted", "separate"]);
        report.word("multiply_add", word);
        let sums = self.values(DeviceOperation::Fma, &operands).await?;
        report.word("fma", contraction(&operands, &sums, ["fused", "separate"]));

        let pairs = quotients();
        let operands: Vec<_> = pairs.iter().map(|[a, b]| [*a, *b, 0.0]).collect();
        let got = self.values(DeviceOperation::Divide, &operands).await?;
        let exact: Vec<f64> = pairs
            .iter()
            .map(|[a, b]| f64::from(*a) / f64::from(*b))
            .collect();
        report.number("division_ulps", largest_ulps(&got, &exact));

        let values = exponents();
        let operands: Vec<_> = values.iter().map(|x| [*x, 0.0, 0.0]).collect();
        let got = self.values(DeviceOperation::Exp, &operands).await?;
        let exact: Vec<f64> = values.iter().map(|x| f64::from(*x).exp()).collect();
        report.number("exp_ulps", largest_ulps(&got, &exact));

        let pairs = quantized_pairs();
        let operands: Vec<_> = pairs.iter().map(|[x, y]| [*x, *y, 0]).collect();
        let words = self
            .words(DeviceOperation::Dot, &operands)
            .await?
            .unwrap_or_default();
        let exact = pairs
            .iter()
            .zip(words)
            .map(|([x, y], word)| dot(*x, *y) == word as i32);
        report.word("dot4i8packed", all_or_none(exact, ["exact", "inexact"]));
        Ok(())
    }

    /// f32's range, infinities and what is no number.
    async fn limits(&self, report: &mut NumericsReport) -> Result<()> {
        let (tiny, infinity, nan) = (f32::MIN_POSITIVE, f32::INFINITY, f32::NAN);
        let factors = [0.5, 0.25, 0.125, 2_f32.powi(-20)];
        let products = factors.map(|factor| [tiny, factor, 0.0]);
        let exact = factors.map(|factor| tiny * factor);
        let got = self.values(DeviceOperation::Multiply, &products).await?;
        report.word("f32_subnormals_product", subnormals(&got, &exact));
        // A sum of two of them that is itself one.
        let sums = exact.map(|small| [small, small / 2.0, 0.0]);
        let got = self.values(DeviceOperation::Add, &sums).await?;
        let exact = sums.map(|[a, b, _]| a + b);
        report.word("f32_subnormals_operand", subnormals(&got, &exact));
        for (name, operation, operands) in [
            (
                "infinity_overflow",
                DeviceOperation::Multiply,
                [f32::MAX, 2.0],
            ),
            ("infinity_division", DeviceOperation::Divide, [1.0, 0.0]),
            ("infinity_exp", DeviceOperation::Exp, [100.0, 0.0]),
            (
                "nan_difference",
                DeviceOperation::Add,
                [infinity, -infinity],
            ),
            ("nan_product", DeviceOperation::Multiply, [0.0, infinity]),
            ("nan_maximum", DeviceOperation::Maximum, [nan, 1.0]),
            ("nan_minimum", DeviceOperation::Minimum, [nan, 1.0]),
        ] {
            let [a, b] = operands;
            let got = self.values(operation, &[[a, b, 0.0]]).await?;
            report.word(name, got.first().map_or("nothing", |&value| class(value)));
        }
        let operands = [[nan.to_bits(), nan.to_bits(), 0]];
        let equal = self.words(DeviceOperation::Equal, &operands).await?;
        let equal = equal.is_some_and(|words| words == [1]);
        report.word("nan_equality", if equal { "equal" } else { "unequal" });
        Ok(())
    }

    /// Timestamps.
    async fn clock(&self, report: &mut NumericsReport) -> Result<()> {
        match self.numerics.ticks(PASSES).await? {
            Some((period, ticks)) => {
                let (monotonic, resolution) = clock(&ticks);
                report.flag("timestamp_monotonic", monotonic);
                report.number("timestamp_period_ns", period.into());
                let resolution = resolution as f64 * f64::from(period);
                report.number("timestamp_resolution_ns", resolution);
            }
            None => {
                for name in [
                    "timestamp_monotonic",
                    "timestamp_period_ns",
                    "timestamp_resolution_ns",
                ] {
                    report.nothing(name, "the adapter has no timestamp-query");
                }
            }
        }
        Ok(())
    }
}
