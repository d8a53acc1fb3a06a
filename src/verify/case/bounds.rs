//! How far a fused layer's outputs in f16 may be from the reference's, output by output.

use super::Case;
use crate::model::Activation;
use crate::plan::LayerKernel;
use crate::reference;
use crate::verify::compare::{Check, Errors, equal, ulp_f16, within_each};

impl Case {
    /// Compares a layer's outputs in f16 with what the reference makes of the pre-activations, before any rounding.
    ///
    /// An output may be off by one binary16 ULP, and by the noise of an f32 sum in its pre-activation. No activation steepens that;
    /// softmax multiplies its outputs by at most exp(2·|dz|).
    pub(super) fn close_half(
        &self,
        layer: LayerKernel,
        z: &[f64],
        got: &[f64],
        seen: &mut Errors,
    ) -> Check {
        let softmax = layer.activation == Activation::Softmax;
        let mean: f64 = z.iter().map(|z| z * z).sum::<f64>() / z.len() as f64;
        let noise = 2_f64.powi(-20) * (self.inner() as f64).sqrt() * mean.sqrt();
        let mut errors = vec![noise; z.len()];
        let mut want = z.to_vec();
        if softmax {
            // A rounded pre-activation may be the neighbouring number.
            for (error, z) in errors.iter_mut().zip(&mut want) {
                *error += ulp_f16(*z);
                *z = reference::round_f16(*z);
            }
        }
        reference::activate(layer.activation, &mut want, self.cols());
        let tolerances: Vec<f64> = if softmax {
            let row = |(errors, want): (&[f64], &[f64])| {
                let most = errors.iter().fold(0.0, |most: f64, &error| most.max(error));
                // 1e-7: an f32 ULP of 1.
                let tolerance = |want: &f64| (f64::exp(2.0 * most) - 1.0) * want + 1e-7;
                want.iter().map(tolerance).collect::<Vec<_>>()
            };
            let rows = errors.chunks(self.cols()).zip(want.chunks(self.cols()));
            rows.flat_map(row).collect()
        } else {
            let tolerance = |(error, want): (&f64, &f64)| ulp_f16(*want) + error;
            errors.iter().zip(&want).map(tolerance).collect()
        };
        seen.see(got, &want, self.unit());
        within_each(got, &want, &tolerances, 1e-6)?;
        if !softmax {
            // Whatever they are stored as, they are numbers of the precision.
            let rounded: Vec<f64> = got.iter().map(|&v| reference::round_f16(v)).collect();
            equal(got, &rounded)?;
        }
        Ok(())
    }
}
