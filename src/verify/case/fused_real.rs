//! The trials of fused layers in f32 and f16.

use half::f16;

use super::{Case, Trial, to_bytes, to_f16_bytes, widen};
use crate::Precision;
use crate::gpu::{pack_blocks, pack_matrices, pack_rows};
use crate::model::{Activation, Normalization};
use crate::plan::{LayerInput, LayerKernel, LayerOutput, WeightLayout};
use crate::reference;
use crate::verify::compare::{
    Check, Errors, close_f32, equal, ulp_f16, unpadded, widen_f16, widen_f32, within_each,
};
use crate::verify::data::{random_pixels, random_values};

impl Case {
    fn half(&self) -> bool {
        self.elements == Precision::F16
    }

    /// The numbers that the precision makes of these.
    fn stored(&self, values: Vec<f32>) -> Vec<f32> {
        if !self.half() {
            return values;
        }
        let round = |value: f32| f16::from_f32(value).to_f32();
        values.into_iter().map(round).collect()
    }

    /// The bytes of numbers as the precision stores them.
    fn bytes(&self, values: &[f32]) -> Vec<u8> {
        if self.half() {
            to_f16_bytes(values)
        } else {
            to_bytes(values)
        }
    }

    /// The oracle's input of a pixel.
    fn input(&self, pixel: u8) -> f64 {
        let value = reference::input(Normalization::Unit, pixel);
        if self.half() {
            reference::round_f16(value)
        } else {
            value
        }
    }

    /// The weights `[inner, cols]` as the layer's kernel reads them.
    fn pack_weights(&self, layer: LayerKernel, w: &[f32]) -> Vec<f32> {
        match layer.tile.weights() {
            WeightLayout::Blocks => pack_blocks(w, self.inner(), self.cols(), 0.0),
            WeightLayout::Matrices(size) => {
                pack_matrices(w, self.inner(), self.cols(), size as usize, 0.0)
            }
        }
    }

    /// A layer on the bytes of its input; `w: [inner, cols]`. The judge is given the outputs, padded.
    fn real_layer_on(
        &self,
        layer: LayerKernel,
        [x, w]: [Vec<u8>; 2],
        bias: &[f32],
        judge: impl Fn(&[f64], &mut Errors) -> Check + Send + 'static,
    ) -> Trial {
        let wide = layer.output == LayerOutput::F32 || !self.half();
        let operands = vec![
            x,
            w,
            self.bytes(&pack_rows(bias, self.cols(), 0.0)),
            self.room(if wide { 4 } else { 2 }),
        ];
        self.trial(self.params(), 3, operands, move |bytes, errors| {
            let values = if wide {
                widen_f32(bytes)
            } else {
                widen_f16(bytes)
            };
            judge(&values, errors)
        })
    }

    /// A whole layer on random values.
    pub(super) fn real_layer(&self, layer: LayerKernel) -> Trial {
        let mut rng = self.rng();
        let size = 2.0 / (self.inner() as f32).sqrt();
        let weights = random_values(&mut rng, self.inner() * self.cols());
        let w = self.stored(weights.into_iter().map(|weight| weight * size).collect());
        let bias = self.stored(random_values(&mut rng, self.cols()));
        let (x, x_bytes): (Vec<f64>, Vec<u8>) = if layer.input == LayerInput::Pixels {
            let pixels = random_pixels(&mut rng, self.rows() * self.inner());
            let x = pixels.iter().map(|&pixel| self.input(pixel)).collect();
            (x, pack_rows(&pixels, self.inner(), 0))
        } else {
            let x = self.stored(random_values(&mut rng, self.rows() * self.inner()));
            let bytes = self.bytes(&pack_rows(&x, self.inner(), 0.0));
            (widen(&x), bytes)
        };
        let w_bytes = self.bytes(&self.pack_weights(layer, &w));
        let w = widen(&w);
        let mut z = reference::product(&x, &w, self.inner(), self.cols());
        reference::add_bias(&mut z, &widen(&bias));
        let case = *self;
        self.real_layer_on(layer, [x_bytes, w_bytes], &bias, move |padded, errors| {
            let got = unpadded(padded, case.rows(), case.cols());
            if case.half() {
                case.close_half(layer, &z, &got, errors)?;
            } else {
                let mut want = z.clone();
                reference::activate(layer.activation, &mut want, case.cols());
                errors.see(&got, &want, case.unit());
                close_f32(&got, &want, case.inner())?;
            }
            case.padding_is_zero(padded)
        })
    }

    /// Compares a layer's outputs in f16 with what the oracle makes of z, before any rounding.
    ///
    /// An output may be off by one binary16 ULP, and by the noise of an f32 sum in z. No activation steepens that;
    /// softmax multiplies its outputs by at most exp(2·|dz|).
    fn close_half(&self, layer: LayerKernel, z: &[f64], got: &[f64], seen: &mut Errors) -> Check {
        let softmax = layer.activation == Activation::Softmax;
        let mean: f64 = z.iter().map(|z| z * z).sum::<f64>() / z.len() as f64;
        let noise = 2_f64.powi(-20) * (self.inner() as f64).sqrt() * mean.sqrt();
        let mut errors = vec![noise; z.len()];
        let mut want = z.to_vec();
        if softmax {
            // A rounded z may be the neighbouring number.
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

    /// Each of the 256 bytes as a layer reads it: the weights of one value at a time bring it through.
    /// In f16 it is the nearest binary16; in f32 it may be off by some ULP.
    pub(super) fn every_byte(&self, layer: LayerKernel) -> Trial {
        let case = Self {
            shape: [64, 4, 4],
            ..*self
        };
        let pixels: Vec<u8> = (0..=255).collect();
        let identity: Vec<f32> = (0..16)
            .map(|at| if at % 5 == 0 { 1.0 } else { 0.0 })
            .collect();
        let want: Vec<f64> = pixels.iter().map(|&pixel| case.input(pixel)).collect();
        let w = case.bytes(&case.pack_weights(layer, &identity));
        let trial = case.real_layer_on(layer, [pixels, w], &[0.0; 4], move |got, errors| {
            errors.see(got, &want, case.unit());
            if case.half() {
                equal(got, &want)
            } else {
                let tolerances: Vec<f64> = want.iter().map(|want| 2_f64.powi(-22) * want).collect();
                within_each(got, &want, &tolerances, 1e-12)
            }
        });
        trial.with("every byte")
    }
}
