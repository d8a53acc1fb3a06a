//! The trials of what a layer or a pass writes as quantized values, with a scale that is known or with one for each
//! row.

use super::layer::{HALF_ULP, OUT};
use super::{Case, KernelTrial, from_bytes, to_bytes, widen, widen_quantized};
use crate::gpu::pack_rows;
use crate::plan::groups;
use crate::verify::compare::{Check, Errors, Unit, equal, unpadded};
use crate::verify::data::random_values;

/// The most that WGSL's division, 2.5 ULP, and an activation before it change of a scale, as a share.
const SCALE_ERROR: f64 = 16.0 * HALF_ULP;

impl Case {
    /// Quantized values may differ by one where a value is near a tie, which few are.
    fn near_quantized(got: &[i32], want: &[f64]) -> Check {
        let mut off = 0;
        for (at, (&got, want)) in got.iter().zip(want).enumerate() {
            if f64::from(got) != want.round_ties_even() {
                off += 1;
                let near = (f64::from(got) - want).abs() <= 0.502;
                if !near {
                    return Err(format!("quantized value {at} is {got} instead of {want}"));
                }
            }
        }
        if off <= got.len() / 50 + 1 {
            Ok(())
        } else {
            Err(format!(
                "{off} of {} quantized values are off by one",
                got.len()
            ))
        }
    }

    /// Static quantized values of values, which are f32 and those of the kernel to the bit where they are `exact`.
    pub(super) fn close_quantized(
        &self,
        got: &[u8],
        want: &[f64],
        exact: bool,
        errors: &mut Errors,
    ) -> Check {
        let quantized = unpadded(
            bytemuck::cast_slice::<u8, i8>(got),
            self.rows(),
            self.cols(),
        );
        let (scale, zero) = OUT;
        let unrounded =
            |value: &f64| (value / f64::from(scale) + f64::from(zero)).clamp(-128.0, 127.0);
        let quantized = widen_quantized(&quantized);
        if exact {
            let inverse = 1.0 / scale;
            let rounded = |&value: &f64| (value as f32 * inverse).round_ties_even() as i32 + zero;
            let want: Vec<i32> = want.iter().map(|v| rounded(v).clamp(-128, 127)).collect();
            errors.see(&widen_whole(&quantized), &widen_whole(&want), Unit::Whole);
            return equal(&quantized, &want);
        }
        let want: Vec<f64> = want.iter().map(unrounded).collect();
        see_quantized(&quantized, &want, errors);
        Self::near_quantized(&quantized, &want)
    }

    /// What a kernel wrote: quantized values `[rows, cols]`, and the scale of each row.
    fn rows_and_scales(&self, got: &[u8]) -> (Vec<i32>, Vec<f32>) {
        let (quantized, scales) = got.split_at(self.rows() * 4 * groups(self.cols()));
        let quantized = bytemuck::cast_slice::<u8, i8>(quantized);
        let quantized = unpadded(quantized, self.rows(), self.cols());
        (widen_quantized(&quantized), from_bytes(scales))
    }

    /// Quantized values with a scale for each row, of values that are f32 and those of the kernel to the bit.
    pub(super) fn equal_row_quantized(
        &self,
        got: &[u8],
        want: &[f64],
        errors: &mut Errors,
    ) -> Check {
        let (quantized, scales) = self.rows_and_scales(got);
        let zero = OUT.1;
        let levels = -2 * zero - 1;
        let (mut want_quantized, mut want_scales) = (Vec::new(), Vec::new());
        for row in want.chunks(self.cols()) {
            let largest = row
                .iter()
                .fold(0.0, |most: f64, value| value.abs().max(most));
            let scale = match largest as f32 / levels as f32 {
                scale if scale < 2_f32.powi(-125) => 1.0,
                scale => scale,
            };
            let q = |&value: &f64| (value as f32 / scale).round_ties_even() as i32;
            want_quantized.extend(row.iter().map(|value| q(value).clamp(0, levels) + zero));
            want_scales.push(scale);
        }
        errors.see(
            &widen_whole(&quantized),
            &widen_whole(&want_quantized),
            Unit::Whole,
        );
        equal(&scales, &want_scales).map_err(|problem| format!("scales: {problem}"))?;
        equal(&quantized, &want_quantized)
    }

    /// Quantized values with a scale for each row: the largest of a row has the largest quantized value.
    pub(super) fn close_row_quantized(
        &self,
        got: &[u8],
        want: &[f64],
        bound: &[f64],
        errors: &mut Errors,
    ) -> Check {
        let (quantized, scales) = self.rows_and_scales(got);
        let zero = OUT.1;
        let levels = -2 * zero - 1;
        let rows = want.chunks(self.cols()).zip(bound.chunks(self.cols()));
        for (row, (want, bound)) in rows.enumerate() {
            let most = |values: &[f64]| values.iter().fold(0.0, |most: f64, v| v.abs().max(most));
            let (largest, bound) = (most(want), most(bound));
            let scale = if largest > 0.0 {
                largest / f64::from(levels)
            } else {
                1.0
            };
            // The largest may be off by what the sums may, and so may be zero, whose scale is 1.
            let got = f64::from(scales[row]);
            let allowed = bound / f64::from(levels) + SCALE_ERROR * largest / f64::from(levels);
            let near = (got - largest / f64::from(levels)).abs() <= allowed;
            let vanished = got == 1.0 && largest <= bound;
            if !near && !vanished {
                return Err(format!("row {row}: scale {got} instead of {scale}"));
            }
            if largest > 1e-2 {
                let exact = |v: &f64| (v / scale).clamp(0.0, f64::from(levels)) + f64::from(zero);
                let want: Vec<f64> = want.iter().map(exact).collect();
                let got = &quantized[row * self.cols()..(row + 1) * self.cols()];
                see_quantized(got, &want, errors);
                let near = |(got, want): (&i32, &f64)| (f64::from(*got) - want).abs() <= 0.52;
                if !got.iter().zip(&want).all(near) {
                    return Err(format!(
                        "row {row}: quantized values {got:?} instead of {want:?}"
                    ));
                }
            }
        }
        Ok(())
    }

    /// Rows of values to quantized values.
    pub(super) fn quantize_rows(&self) -> KernelTrial {
        let mut values = random_values(&mut self.rng(), self.rows() * self.cols());
        values.iter_mut().for_each(|value| *value = value.abs());
        // A row of zeros has the scale 1, and so has one whose scale would be below 2⁻¹²⁵.
        values[..self.cols()].fill(0.0);
        if let Some(second) = values.chunks_mut(self.cols()).nth(1) {
            second.fill(2_f32.powi(-120));
        }
        let padded = pack_rows(&values, self.cols(), 0.0);
        let output = vec![0xff; self.rows() * (4 * groups(self.cols()) + 4)];
        let case = *self;
        let operands = vec![to_bytes(&padded), output];
        self.trial(self.quantized_params(), 1, operands, move |got, errors| {
            case.equal_row_quantized(got, &widen(&values), errors)?;
            let scales: Vec<f32> = from_bytes(&got[case.rows() * 4 * groups(case.cols())..]);
            equal(&scales[..1], &[1.0])
        })
    }

    /// Values to static quantized values, also beyond what they can hold.
    pub(super) fn quantize_static(&self) -> KernelTrial {
        let values = random_values(&mut self.rng(), self.rows() * self.cols());
        let values: Vec<f32> = values.iter().map(|value| value * 12.0).collect();
        let padded = pack_rows(&values, self.cols(), 0.0);
        let case = *self;
        let operands = vec![to_bytes(&padded), self.unwritten(1)];
        self.trial(self.quantized_params(), 1, operands, move |got, errors| {
            case.close_quantized(got, &widen(&values), true, errors)
        })
    }
}

fn widen_whole(values: &[i32]) -> Vec<f64> {
    values.iter().map(|&value| value.into()).collect()
}

/// Notes how far quantized values are from those that the exact values round to.
fn see_quantized(got: &[i32], exact: &[f64], errors: &mut Errors) {
    let got = widen_whole(got);
    let want: Vec<f64> = exact.iter().map(|q| q.round_ties_even()).collect();
    errors.see(&got, &want, Unit::Whole);
}
