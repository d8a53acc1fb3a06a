//! Single operations of an instruction set's vectors, as the kernels do them: what a numerics report is made of.

use super::processor::Processor;
use super::simd::{Simd, Work};
use super::softmax;

/// One operation on f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProcessorOperation {
    /// a + b
    Add,
    /// a · b
    Multiply,
    /// a / b
    Divide,
    /// a · b, and c added to it
    MultiplyThenAdd,
    /// a · b + c, as in products of matrices and in polynomials
    MultiplyAdd,
    /// The larger of a and b
    Maximum,
    /// The smaller of a and b
    Minimum,
    /// e^a of −87 ≤ a ≤ 88, as in softmax
    Exp,
    /// The nearest binary16 of a
    RoundF16,
    /// The binary16 whose bits are the lower half of those of a
    WidenF16,
}

/// The results of an operation on each of the operands `[a, b, c]`, by the processor's instruction set.
pub(crate) fn apply(
    processor: &Processor,
    operation: ProcessorOperation,
    operands: &[[f32; 3]],
) -> Vec<f32> {
    processor.isa().run(Apply {
        operation,
        operands,
    })
}

struct Apply<'a> {
    operation: ProcessorOperation,
    operands: &'a [[f32; 3]],
}

/// Lanes of a vector at most.
const LANES: usize = 16;

#[expect(unsafe_code, reason = "computed with vectors")]
impl Work for Apply<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> Vec<f32> {
        let mut results = Vec::with_capacity(self.operands.len());
        for operands in self.operands.chunks(S::LANES) {
            let mut columns = [[0.0; LANES]; 3];
            let mut bits = [0_u16; LANES];
            for (lane, operands) in operands.iter().enumerate() {
                for (column, &operand) in columns.iter_mut().zip(operands) {
                    column[lane] = operand;
                }
                bits[lane] = operands[0].to_bits() as u16;
            }
            let mut row = [0.0; LANES];
            // SAFETY: the caller's promise; all hold a vector of any instruction set.
            unsafe {
                let [a, b, c] = columns.each_ref().map(|column| S::load(column.as_ptr()));
                let result = match self.operation {
                    ProcessorOperation::Add => S::add(a, b),
                    ProcessorOperation::Multiply => S::mul(a, b),
                    ProcessorOperation::Divide => S::div(a, b),
                    ProcessorOperation::MultiplyThenAdd => S::add(S::mul(a, b), c),
                    ProcessorOperation::MultiplyAdd => S::mul_add(a, b, c),
                    ProcessorOperation::Maximum => S::max(a, b),
                    ProcessorOperation::Minimum => S::min(a, b),
                    ProcessorOperation::Exp => softmax::exp::<S>(a),
                    ProcessorOperation::RoundF16 => S::round_f16(a),
                    ProcessorOperation::WidenF16 => S::load_f16(bits.as_ptr()),
                };
                S::store(row.as_mut_ptr(), result);
            }
            results.extend(&row[..operands.len()]);
        }
        results
    }
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;
    use crate::cpu::{ProcessorOptions, Supported};

    #[test]
    fn every_instruction_set_does_each_of_them() {
        // As many as fill no vector.
        let operands: Vec<[f32; 3]> = (1..=37)
            .map(|i| [i as f32, 0.5 * i as f32 - 9.0, 0.25])
            .collect();
        for supported in Supported::all() {
            let processor = Processor::new(ProcessorOptions {
                isa: Some(supported.isa()),
                threads: Some(1),
            })
            .unwrap();
            // All of these are exact, so that it does not matter how often they are rounded.
            type Plain = fn([f32; 3]) -> f32;
            let exact: [(ProcessorOperation, Plain); 6] = [
                (ProcessorOperation::Add, |[a, b, _]| a + b),
                (ProcessorOperation::Multiply, |[a, b, _]| a * b),
                (ProcessorOperation::MultiplyThenAdd, |[a, b, c]| a * b + c),
                (ProcessorOperation::MultiplyAdd, |[a, b, c]| a * b + c),
                (ProcessorOperation::Maximum, |[a, b, _]| a.max(b)),
                (ProcessorOperation::Minimum, |[a, b, _]| a.min(b)),
            ];
            for (operation, plain) in exact {
                let want: Vec<f32> = operands.iter().map(|&operands| plain(operands)).collect();
                let got = apply(&processor, operation, &operands);
                assert_eq!(got, want, "{supported:?}, {operation:?}");
            }
            let got = apply(&processor, ProcessorOperation::Divide, &[[1.0, 3.0, 0.0]]);
            assert_eq!(got, [1.0 / 3.0]);
            let got = apply(&processor, ProcessorOperation::Exp, &[[-1.0, 0.0, 0.0]]);
            assert!((got[0] - (-1.0_f32).exp()).abs() < 1e-7, "{got:?}");
            let got = apply(&processor, ProcessorOperation::RoundF16, &[[0.1, 0.0, 0.0]]);
            assert_eq!(got, [f16::from_f32(0.1).to_f32()]);
            let bits = f32::from_bits(u32::from(f16::from_f32(0.1).to_bits()));
            let widened = apply(
                &processor,
                ProcessorOperation::WidenF16,
                &[[bits, 0.0, 0.0]],
            );
            assert_eq!(widened, got);
        }
    }
}
