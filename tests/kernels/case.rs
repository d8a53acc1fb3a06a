//! A kernel at one shape: how it is run, and which check is its own.

use fmnist_gpu::Precision;
use fmnist_gpu::gpu::SinglePass;
use fmnist_gpu::model::Activation;
use fmnist_gpu::plan::{Params, Pass, groups};
use half::f16;

use super::common::compare::{Check, equal};
use super::common::{Rig, random_codes, seeded};

/// What stands behind each written buffer, and must stand there after.
const SENTINEL: [u8; 64] = [0xa5; 64];

pub struct Case<'a> {
    pub rig: &'a Rig,
    pub pass: Pass,
    pub elements: Precision,
    pub rows: usize,
    pub inner: usize,
    pub cols: usize,
    pub clip: u8,
}

impl Case<'_> {
    pub fn rng(&self) -> rand_chacha::ChaCha8Rng {
        seeded(&format!(
            "{:?}{}{}{}",
            self.pass, self.rows, self.inner, self.cols
        ))
    }

    pub fn params(&self) -> Params {
        Params {
            rows: self.rows as u32,
            inner: groups(self.inner) as u32,
            cols: self.cols as u32,
            groups: groups(self.cols) as u32,
            slot_in: 0,
            slot_out: 1,
            clip: f32::from(self.clip),
            weight_scale: 0.015,
            layers: 0,
            out_inverse: 0.0,
            out_zero: 0.0,
        }
    }

    pub fn room(&self, bytes: usize) -> Vec<u8> {
        vec![0xff; self.rows * 4 * groups(self.cols) * bytes]
    }

    pub fn run(&self, written: usize, operands: &[Vec<u8>]) -> Result<Vec<u8>, String> {
        self.run_with(self.params(), written, operands)
    }

    pub fn run_with(
        &self,
        params: Params,
        written: usize,
        operands: &[Vec<u8>],
    ) -> Result<Vec<u8>, String> {
        let [bytes] = self.run_many(params, [written], operands)?;
        Ok(bytes)
    }

    /// Runs the kernel once and gives what it left in each of the operands `written`.
    pub fn run_many<const N: usize>(
        &self,
        params: Params,
        written: [usize; N],
        operands: &[Vec<u8>],
    ) -> Result<[Vec<u8>; N], String> {
        let mut operands = operands.to_vec();
        let lengths = written.map(|operand| operands[operand].len());
        for operand in written {
            operands[operand].extend(SENTINEL);
        }
        let run = async {
            let device = &self.rig.device;
            let single =
                SinglePass::new(device, self.pass, self.elements, params, &operands).await?;
            single.run(1).await?;
            let mut all = [const { Vec::new() }; N];
            for (bytes, operand) in all.iter_mut().zip(written) {
                *bytes = single.read(operand).await?;
            }
            Ok(all)
        };
        let run = pollster::block_on(run);
        let mut all = run.map_err(|error: fmnist_gpu::Error| error.to_string())?;
        for (bytes, length) in all.iter_mut().zip(lengths) {
            let behind = bytes.split_off(length);
            equal(&behind[..SENTINEL.len()], &SENTINEL).map_err(|p| format!("sentinel: {p}"))?;
        }
        Ok(all)
    }

    pub fn check(&self) -> Check {
        match self.pass {
            Pass::Normalize => self.check_normalize(),
            Pass::PixelMax => self.check_pixel_max(),
            Pass::QuantizePixels => self.check_quantize_pixels(),
            Pass::Matmul(_) if self.elements == Precision::Int8 => {
                let mut rng = self.rng();
                let x = random_codes(&mut rng, self.rows * self.inner);
                let w = random_codes(&mut rng, self.inner * self.cols);
                self.check_int8_product(&x, &w)
            }
            Pass::Matmul(_) => self.check_real_product(),
            Pass::Bias if self.elements == Precision::Int8 => self.check_int8_bias(),
            Pass::Bias => self.check_real_bias(),
            Pass::Activation(activation) => self.check_activation(activation),
            Pass::Softmax => self.check_activation(Activation::Softmax),
            Pass::AbsMax => self.check_absmax(),
            Pass::Quantize => self.check_quantize(),
            Pass::Dequantize => self.check_dequantize(),
            Pass::Layer(layer) if self.is_deployed(layer) => self.check_deployed_layer(layer),
            Pass::Layer(layer) if self.elements == Precision::Int8 => self.check_int8_layer(layer),
            Pass::Layer(layer) => self.check_real_layer(layer),
            Pass::Finish(activation) => self.check_finish(activation),
            Pass::RowCodes { .. } => self.check_row_codes(),
            Pass::StaticCodes => self.check_static_codes(),
            Pass::Network(_) => Err("whole networks are tests/networks's".into()),
        }
    }

    pub fn padding_is_zero(&self, values: &[f64]) -> Check {
        for row in values.chunks(4 * groups(self.cols)) {
            equal(&row[self.cols..], &vec![0.0; row.len() - self.cols])?;
        }
        Ok(())
    }
}

pub fn to_bytes<T: bytemuck::NoUninit>(values: &[T]) -> Vec<u8> {
    bytemuck::cast_slice(values).to_vec()
}

pub fn to_f16_bytes(values: &[f32]) -> Vec<u8> {
    let values: Vec<f16> = values.iter().map(|&value| f16::from_f32(value)).collect();
    to_bytes(&values)
}

pub fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

pub fn widen_codes(values: &[i8]) -> Vec<i32> {
    values.iter().map(|&value| i32::from(value)).collect()
}
