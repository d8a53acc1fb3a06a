//! The trials of f32 and f16 passes.

use half::f16;

use super::{Case, KernelTrial, to_bytes, to_f16_bytes, widen};
use crate::Precision;
use crate::gpu::{pack_blocks, pack_rows};
use crate::model::{Activation, Normalization};
use crate::reference;
use crate::verify::compare::{
    Unit, close_f16, close_f32, equal, unpadded, widen_bf16, widen_f16, widen_f32,
};
use crate::verify::data::{random_pixels, random_values};

/// What activations are tried on beside random values.
const ENDS: [f32; 9] = [
    f32::MAX,
    -f32::MAX,
    -3.3e38,
    3.0e38,
    89.0,
    -89.0,
    1e-30,
    0.0,
    -1.0,
];

impl Case {
    pub(super) fn normalize(&self) -> KernelTrial {
        let pixels = random_pixels(&mut self.rng(), self.rows() * self.cols());
        let packed = pack_rows(&pixels, self.cols(), 0);
        let normalization = Normalization::Standard {
            mean: 0.3,
            std: 0.4,
        };
        let table: Vec<f32> = match self.elements {
            Precision::F16 => normalization.table_f16().map(f32::from).to_vec(),
            _ => normalization.table_f32().to_vec(),
        };
        let output = self.unwritten(self.elements.bytes() as usize);
        let value = |&pixel: &u8| {
            let value = f64::from(table[usize::from(pixel)]);
            match self.elements {
                Precision::Bf16 => reference::round_bf16(value),
                _ => value,
            }
        };
        let want: Vec<f64> = pixels.iter().map(value).collect();
        let case = *self;
        let operands = vec![packed, to_bytes(&table), output];
        self.trial(self.params(), 2, operands, move |bytes, errors| {
            let got = match case.elements {
                Precision::F16 => widen_f16(bytes),
                Precision::Bf16 => widen_bf16(bytes),
                _ => widen_f32(bytes),
            };
            let values = unpadded(&got, case.rows(), case.cols());
            errors.see(&values, &want, case.unit());
            equal(&values, &want)?;
            case.padding_is_zero(&got)
        })
    }

    pub(super) fn real_product(&self) -> KernelTrial {
        let mut rng = self.rng();
        let half = self.elements == Precision::F16;
        let stored = |values: Vec<f32>| -> Vec<f32> {
            let round = |value: f32| f16::from_f32(value).to_f32();
            if half {
                values.into_iter().map(round).collect()
            } else {
                values
            }
        };
        let x = stored(random_values(&mut rng, self.rows() * self.inner()));
        let w = stored(random_values(&mut rng, self.inner() * self.cols()));
        let bytes = |values: Vec<f32>| {
            if half {
                to_f16_bytes(&values)
            } else {
                to_bytes(&values)
            }
        };
        let operands = vec![
            bytes(pack_rows(&x, self.inner(), 0.0)),
            bytes(pack_blocks(&w, self.inner(), self.cols(), 0.0)),
            self.unwritten(4),
        ];
        let want = reference::product(&widen(&x), &widen(&w), self.inner(), self.cols());
        let case = *self;
        self.trial(self.params(), 2, operands, move |bytes, errors| {
            let got = unpadded(&widen_f32(bytes), case.rows(), case.cols());
            errors.see(&got, &want, Unit::F32);
            close_f32(&got, &want, case.inner())
        })
    }

    pub(super) fn real_bias(&self) -> KernelTrial {
        let mut rng = self.rng();
        let sums = random_values(&mut rng, self.rows() * self.cols());
        let bias = random_values(&mut rng, self.cols());
        let half = self.elements == Precision::F16;
        let packed = pack_rows(&bias, self.cols(), 0.0);
        let bias_bytes = if half {
            to_f16_bytes(&packed)
        } else {
            to_bytes(&packed)
        };
        let operands = vec![
            to_bytes(&pack_rows(&sums, self.cols(), 0.0)),
            bias_bytes,
            self.unwritten(4),
        ];
        let stored = |&value: &f32| {
            if half {
                f16::from_f32(value).to_f32()
            } else {
                value
            }
        };
        let bias: Vec<f64> = bias.iter().map(|value| f64::from(stored(value))).collect();
        let mut want = widen(&sums);
        reference::add_bias(&mut want, &bias);
        let case = *self;
        self.trial(self.params(), 2, operands, move |bytes, errors| {
            let got = widen_f32(bytes);
            let values = unpadded(&got, case.rows(), case.cols());
            errors.see(&values, &want, Unit::F32);
            close_f32(&values, &want, 1)?;
            case.padding_is_zero(&got)
        })
    }

    pub(super) fn activation(&self, activation: Activation) -> KernelTrial {
        let mut z = random_values(&mut self.rng(), self.rows() * self.cols());
        z.iter_mut().for_each(|z| *z *= 12.0);
        let softmax = activation == Activation::Softmax;
        let half = self.elements == Precision::F16;
        let stored_half = half && !softmax;
        let operands = vec![
            to_bytes(&pack_rows(&z, self.cols(), 0.0)),
            self.unwritten(if stored_half { 2 } else { 4 }),
        ];
        let mut want = widen(&z);
        if half && softmax {
            want.iter_mut().for_each(|z| *z = reference::round_f16(*z));
        }
        reference::activate(activation, &mut want, self.cols());
        let case = *self;
        self.trial(self.params(), 1, operands, move |bytes, errors| {
            let got = if stored_half {
                widen_f16(bytes)
            } else {
                widen_f32(bytes)
            };
            let values = unpadded(&got, case.rows(), case.cols());
            errors.see(&values, &want, case.unit());
            if stored_half {
                close_f16(&values, &want)?;
            } else {
                close_f32(&values, &want, 1)?;
            }
            case.padding_is_zero(&got)
        })
    }

    /// The ends of f32's range, and where activations reach their limits.
    pub(super) fn extremes(&self, activation: Activation) -> Vec<KernelTrial> {
        // Drivers give functions that stay within 1 to an absolute accuracy: tanh of nearly zero is an
        // f32 ULP of 1 off.
        let exact = activation.floor().is_some();
        let absolute = if exact { 0.0 } else { 2_f64.powi(-23) };
        let case = *self;
        let of_shift = |shift: usize| {
            let value = |i| ENDS[(i / case.cols() + i + shift) % ENDS.len()];
            let z: Vec<f32> = (0..case.rows() * case.cols()).map(value).collect();
            let operands = vec![
                to_bytes(&pack_rows(&z, case.cols(), 0.0)),
                case.unwritten(4),
            ];
            let mut want = widen(&z);
            reference::activate(activation, &mut want, case.cols());
            let trial = case.trial(case.params(), 1, operands, move |bytes, _| {
                let values = unpadded(&widen_f32(bytes), case.rows(), case.cols());
                for (index, (&got, &want)) in values.iter().zip(&want).enumerate() {
                    let fits = (got - want).abs() <= 1e-5 * want.abs() + absolute;
                    if !fits {
                        return Err(format!(
                            "value {index} of {:e} is {got:e}, not {want:e}",
                            z[index]
                        ));
                    }
                }
                Ok(())
            });
            trial.with("extremes")
        };
        (0..ENDS.len()).map(of_shift).collect()
    }
}
