//! A kernel at one shape: what it is given, and what the reference says of what it gives back.
//!
//! A case makes [`KernelTrial`]s, which are plain data: a uniform, operands, and a judge. Nothing here needs a
//! device, so that tests and `verify` run the same trials, each in its own way.

mod bounds;
mod layer;
mod quantized_values;
mod split;
mod tensor_layer;
mod unfused;
mod unfused_int8;

use std::fmt;

use half::f16;

use super::compare::{Check, Errors, Unit, equal};
use super::data::{random_quantized, seeded};
use crate::Precision;
use crate::model::Activation;
use crate::plan::{LayerInput, LayerOutput, Params, Pass, groups};
use crate::precision::Float;

/// What stands behind each written buffer, and must stand there after.
const SENTINEL: [u8; 64] = [0xa5; 64];

/// A kernel at one shape.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The kernel.
    pub pass: Pass,
    /// Its element type.
    pub elements: Precision,
    /// Rows, inner dimension and columns.
    pub shape: [usize; 3],
    /// The largest int8 quantized value.
    pub clip: u8,
}

/// What judges the bytes of the written operands, without their sentinels, and notes how far they are off.
type Judge = Box<dyn Fn(&[Vec<u8>], &mut Errors) -> Check + Send>;

/// One run of a kernel, as data.
pub struct KernelTrial {
    /// What is special about its data, in short.
    pub what: String,
    /// Rows, inner dimension and columns.
    pub shape: [usize; 3],
    /// Its uniform.
    pub params: Params,
    /// The bytes of each storage binding; behind those that are written stand sentinels.
    pub operands: Vec<Vec<u8>>,
    /// Which of them are written.
    pub written: Vec<usize>,
    judge: Judge,
}

impl fmt::Debug for KernelTrial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [rows, inner, cols] = self.shape;
        write!(f, "{rows}×{inner}×{cols} {}", self.what)
    }
}

impl KernelTrial {
    /// Judges what stands in the written operands after a run, sentinels first; `errors` learns how far
    /// it is off, within the tolerance or not.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn judge(&self, mut written: Vec<Vec<u8>>, errors: &mut Errors) -> Check {
        for (bytes, &operand) in written.iter_mut().zip(&self.written) {
            let length = self.operands[operand].len() - SENTINEL.len();
            let behind = bytes.split_off(length);
            equal(&behind[..SENTINEL.len()], &SENTINEL).map_err(|p| format!("sentinel: {p}"))?;
        }
        (self.judge)(&written, errors)
    }

    fn with(self, what: &str) -> Self {
        Self {
            what: what.to_owned(),
            ..self
        }
    }
}

impl Case {
    fn rows(&self) -> usize {
        self.shape[0]
    }

    fn inner(&self) -> usize {
        self.shape[1]
    }

    fn cols(&self) -> usize {
        self.shape[2]
    }

    fn rng(&self) -> rand_chacha::ChaCha8Rng {
        let [rows, inner, cols] = self.shape;
        seeded(&format!("{:?}{rows}{inner}{cols}", self.pass))
    }

    fn params(&self) -> Params {
        Params {
            rows: self.rows() as u32,
            inner: groups(self.inner()) as u32,
            cols: self.cols() as u32,
            groups: groups(self.cols()) as u32,
            slot_in: 0,
            slot_out: 1,
            clip: f32::from(self.clip),
            weight_scale: 0.015,
            ..Params::default()
        }
    }

    /// A buffer for the outputs, of so many bytes a value, in which nothing is written yet.
    fn unwritten(&self, bytes: usize) -> Vec<u8> {
        vec![0xff; self.rows() * 4 * groups(self.cols()) * bytes]
    }

    /// A run of the kernel that writes the operand `written`, judged by its bytes.
    fn trial(
        &self,
        params: Params,
        written: usize,
        operands: Vec<Vec<u8>>,
        judge: impl Fn(&[u8], &mut Errors) -> Check + Send + 'static,
    ) -> KernelTrial {
        self.trial_of_many(params, &[written], operands, move |bytes, errors| {
            judge(&bytes[0], errors)
        })
    }

    fn trial_of_many(
        &self,
        params: Params,
        written: &[usize],
        mut operands: Vec<Vec<u8>>,
        judge: impl Fn(&[Vec<u8>], &mut Errors) -> Check + Send + 'static,
    ) -> KernelTrial {
        for &operand in written {
            operands[operand].extend(SENTINEL);
        }
        KernelTrial {
            what: "random".to_owned(),
            shape: self.shape,
            params,
            operands,
            written: written.to_vec(),
            judge: Box::new(judge),
        }
    }

    /// Every trial of the kernel at this shape; none of whole networks, which are checked as such.
    #[must_use]
    pub fn trials(&self) -> Vec<KernelTrial> {
        let int8 = self.elements == Precision::Int8;
        match self.pass {
            Pass::Normalize => vec![self.normalize()],
            Pass::PixelMax => self.pixel_max(),
            Pass::QuantizePixels => [self.clip, 7]
                .into_iter()
                .flat_map(|clip| Self { clip, ..*self }.quantize_pixels())
                .collect(),
            Pass::Matmul(_) if int8 => {
                let mut rng = self.rng();
                let x = random_quantized(&mut rng, self.rows() * self.inner());
                let w = random_quantized(&mut rng, self.inner() * self.cols());
                vec![self.int8_product(&x, &w), self.extreme_quantized()]
            }
            Pass::Matmul(_) => vec![self.real_product()],
            Pass::Bias if int8 => vec![self.int8_bias()],
            Pass::Bias => vec![self.real_bias()],
            Pass::Activation(activation) => self.activations(activation),
            Pass::Softmax => self.activations(Activation::Softmax),
            Pass::AbsMax => self.absmax(),
            Pass::Quantize => [self.clip, 7]
                .into_iter()
                .flat_map(|clip| Self { clip, ..*self }.quantize())
                .collect(),
            Pass::Dequantize => vec![self.dequantize()],
            Pass::Layer(layer) if int8 && !layer.input.is_quantized() => {
                let mut trials = self.int8_layer(layer);
                if self.shape == super::shapes::SMALL {
                    let clipped = Self { clip: 7, ..*self };
                    let clipped = clipped.int8_layer(layer).into_iter();
                    trials.extend(clipped.map(|trial| {
                        let what = format!("clip 7, {}", trial.what);
                        trial.with(&what)
                    }));
                }
                trials
            }
            Pass::Layer(layer) => {
                if let LayerOutput::PartialSums(parts) = layer.output {
                    return vec![self.partial_sums(layer, parts)];
                }
                let mut trials = vec![self.layer(layer)];
                let small = self.shape == super::shapes::SMALL;
                let sum = layer.tile.family.adds();
                if small && !sum && layer.input == LayerInput::Pixels && self.has_tight_bound(layer)
                {
                    trials.push(self.every_byte(layer));
                }
                trials
            }
            Pass::Epilogue(activation) => self.finish(activation),
            Pass::QuantizedRows { .. } => vec![self.quantize_rows()],
            Pass::QuantizeStatic => vec![self.quantize_static()],
            Pass::Network(_) => Vec::new(),
        }
    }

    fn activations(&self, activation: Activation) -> Vec<KernelTrial> {
        let mut trials = vec![self.activation(activation)];
        if self.elements == Precision::F32 {
            trials.extend(self.extremes(activation));
        }
        trials
    }

    fn padding_is_zero(&self, values: &[f64]) -> Check {
        let cols = self.cols();
        for row in values.chunks(4 * groups(cols)) {
            equal(&row[cols..], &vec![0.0; row.len() - cols])?;
        }
        Ok(())
    }

    /// The unit in which the last place of the kernel's outputs counts.
    pub(super) fn unit(&self) -> Unit {
        let of_float = |float| match float {
            Float::F32 => Unit::F32,
            Float::F16 => Unit::F16,
            Float::Bf16 => Unit::Bf16,
        };
        match (self.pass, self.elements) {
            (Pass::Layer(layer), _) => match layer.output {
                LayerOutput::Float(float) => of_float(float),
                LayerOutput::Outputs => of_float(self.elements.float()),
                LayerOutput::PreActivation => Unit::F32,
                LayerOutput::PartialSums(_) => self.unit_of_sums(),
                LayerOutput::Quantized | LayerOutput::QuantizedRows => Unit::Whole,
            },
            (Pass::Normalize | Pass::Activation(_), elements) => of_float(elements.float()),
            (Pass::Matmul(_), Precision::Int8)
            | (
                Pass::PixelMax
                | Pass::QuantizePixels
                | Pass::Quantize
                | Pass::QuantizedRows { .. }
                | Pass::QuantizeStatic,
                _,
            ) => Unit::Whole,
            _ => Unit::F32,
        }
    }
}

fn to_bytes<T: bytemuck::NoUninit>(values: &[T]) -> Vec<u8> {
    bytemuck::cast_slice(values).to_vec()
}

fn to_f16_bytes(values: &[f32]) -> Vec<u8> {
    let values: Vec<f16> = values.iter().map(|&value| f16::from_f32(value)).collect();
    to_bytes(&values)
}

fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

fn widen_quantized(values: &[i8]) -> Vec<i32> {
    values.iter().map(|&value| i32::from(value)).collect()
}

/// Bytes of any alignment as words of another type.
fn from_bytes<T: bytemuck::Pod>(bytes: &[u8]) -> Vec<T> {
    bytemuck::pod_collect_to_vec(bytes)
}
