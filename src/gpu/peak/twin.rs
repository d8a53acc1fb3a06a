//! The expected results of a microkernel, computed on the host. Without them a driver that skips the work would report a
//! high ceiling.

use super::table::ProbeShape;
use crate::adapter::MatrixUnits;

/// The factor of every chain. It is below 1, so nothing overflows, and negative and far from 1, so one step more or less
/// shows in the result. It is exact in f16, and so is [`TERM`].
pub(super) const FACTOR: f32 = -0.875;

/// The term that each step adds. Chains settle at -0.4, far from denormal numbers, and all of them start above it, so the
/// sum over them shows each step too.
pub(super) const TERM: f32 = -0.75;

/// Four quantized values a word, of every sign and size.
pub(super) const WEIGHTS: [u32; 8] = [
    0x7f81_05fb,
    0x1103_807d,
    0xa95b_7733,
    0x02fd_4cb4,
    0x81c3_3d10,
    0x6e92_09f7,
    0xd428_7be1,
    0x35e6_9a5f,
];

/// Checks the results of the invocations from 0 on, given as bits, after so many steps.
pub(super) fn check(shape: ProbeShape, steps: u32, results: &[u32]) -> Result<(), String> {
    for (invocation, &bits) in results.iter().enumerate() {
        let lane = invocation as u32 % shape.lanes();
        match shape {
            ProbeShape::MultiplyAdd { half, .. } => {
                let (got, want) = (
                    f64::from(f32::from_bits(bits)),
                    sum(shape.chains(), lane, steps),
                );
                let tolerance = tolerance(half, shape.chains());
                let difference = (got - want).abs();
                // This also rejects NaN.
                let within = difference <= tolerance;
                if !within {
                    return Err(format!(
                        "invocation {invocation} gave {got}, not {want} within {tolerance:e}"
                    ));
                }
            }
            ProbeShape::Dot { .. } => {
                let (got, want) = (bits.cast_signed(), dots(shape.chains() / 8, lane, steps));
                if got != want {
                    return Err(format!("invocation {invocation} gave {got}, not {want}"));
                }
            }
            ProbeShape::Matrix { units, .. } => {
                let got = f32::from_bits(bits);
                let want = matrices(units, shape.chains() / 4, lane, steps);
                // Whole numbers far below 2²⁴ need no rounding.
                if got != want as f32 {
                    return Err(format!("invocation {invocation} gave {got}, not {want}"));
                }
            }
            ProbeShape::CopyShader | ProbeShape::CopyCommand => {
                return Err("a copy has no sums".into());
            }
        }
    }
    Ok(())
}

/// The sum of a lane's chains of multiply-adds.
fn sum(chains: u32, lane: u32, steps: u32) -> f64 {
    let (factor, term) = (f64::from(FACTOR), f64::from(TERM));
    let chain = |chain: u32| {
        let start = f64::from(chain * 64 + lane) / 2048.0;
        (0..steps).fold(start, |x, _| x * factor + term)
    };
    (0..chains).map(chain).sum()
}

/// The largest error of a lane's sum. A step rounds its product and its sum. Both are below 1 except in the first steps,
/// so each rounding error is half a unit in the last place, `epsilon / 4`, at most. Later steps shrink earlier errors, by
/// `1 / (1 - 0.875)` in all. So a chain is off by 4 epsilon at most. The first steps and the f32 sum over the chains get
/// as much again.
fn tolerance(half: bool, chains: u32) -> f64 {
    let epsilon = if half {
        half::f16::EPSILON.to_f64()
    } else {
        f64::from(f32::EPSILON)
    };
    8.0 * epsilon * f64::from(chains)
}

/// The sum of a lane's sums of dot products. Every addition wraps.
fn dots(columns: u32, lane: u32, steps: u32) -> i32 {
    let mut total = 0_i32;
    for column in 0..columns {
        let start = |row: u32| ((8 * column + row) * 64 + lane).wrapping_mul(2_654_435_761);
        let mut sums: [i32; 8] = std::array::from_fn(|row| start(row as u32).cast_signed());
        for _ in 0..steps {
            let quantized = sums[0];
            for (sum, weights) in sums.iter_mut().zip(WEIGHTS) {
                *sum = sum.wrapping_add(dot(quantized, weights.cast_signed()));
            }
        }
        total = sums.into_iter().fold(total, i32::wrapping_add);
    }
    total
}

/// A lane's total over the sums of products of `rows` by four pairs of matrices.
fn matrices(units: MatrixUnits, rows: u32, lane: u32, steps: u32) -> i64 {
    let (size, values) = (units.size, units.size * units.size);
    let factor = |place: u32| {
        let word = WEIGHTS[(place / 4 % 8) as usize];
        i64::from((word >> (8 * (place % 4))).wrapping_add(place / 32) & 7) - 3
    };
    let mut total = 0;
    for (left, right) in (0..rows).flat_map(|i| (rows..rows + 4).map(move |j| (i, j))) {
        for place in (lane..values).step_by(units.lanes as usize) {
            let (row, column) = (place / size, place % size);
            let product = |k| {
                factor(left * values + row * size + k) * factor(right * values + k * size + column)
            };
            total += (0..size).map(product).sum::<i64>();
        }
    }
    total * i64::from(steps)
}

/// The dot product of two words of four quantized values each.
fn dot(a: i32, b: i32) -> i32 {
    let quantized = |word: i32| word.to_le_bytes().map(|byte| i32::from(byte.cast_signed()));
    quantized(a)
        .into_iter()
        .zip(quantized(b))
        .map(|(a, b)| a * b)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peak::Ceiling;

    /// The expected result of every lane, within the tolerance.
    fn right(shape: ProbeShape, steps: u32) -> Vec<u32> {
        let of_lane = |lane| match shape {
            ProbeShape::MultiplyAdd { .. } => (sum(shape.chains(), lane, steps) as f32).to_bits(),
            ProbeShape::Dot { .. } => dots(shape.chains() / 8, lane, steps).cast_unsigned(),
            ProbeShape::Matrix { units, .. } => {
                (matrices(units, shape.chains() / 4, lane, steps) as f32).to_bits()
            }
            ProbeShape::CopyShader | ProbeShape::CopyCommand => unreachable!("no arithmetic"),
        };
        (0..shape.lanes()).map(of_lane).collect()
    }

    fn arithmetic() -> impl Iterator<Item = ProbeShape> {
        let shapes = |ceiling: Ceiling| {
            let units = [(8, 8), (8, 32), (16, 32)];
            let units = units.map(|(size, lanes)| MatrixUnits { size, lanes });
            units
                .into_iter()
                .flat_map(move |units| ProbeShape::all(ceiling, Some(units)))
        };
        let ceilings = [
            Ceiling::F32,
            Ceiling::F16,
            Ceiling::Int8Dot,
            Ceiling::Matrix,
        ];
        ceilings.into_iter().flat_map(shapes)
    }

    #[test]
    fn skipped_work_is_seen() {
        const STEPS: u32 = 16;
        for shape in arithmetic() {
            assert_eq!(check(shape, STEPS, &right(shape, STEPS)), Ok(()), "{shape}");
            let refused = |results: &[u32], what: &str| {
                assert!(check(shape, STEPS, results).is_err(), "{shape}: {what}");
            };
            for steps in [0, 8, 15, 17, 24] {
                refused(&right(shape, steps), &format!("{steps} steps"));
            }
            refused(&[0; 64], "nothing done");
            refused(&[f32::NAN.to_bits(); 64], "NaN");
        }
    }

    #[test]
    fn a_dot_product_is_of_signed_bytes() {
        // -1, 2, -128, 127 by 3, -4, -128, 1
        let (a, b) = (0x7f80_02ff, 0x0180_fc03);
        assert_eq!(dot(a, b), -3 - 8 + 16_384 + 127);
    }
}
