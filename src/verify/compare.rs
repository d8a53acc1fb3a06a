//! Comparisons with the reference result. Each is written as `difference <= tolerance`, so that NaN fails,
//! and each is shown to fail in tests/compare.rs.

use crate::Precision;
use crate::mode::Mode;
use crate::reference::round_f16;

/// The outcome of a comparison: a description of the first failure.
pub type Check = Result<(), String>;

/// What the last place of a number counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// binary32.
    F32,
    /// binary16.
    F16,
    /// bfloat16.
    Bf16,
    /// Whole numbers: quantized values and sums of quantized values.
    Whole,
}

impl Unit {
    /// The distance between neighbouring numbers at `value`; 1 of whole numbers.
    #[must_use]
    pub fn ulp(self, value: f64) -> f64 {
        let (digits, smallest) = match self {
            Self::F32 => (23, -126),
            Self::F16 => (10, -14),
            Self::Bf16 => (7, -126),
            Self::Whole => return 1.0,
        };
        let exponent = value.abs().max(2_f64.powi(smallest)).log2().floor();
        2_f64.powi(exponent as i32 - digits)
    }
}

/// How far values were off in all comparisons of a check.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Errors {
    /// Values that were compared.
    pub values: u64,
    /// The largest |got − want|; NaN counts as infinite.
    pub largest: f64,
    /// The largest normalized mean square error of a comparison.
    pub nmse: f64,
    /// The largest error in units in the last place: of the expected value, or of the root mean square of
    /// all expected values where that is larger, since a sum that cancels has the noise of its terms.
    pub ulps: f64,
}

impl Errors {
    /// Notes a comparison.
    pub fn see(&mut self, got: &[f64], want: &[f64], unit: Unit) {
        let power: f64 = want.iter().map(|w| w * w).sum();
        let mean = (power / want.len().max(1) as f64).sqrt();
        let or_infinite = |value: f64| if value.is_nan() { f64::INFINITY } else { value };
        for (got, want) in got.iter().zip(want) {
            let error = or_infinite((got - want).abs());
            self.largest = self.largest.max(error);
            self.ulps = self.ulps.max(error / unit.ulp(want.abs().max(mean)));
        }
        self.values += want.len() as u64;
        self.nmse = self.nmse.max(or_infinite(nmse(got, want)));
    }

    /// Those of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            values: self.values + other.values,
            largest: self.largest.max(other.largest),
            nmse: self.nmse.max(other.nmse),
            ulps: self.ulps.max(other.ulps),
        }
    }
}

/// Normalized mean square error: Σ (got − want)² / Σ want².
#[must_use]
pub fn nmse(got: &[f64], want: &[f64]) -> f64 {
    let error: f64 = got.iter().zip(want).map(|(g, w)| (g - w).powi(2)).sum();
    let power: f64 = want.iter().map(|w| w * w).sum();
    if error == 0.0 { 0.0 } else { error / power }
}

/// Each value within `tolerance(want)`, and the normalized mean square error within `most_nmse`.
///
/// # Errors
/// What differs, in words.
pub fn within(got: &[f64], want: &[f64], tolerance: impl Fn(f64) -> f64, most_nmse: f64) -> Check {
    let tolerances: Vec<f64> = want.iter().map(|&want| tolerance(want)).collect();
    within_each(got, want, &tolerances, most_nmse)
}

/// Each value within a tolerance of its own, and the normalized mean square error within `most_nmse`.
///
/// # Errors
/// What differs, in words.
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
                "value {index} is {got:e} instead of {want:e}: it differs by {difference:e}, but at most \
                 {tolerance:e} is allowed"
            ));
        }
    }
    let error = nmse(got, want);
    let fits = error <= most_nmse;
    if fits {
        Ok(())
    } else {
        Err(format!(
            "NMSE {error:e}, but at most {most_nmse:e} is allowed"
        ))
    }
}

/// f32 sums of `inner` products: 1e-4·|ref| + 2⁻²⁰·√K·rms(ref), and NMSE ≤ 1e-10.
///
/// # Errors
/// What differs, in words.
pub fn close_f32(got: &[f64], want: &[f64], inner: usize) -> Check {
    let mean: f64 = want.iter().map(|w| w * w).sum::<f64>() / want.len().max(1) as f64;
    let noise = 2_f64.powi(-20) * (inner as f64).sqrt() * mean.sqrt();
    within(got, want, |want| 1e-4 * want.abs() + noise, 1e-10)
}

/// Within one binary16 ULP of the exact value, and NMSE ≤ 1e-6.
///
/// # Errors
/// What differs, in words.
pub fn close_f16(got: &[f64], want: &[f64]) -> Check {
    within(got, want, ulp_f16, 1e-6)
}

/// The distance between neighbouring binary16 numbers at `value`.
#[must_use]
pub fn ulp_f16(value: f64) -> f64 {
    let rounded = round_f16(value).abs().max(2_f64.powi(-14));
    2_f64.powi(rounded.log2().floor() as i32 - 10)
}

/// Bitwise equal.
///
/// # Errors
/// What differs, in words.
pub fn equal<T: PartialEq + std::fmt::Debug>(got: &[T], want: &[T]) -> Check {
    if got.len() != want.len() {
        return Err(format!("{} values, not {}", got.len(), want.len()));
    }
    match got.iter().zip(want).position(|(got, want)| got != want) {
        None => Ok(()),
        Some(at) => Err(format!("value {at} is {:?}, not {:?}", got[at], want[at])),
    }
}

/// A network's outputs in f16: each layer's rounding may fall to the other side, by one ULP of the largest value; the random
/// weights neither amplify nor damp it by much.
///
/// # Errors
/// What differs, in words.
pub fn close_f16_network(got: &[f64], want: &[f64], layers: usize) -> Check {
    let largest = want
        .iter()
        .fold(0.0, |max: f64, value| value.abs().max(max));
    let tolerance = 2.0 * layers as f64 * ulp_f16(largest);
    within(got, want, |_| tolerance, 1e-6)
}

/// A network's outputs in bfloat16: most are equal, and each layer's rounding may fall to the other side on
/// a few, by one ULP of the largest value.
///
/// # Errors
/// What differs, in words.
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
            "{off} of {} outputs are wrong, but at most {most} may be",
            want.len()
        ))
    }
}

/// A network's outputs in int8: all but a few agree to f32's accuracy; a few may come from a quantized value on the other side of
/// a rounding tie, which moves the whole by little.
///
/// # Errors
/// What differs, in words.
pub fn close_int8_network(got: &[f64], want: &[f64]) -> Check {
    if got.len() != want.len() {
        return Err(format!("{} values, not {}", got.len(), want.len()));
    }
    let close = |(got, want): &(&f64, &f64)| (*got - *want).abs() <= 1e-5 + 1e-4 * want.abs();
    let equal = got.iter().zip(want).filter(close).count();
    let most = (want.len() / 1000).max(1);
    if want.len() - equal > most {
        return Err(format!(
            "{} of {} outputs are wrong, but at most {most} may be",
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

/// Outputs of a quantized network. A value that falls on the other side of a rounding tie moves its row a
/// little, and no more rows than a few may be moved.
///
/// # Errors
/// What differs, in words.
pub fn close_outputs(mode: &Mode, got: &[f64], want: &[f64], width: usize) -> Check {
    if got.len() != want.len() {
        return Err(format!("{} outputs, not {}", got.len(), want.len()));
    }
    let quantized = mode.scheme.is_some();
    let half = |precision| mode.precision == precision || mode.layers.contains(&precision);
    // A unit in the last place of the coarsest type that values are rounded to, over some layers.
    let (near, most) = if half(Precision::Bf16) {
        (0.05, 0.2)
    } else if half(Precision::F16) {
        (0.01, 0.05)
    } else {
        (1e-4, if quantized { 0.05 } else { 1e-4 })
    };
    let rows = got.chunks(width).zip(want.chunks(width));
    let distance = |(got, want): (&[f64], &[f64])| {
        let pairs = got.iter().zip(want);
        pairs.fold(0.0, |most: f64, (got, want)| {
            let distance = (got - want).abs() / want.abs().max(1.0);
            // NaN is beyond any distance.
            if distance.is_nan() {
                f64::INFINITY
            } else {
                distance.max(most)
            }
        })
    };
    let distances: Vec<f64> = rows.map(distance).collect();
    let off = distances.iter().filter(|&&d| d > near).count();
    let worst = distances.iter().copied().fold(0.0, f64::max);
    let fits = worst <= most;
    if !fits || off * 10 > distances.len().max(20) {
        return Err(format!(
            "{off} of {} rows differ by more than {near} (the worst by {worst:e}), but at most {most} may",
            distances.len()
        ));
    }
    let error = nmse(got, want);
    let fits = error <= 1e-3;
    if fits {
        Ok(())
    } else {
        Err(format!("NMSE {error:e}"))
    }
}

/// The default model's labels on its test split: all but one in 10,000 in f32, 5 in f16 and 10 in
/// int8, whose roundings may fall to the other side.
///
/// # Errors
/// What differs, in words.
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
        Err(format!(
            "{off} labels differ from the reference result, but at most {most} may"
        ))
    }
}

/// The values of the rows `[rows, cols]` out of rows padded to a multiple of four.
#[must_use]
pub fn unpadded<T: Copy>(values: &[T], rows: usize, cols: usize) -> Vec<T> {
    let stride = cols.next_multiple_of(4);
    let rows = values.chunks(stride).take(rows);
    rows.flat_map(|row| row[..cols].iter().copied()).collect()
}

/// f32 or f16 bytes as f64.
#[must_use]
pub fn widen_f32(bytes: &[u8]) -> Vec<f64> {
    let values = bytes.chunks_exact(4);
    values
        .map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]])))
        .collect()
}

/// See [`widen_f32`].
#[must_use]
pub fn widen_f16(bytes: &[u8]) -> Vec<f64> {
    let values = bytes.chunks_exact(2);
    values
        .map(|b| f64::from(half::f16::from_le_bytes([b[0], b[1]]).to_f32()))
        .collect()
}

/// See [`widen_f32`].
#[must_use]
pub fn widen_bf16(bytes: &[u8]) -> Vec<f64> {
    let values = bytes.chunks_exact(2);
    values
        .map(|b| f64::from(half::bf16::from_le_bytes([b[0], b[1]]).to_f32()))
        .collect()
}
