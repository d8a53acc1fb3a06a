//! The checks of f32 and f16 kernels.

use fmnist_gpu::Precision;
use fmnist_gpu::gpu::{pack_blocks, pack_rows};
use fmnist_gpu::model::{Activation, Normalization};
use fmnist_gpu::reference;
use half::f16;

use super::case::{Case, to_bytes, to_f16_bytes, widen};
use super::common::compare::{
    Check, close_f16, close_f32, equal, unpadded, widen_bf16, widen_f16, widen_f32,
};
use super::common::{random_pixels, random_values};

impl Case<'_> {
    pub fn check_normalize(&self) -> Check {
        let pixels = random_pixels(&mut self.rng(), self.rows * self.cols);
        let packed = pack_rows(&pixels, self.cols, 0);
        let normalization = Normalization::Standard {
            mean: 0.3,
            std: 0.4,
        };
        let table: Vec<f32> = match self.elements {
            Precision::F16 => normalization.table_f16().map(f32::from).to_vec(),
            _ => normalization.table_f32().to_vec(),
        };
        let room = self.room(self.elements.bytes() as usize);
        let bytes = self.run(2, &[packed, to_bytes(&table), room])?;
        let got = match self.elements {
            Precision::F16 => widen_f16(&bytes),
            Precision::Bf16 => widen_bf16(&bytes),
            _ => widen_f32(&bytes),
        };
        let value = |&pixel: &u8| {
            let value = f64::from(table[usize::from(pixel)]);
            match self.elements {
                Precision::Bf16 => reference::round_bf16(value),
                _ => value,
            }
        };
        let want: Vec<f64> = pixels.iter().map(value).collect();
        equal(&unpadded(&got, self.rows, self.cols), &want)?;
        self.padding_is_zero(&got)
    }

    pub fn check_real_product(&self) -> Check {
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
        let x = stored(random_values(&mut rng, self.rows * self.inner));
        let w = stored(random_values(&mut rng, self.inner * self.cols));
        let bytes = |values: Vec<f32>| {
            if half {
                to_f16_bytes(&values)
            } else {
                to_bytes(&values)
            }
        };
        let operands = [
            bytes(pack_rows(&x, self.inner, 0.0)),
            bytes(pack_blocks(&w, self.inner, self.cols, 0.0)),
            self.room(4),
        ];
        let got = widen_f32(&self.run(2, &operands)?);
        let want = reference::product(&widen(&x), &widen(&w), self.inner, self.cols);
        close_f32(&unpadded(&got, self.rows, self.cols), &want, self.inner)
    }

    pub fn check_real_bias(&self) -> Check {
        let mut rng = self.rng();
        let sums = random_values(&mut rng, self.rows * self.cols);
        let bias = random_values(&mut rng, self.cols);
        let half = self.elements == Precision::F16;
        let packed = pack_rows(&bias, self.cols, 0.0);
        let bias_bytes = if half {
            to_f16_bytes(&packed)
        } else {
            to_bytes(&packed)
        };
        let operands = [
            to_bytes(&pack_rows(&sums, self.cols, 0.0)),
            bias_bytes,
            self.room(4),
        ];
        let got = widen_f32(&self.run(2, &operands)?);
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
        close_f32(&unpadded(&got, self.rows, self.cols), &want, 1)?;
        self.padding_is_zero(&got)
    }

    pub fn check_activation(&self, activation: Activation) -> Check {
        let mut z = random_values(&mut self.rng(), self.rows * self.cols);
        z.iter_mut().for_each(|z| *z *= 12.0);
        let softmax = activation == Activation::Softmax;
        let half = self.elements == Precision::F16;
        let bytes = if half && !softmax { 2 } else { 4 };
        let operands = [to_bytes(&pack_rows(&z, self.cols, 0.0)), self.room(bytes)];
        let bytes = self.run(1, &operands)?;
        let got = if half && !softmax {
            widen_f16(&bytes)
        } else {
            widen_f32(&bytes)
        };
        let mut want = widen(&z);
        if half && softmax {
            want.iter_mut().for_each(|z| *z = reference::round_f16(*z));
        }
        reference::activate(activation, &mut want, self.cols);
        let values = unpadded(&got, self.rows, self.cols);
        if half && !softmax {
            close_f16(&values, &want)?;
        } else {
            close_f32(&values, &want, 1)?;
        }
        self.padding_is_zero(&got)
    }

    pub fn check_extremes(&self, activation: Activation) -> Check {
        // Drivers give functions that stay within 1 to an absolute accuracy: tanh of nearly zero is an
        // f32 ULP of 1 off.
        let absolute = match activation {
            Activation::Relu | Activation::Identity => 0.0,
            _ => 2_f64.powi(-23),
        };
        let ends = [
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
        for shift in 0..ends.len() {
            let value = |i| ends[(i / self.cols + i + shift) % ends.len()];
            let z: Vec<f32> = (0..self.rows * self.cols).map(value).collect();
            let operands = [to_bytes(&pack_rows(&z, self.cols, 0.0)), self.room(4)];
            let got = widen_f32(&self.run(1, &operands)?);
            let mut want = widen(&z);
            reference::activate(activation, &mut want, self.cols);
            let values = unpadded(&got, self.rows, self.cols);
            for (index, (&got, &want)) in values.iter().zip(&want).enumerate() {
                let fits = (got - want).abs() <= 1e-5 * want.abs() + absolute;
                if !fits {
                    return Err(format!(
                        "value {index} of {:e} is {got:e}, not {want:e}",
                        z[index]
                    ));
                }
            }
        }
        Ok(())
    }
}
