//! The arithmetic that int8 kernels share: scales, quantized values, and sums times scales plus biases. They are what
//! correctly rounded f32 arithmetic gives, on every driver.

use std::sync::Arc;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::compare::Errors;
use super::data::seeded;
use super::problem::as_problem;
use super::row::CheckRow;
use super::tolerance;
use crate::Mode;
use crate::error::Result;
use crate::gpu::{Device, DeviceOperation, Numerics};
use crate::scheme::SMALLEST_SCALE;

/// Operands of each operation.
const COUNT: usize = 1 << 16;

/// What is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exact {
    /// A largest magnitude divided by a number of levels.
    Scale,
    /// A value divided by a scale, rounded to a whole number.
    QuantizedValue,
    /// A sum of products times its scale, which is a product, plus a bias.
    PreActivation,
}

impl Exact {
    pub(super) const ALL: [Self; 3] = [Self::Scale, Self::QuantizedValue, Self::PreActivation];

    pub(super) fn row(self) -> CheckRow {
        let name = match self {
            Self::Scale => "scale",
            Self::QuantizedValue => "quantized-value",
            Self::PreActivation => "pre-activation",
        };
        CheckRow::new(
            "arithmetic",
            name.to_owned(),
            &Mode::reference_int8(),
            tolerance::ROUNDED,
        )
    }

    fn operation(self) -> DeviceOperation {
        match self {
            Self::Scale => DeviceOperation::Scale,
            Self::QuantizedValue => DeviceOperation::RoundedQuotient,
            Self::PreActivation => DeviceOperation::ScaledSum,
        }
    }

    fn operands(self) -> Vec<[u32; 3]> {
        let mut rng = seeded(&format!("{self:?}"));
        let operands = |_| match self {
            Self::Scale => [
                positive(&mut rng, 0..255).to_bits(),
                rng.random_range(1..=255),
                0,
            ],
            Self::QuantizedValue => quotient(&mut rng),
            Self::PreActivation => {
                let scale = positive(&mut rng, 100..150).to_bits();
                [rng.random(), scale, positive(&mut rng, 100..150).to_bits()]
            }
        };
        (0..COUNT).map(operands).collect()
    }

    fn expected(self, [a, b, c]: [u32; 3]) -> f32 {
        let [x, y, z] = [a, b, c].map(f32::from_bits);
        match self {
            Self::Scale => x / b as f32,
            Self::QuantizedValue => (x / y).round_ties_even(),
            Self::PreActivation => (a as i32) as f32 * (y * z) + z,
        }
    }

    pub(super) async fn check(self, device: &Arc<Device>, row: CheckRow) -> Result<CheckRow> {
        let operands = self.operands();
        let run = async {
            let numerics = Numerics::new(device)?;
            numerics.apply(self.operation(), &operands).await
        };
        let check = match as_problem(run.await)? {
            Ok(results) => self.compare(&operands, &results.unwrap_or_default()),
            Err(problem) => Err(problem),
        };
        Ok(CheckRow {
            trials: operands.len(),
            ..row.found(check, Errors::default())
        })
    }

    fn compare(self, operands: &[[u32; 3]], results: &[u32]) -> Result<(), String> {
        if results.len() != operands.len() {
            return Err(format!(
                "{} results of {} operations",
                results.len(),
                operands.len()
            ));
        }
        let wrong = |&(operands, result): &(&[u32; 3], &u32)| {
            // −0 counts as 0.
            self.expected(*operands) != f32::from_bits(*result)
        };
        let mut wrong = operands.iter().zip(results).filter(wrong);
        let Some((first, result)) = wrong.next() else {
            return Ok(());
        };
        Err(format!(
            "{} of {} results are wrong; the first, of the operands {first:08x?}, is {:e}, not {:e}",
            1 + wrong.count(),
            operands.len(),
            f32::from_bits(*result),
            self.expected(*first)
        ))
    }
}

/// A positive number whose exponent field is in `fields`.
fn positive(rng: &mut ChaCha8Rng, fields: std::ops::Range<u32>) -> f32 {
    let field = rng.random_range(fields);
    f32::from_bits(field << 23 | rng.random_range(0..1 << 23))
}

/// A value and a scale with a quotient below 256 in magnitude. Three of four quotients lie at a tie of two whole numbers,
/// or a few ULP from one.
fn quotient(rng: &mut ChaCha8Rng) -> [u32; 3] {
    loop {
        let mut scale = positive(rng, 2..254);
        if rng.random() {
            // So few bits that a tie is a number of f32.
            scale = f32::from_bits(scale.to_bits() & 0xffff_f000);
        }
        let units = if rng.random_range(0..4) == 0 {
            rng.random_range(0.0..255.5)
        } else {
            f32::from(rng.random_range(0_u8..=254)) + 0.5
        };
        let value = (units * scale).to_bits();
        let value = f32::from_bits(value.wrapping_add_signed(rng.random_range(-3..=3)));
        if scale >= SMALLEST_SCALE && value.is_finite() && value / scale < 256.0 {
            let sign = u32::from(rng.random::<bool>()) << 31;
            return [value.to_bits() | sign, scale.to_bits(), 0];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_bit_is_found() {
        for exact in Exact::ALL {
            let operands = exact.operands();
            let right = |operands: &[u32; 3]| exact.expected(*operands).to_bits();
            let mut results: Vec<u32> = operands.iter().map(right).collect();
            exact.compare(&operands, &results).unwrap();
            results[7] ^= 0x0080_0000;
            let problem = exact.compare(&operands, &results).unwrap_err();
            assert!(
                problem.starts_with("1 of 65536 results are wrong"),
                "{problem}"
            );
            assert!(exact.compare(&operands, &[]).is_err());
        }
    }

    #[test]
    fn many_quotients_are_ties_and_many_are_close_to_one() {
        let operands = Exact::QuantizedValue.operands();
        let exact = |[value, scale, _]: &[u32; 3]| {
            let quotient = f64::from(f32::from_bits(*value)) / f64::from(f32::from_bits(*scale));
            (quotient.abs() % 1.0 - 0.5).abs()
        };
        let count = |most: f64| operands.iter().filter(|o| exact(o) <= most).count();
        assert!(count(0.0) > 1000, "{}", count(0.0));
        assert!(count(1e-4) > COUNT / 2, "{}", count(1e-4));
        assert!(count(1e-4) < COUNT * 9 / 10, "{}", count(1e-4));
    }
}
