//! Comparisons with the oracle. Each is written as `difference <= tolerance`, so that NaN fails,
//! and each is shown to fail in tests/compare.rs.

use fmnist_gpu::Precision;
use fmnist_gpu::reference::round_f16;

/// The outcome of a comparison: a description of the first failure.
pub type Check = Result<(), String>;

/// Normalized mean square error: Σ (got − want)² / Σ want².
pub fn nmse(got: &[f64], want: &[f64]) -> f64 {
    let error: f64 = got.iter().zip(want).map(|(g, w)| (g - w).powi(2)).sum();
    let power: f64 = want.iter().map(|w| w * w).sum();
    if error == 0.0 { 0.0 } else { error / power }
}

/// Each value within `tolerance(want)`, and the normalized mean square error within `most_nmse`.
pub fn within(got: &[f64], want: &[f64], tolerance: impl Fn(f64) -> f64, most_nmse: f64) -> Check {
    let tolerances: Vec<f64> = want.iter().map(|&want| tolerance(want)).collect();
    within_each(got, want, &tolerances, most_nmse)
}

/// Each value within a tolerance of its own, and the normalized mean square error within `most_nmse`.
pub fn within_each(got: &[f64], want: &[f64], tolerances: &[f64], most_nmse: f64) -> Check {
    if got.len() != want.len() || tolerances.len() != want.len() {
        let (values, tolerances) = (got.len(), tolerances.len());
        return Err(format!(
            "{values} values and {tolerances} tolerances, not {}",
            want.len()
        ));
    }
    for (index, (&got, &want)) in got.iter().zip(want).enumerate() {
        let (difference, tolerance) = ((got - want).abs(), tolerances[index]);
        let fits = difference <= tolerance;
        if !fits {
            return Err(format!(
                "value {index} is {got:e}, not {want:e}: off by {difference:e}, over {tolerance:e}"
            ));
        }
    }
    let error = nmse(got, want);
    let fits = error <= most_nmse;
    if fits {
        Ok(())
    } else {
        Err(format!("NMSE {error:e}, over {most_nmse:e}"))
    }
}

/// f32 sums of `inner` products: 1e-4·|ref| + 2⁻²⁰·√K·rms(ref), and NMSE ≤ 1e-10.
pub fn close_f32(got: &[f64], want: &[f64], inner: usize) -> Check {
    let mean: f64 = want.iter().map(|w| w * w).sum::<f64>() / want.len().max(1) as f64;
    let noise = 2_f64.powi(-20) * (inner as f64).sqrt() * mean.sqrt();
    within(got, want, |want| 1e-4 * want.abs() + noise, 1e-10)
}

/// Within one binary16 ULP of the exact value, and NMSE ≤ 1e-6.
pub fn close_f16(got: &[f64], want: &[f64]) -> Check {
    within(got, want, ulp_f16, 1e-6)
}

/// The distance between neighbouring binary16 numbers at `value`.
pub fn ulp_f16(value: f64) -> f64 {
    let rounded = round_f16(value).abs().max(2_f64.powi(-14));
    2_f64.powi(rounded.log2().floor() as i32 - 10)
}

/// Bitwise equal.
pub fn equal<T: PartialEq + std::fmt::Debug>(got: &[T], want: &[T]) -> Check {
    if got.len() != want.len() {
        return Err(format!("{} values, not {}", got.len(), want.len()));
    }
    match got.iter().zip(want).position(|(got, want)| got != want) {
        None => Ok(()),
        Some(at) => Err(format!("value {at} is {:?}, not {:?}", got[at], want[at])),
    }
}

/// Codes that may differ by one at a rounding tie, on at most max(1, n / 10,000) of n values.
pub fn close_codes(got: &[i8], want: &[i32]) -> Check {
    if got.len() != want.len() {
        return Err(format!("{} codes, not {}", got.len(), want.len()));
    }
    let mut off = 0;
    for (index, (&got, &want)) in got.iter().zip(want).enumerate() {
        let difference = (i32::from(got) - want).abs();
        if difference > 1 {
            return Err(format!("code {index} is {got}, not {want}"));
        }
        off += usize::from(difference == 1);
    }
    let most = (want.len() / 10_000).max(1);
    if off <= most {
        Ok(())
    } else {
        Err(format!("{off} codes off by one, over {most}"))
    }
}

/// A network's outputs in f16: each layer's rounding may fall to the other side, by one ULP of the largest value; the random
/// weights neither amplify nor damp it by much.
pub fn close_f16_network(got: &[f64], want: &[f64], layers: usize) -> Check {
    let largest = want
        .iter()
        .fold(0.0, |max: f64, value| value.abs().max(max));
    let tolerance = 2.0 * layers as f64 * ulp_f16(largest);
    within(got, want, |_| tolerance, 1e-6)
}

/// A network's outputs in bfloat16: most are equal, and each layer's rounding may fall to the other side on
/// a few, by one ULP of the largest value.
pub fn close_bf16_network(got: &[f64], want: &[f64], layers: usize) -> Check {
    let largest = want
        .iter()
        .fold(0.0, |max: f64, value| value.abs().max(max));
    // 8 significant bits, three less than binary16 has.
    let tolerance = 2.0 * layers as f64 * 8.0 * ulp_f16(largest);
    within(got, want, |_| tolerance, f64::INFINITY)?;
    let off = got.iter().zip(want).filter(|(got, want)| got != want);
    let (off, most) = (off.count(), (want.len() / 20).max(1));
    if off <= most {
        Ok(())
    } else {
        Err(format!(
            "{off} of {} outputs are off, over {most}",
            want.len()
        ))
    }
}

/// A network's outputs in int8: all but a few agree to f32's accuracy; a few may come from a code on the other side of
/// a rounding tie, which moves the whole by little.
pub fn close_int8_network(got: &[f64], want: &[f64]) -> Check {
    if got.len() != want.len() {
        return Err(format!("{} values, not {}", got.len(), want.len()));
    }
    let close = |(got, want): &(&f64, &f64)| (*got - *want).abs() <= 1e-5 + 1e-4 * want.abs();
    let equal = got.iter().zip(want).filter(close).count();
    let most = (want.len() / 1000).max(1);
    if want.len() - equal > most {
        return Err(format!(
            "{} of {} outputs are off, over {most}",
            want.len() - equal,
            want.len()
        ));
    }
    let error = nmse(got, want);
    let fits = error <= 1e-4;
    if fits {
        Ok(())
    } else {
        Err(format!("NMSE {error:e}"))
    }
}

/// The default model's labels on its test split: all but one in 10,000 in f32, 5 in f16 and 10 in
/// int8, whose roundings may fall to the other side.
pub fn same_labels(got: &[usize], want: &[usize], precision: Precision) -> Check {
    if got.len() != want.len() {
        return Err(format!("{} labels, not {}", got.len(), want.len()));
    }
    let off = got.iter().zip(want).filter(|(got, want)| got != want);
    let (off, of_10_000) = (
        off.count(),
        match precision {
            Precision::F32 => 1,
            Precision::F16 => 5,
            _ => 10,
        },
    );
    let most = want.len() * of_10_000 / 10_000;
    if off <= most {
        Ok(())
    } else {
        Err(format!("{off} labels are not the oracle's, over {most}"))
    }
}

/// The values of the rows `[rows, cols]` out of rows padded to a multiple of four.
pub fn unpadded<T: Copy>(values: &[T], rows: usize, cols: usize) -> Vec<T> {
    let stride = cols.next_multiple_of(4);
    let rows = values.chunks(stride).take(rows);
    rows.flat_map(|row| row[..cols].iter().copied()).collect()
}

/// f32 or f16 bytes as f64.
pub fn widen_f32(bytes: &[u8]) -> Vec<f64> {
    let values = bytes.chunks_exact(4);
    values
        .map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]])))
        .collect()
}

/// See [`widen_f32`].
pub fn widen_f16(bytes: &[u8]) -> Vec<f64> {
    let values = bytes.chunks_exact(2);
    values
        .map(|b| f64::from(half::f16::from_le_bytes([b[0], b[1]]).to_f32()))
        .collect()
}

/// See [`widen_f32`].
pub fn widen_bf16(bytes: &[u8]) -> Vec<f64> {
    let values = bytes.chunks_exact(2);
    values
        .map(|b| f64::from(half::bf16::from_le_bytes([b[0], b[1]]).to_f32()))
        .collect()
}
