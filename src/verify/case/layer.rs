//! The trials of fused layers in every format but int8 `dynamic-tensor`, and of what brings values into the
//! form that a layer takes.

use half::bf16;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{Case, KernelTrial, to_bytes, to_f16_bytes, widen, widen_quantized};
use crate::Precision;
use crate::gpu::{pack_blocks, pack_int8, pack_matrices, pack_rows, pack_weights};
use crate::model::{Activation, Layer, Normalization};
use crate::plan::{
    KernelFamily, LayerInput, LayerKernel, LayerOutput, Params, WeightLayout, groups,
};
use crate::precision::Float;
use crate::quantize::{InputQuantization, QuantizedLayer, Weights};
use crate::reference;
use crate::scheme::WeightScales;
use crate::verify::compare::{
    Check, Errors, close_f32, equal, unpadded, widen_bf16, widen_f16, widen_f32, within_each,
};
use crate::verify::data::{random_pixels, random_quantized, random_values};

/// What a step of static quantized values that are written stands for, and the quantized value of zero.
pub(super) const OUT: (f32, i32) = (1.0 / 32.0, -100);

/// The quantized value of zero of what is read.
const ZERO: i32 = -128;

/// What a layer reads: its bytes, and the values or whole numbers that they stand for, with the scale of
/// each row where they have one.
struct LayerOperand {
    bytes: Vec<u8>,
    values: Vec<f64>,
    scales: Vec<f32>,
}

/// What a layer is given, as bytes and as the numbers that they stand for, and what the reference makes of it.
pub(super) struct LayerOperands {
    pub(super) input: Vec<u8>,
    pub(super) weights: Vec<u8>,
    pub(super) bias: Vec<u8>,
    /// The factors of the layer's products as the kernel multiplies them, `[rows, inner]` and `[inner, cols]`.
    pub(super) x: Vec<f64>,
    pub(super) w: Vec<f64>,
    sums: PreActivations,
    /// The noise of an f32 sum.
    noise: f64,
}

/// The reference's pre-activations, and how far those of any kernel may be from them: `[rows, cols]` each.
pub(super) struct PreActivations {
    pub(super) z: Vec<f64>,
    pub(super) bound: Vec<f64>,
}

/// The most that rounding to f32 changes of a value, as a share.
pub(super) const HALF_ULP: f64 = 1.0 / (1 << 24) as f64;

fn to_bf16_bytes(values: &[f32]) -> Vec<u8> {
    let values: Vec<bf16> = values.iter().map(|&value| bf16::from_f32(value)).collect();
    to_bytes(&values)
}

impl Case {
    /// Whether a layer's outputs have a bound of their own for each output: those that are f32 or f16
    /// throughout.
    pub(super) fn has_tight_bound(&self, layer: LayerKernel) -> bool {
        let own = LayerOutput::Float(self.elements.float());
        matches!(self.elements, Precision::F32 | Precision::F16)
            && (layer.output == LayerOutput::Outputs || layer.output == own)
    }

    pub(super) fn quantized_params(&self) -> Params {
        Params {
            out_inverse: 1.0 / OUT.0,
            out_zero: OUT.1 as f32,
            ..self.params()
        }
    }

    /// The bytes of numbers as the element type stores them.
    fn stored_bytes(&self, values: &[f32]) -> Vec<u8> {
        match self.elements.float() {
            Float::F32 => to_bytes(values),
            Float::F16 => to_f16_bytes(values),
            Float::Bf16 => to_bf16_bytes(values),
        }
    }

    /// The numbers that the element type makes of these.
    fn stored_values(&self, values: Vec<f32>) -> Vec<f32> {
        let float = self.elements.float();
        values.into_iter().map(|value| float.round(value)).collect()
    }

    /// The reference's input of a pixel.
    fn input(&self, pixel: u8) -> f64 {
        let value = reference::input(Normalization::Unit, pixel);
        match self.elements.float() {
            Float::F32 => value,
            Float::F16 => reference::round_f16(value),
            Float::Bf16 => reference::round_bf16(value),
        }
    }

    /// The weights `[inner, cols]` as the layer's kernel reads them.
    fn pack_weights(&self, layer: LayerKernel, w: &[f32]) -> Vec<u8> {
        let packed = match layer.tile.weights() {
            WeightLayout::Blocks => pack_blocks(w, self.inner(), self.cols(), 0.0),
            WeightLayout::Matrices(size) => {
                pack_matrices(w, self.inner(), self.cols(), size as usize, 0.0)
            }
        };
        self.stored_bytes(&packed)
    }

    /// Random weights whose groups have scales: as the kernel reads them, and the values that they stand for.
    fn grouped_weights(&self, rng: &mut ChaCha8Rng, size: f32) -> (Vec<u8>, Vec<f64>) {
        let (inputs, outputs) = (self.inner(), self.cols());
        let weights = random_values(rng, inputs * outputs).into_iter();
        let float = Layer {
            inputs,
            outputs,
            weights: weights.map(|weight| weight * size).collect(),
            bias: vec![0.0; outputs],
            activation: Activation::Identity,
        };
        let input = InputQuantization::Values;
        let layer = QuantizedLayer {
            inputs,
            outputs,
            weights: Weights::round(&float, self.elements, input, WeightScales::Channel, 127),
            bias: float.bias,
            activation: float.activation,
            input,
        };
        let packed = pack_weights(&layer.weights, layer.shape());
        (packed, reference::weight_values(&layer))
    }

    fn layer_input(&self, input: LayerInput) -> LayerOperand {
        let mut rng = self.rng();
        let count = self.rows() * self.inner();
        let packed = |quantized: &[i8]| -> Vec<u8> {
            bytemuck::cast_slice(&pack_rows(quantized, self.inner(), 0)).to_vec()
        };
        let whole = |quantized: &[i8]| -> Vec<f64> {
            let whole = quantized.iter().map(|&q| f64::from(i32::from(q) - ZERO));
            whole.collect()
        };
        match input {
            LayerInput::Pixels => {
                let pixels = random_pixels(&mut rng, count);
                LayerOperand {
                    values: pixels.iter().map(|&pixel| self.input(pixel)).collect(),
                    bytes: pack_rows(&pixels, self.inner(), 0),
                    scales: Vec::new(),
                }
            }
            LayerInput::QuantizedPixels => {
                let pixels = random_pixels(&mut rng, count);
                LayerOperand {
                    values: pixels.iter().map(|&pixel| f64::from(pixel)).collect(),
                    bytes: pack_rows(&pixels, self.inner(), 0),
                    scales: Vec::new(),
                }
            }
            LayerInput::Quantized | LayerInput::QuantizedRows => {
                let mut quantized: Vec<i8> = (0..count).map(|_| rng.random()).collect();
                quantized[0] = -128;
                let mut bytes = packed(&quantized);
                let mut scales = Vec::new();
                if input == LayerInput::QuantizedRows {
                    scales = (0..self.rows()).map(|row| 0.5 + row as f32 / 7.0).collect();
                    bytes.extend(to_bytes(&scales));
                }
                LayerOperand {
                    values: whole(&quantized),
                    bytes,
                    scales,
                }
            }
            LayerInput::Values | LayerInput::PreActivation(_) => {
                let values = self.stored_values(random_values(&mut rng, count));
                LayerOperand {
                    bytes: self.stored_bytes(&pack_rows(&values, self.inner(), 0.0)),
                    values: widen(&values),
                    scales: Vec::new(),
                }
            }
        }
    }

    /// What a layer is given: random values.
    pub(super) fn layer_operands(&self, layer: LayerKernel) -> LayerOperands {
        let mut rng = self.rng();
        let input = self.layer_input(layer.input);
        let count = self.inner() * self.cols();
        let size = 2.0 / (self.inner() as f32).sqrt();
        match self.elements {
            Precision::Int8 => {
                let w = random_quantized(&mut rng, count);
                let (bias, sums) = self.quantized_epilogue(layer, &w, &input);
                LayerOperands {
                    weights: to_bytes(&pack_int8(&w, self.inner(), self.cols())),
                    x: (input.values.iter()).map(|x| x + f64::from(ZERO)).collect(),
                    w: w.iter().map(|&w| f64::from(w)).collect(),
                    input: input.bytes,
                    bias,
                    sums,
                    noise: 1e-6,
                }
            }
            elements if elements.group().is_some() => {
                let (weights, w) = self.grouped_weights(&mut rng, size);
                let bias = random_values(&mut rng, self.cols());
                LayerOperands {
                    weights,
                    sums: self.sums(&input.values, &w, &bias),
                    x: input.values,
                    w,
                    input: input.bytes,
                    bias: to_bytes(&pack_rows(&bias, self.cols(), 0.0)),
                    noise: 1e-5,
                }
            }
            _ => {
                let w = random_values(&mut rng, count).into_iter().map(|w| w * size);
                let w = self.stored_values(w.collect());
                let bias = self.stored_values(random_values(&mut rng, self.cols()));
                LayerOperands {
                    weights: self.pack_weights(layer, &w),
                    sums: self.sums(&input.values, &widen(&w), &bias),
                    x: input.values,
                    w: widen(&w),
                    input: input.bytes,
                    bias: self.stored_bytes(&pack_rows(&bias, self.cols(), 0.0)),
                    noise: 1e-5,
                }
            }
        }
    }

    /// A whole layer on random values, or what ends one.
    pub(super) fn layer(&self, layer: LayerKernel) -> KernelTrial {
        let given = self.layer_operands(layer);
        let factors = match layer.tile.family {
            KernelFamily::Sum { parts } => {
                self.sums_of_parts(layer.arithmetic, &given.x, &given.w, parts)
            }
            _ => given.weights,
        };
        let output = self.room_for(layer.output);
        let operands = vec![given.input, factors, given.bias, output];
        let LayerOperands { sums, noise, .. } = given;
        let case = *self;
        self.trial(
            self.quantized_params(),
            3,
            operands,
            move |bytes, errors| {
                if !case.has_tight_bound(layer) {
                    return case.close_outputs(layer, bytes, &sums, noise, errors);
                }
                let padded = case.widen_outputs(layer, bytes);
                let got = unpadded(&padded, case.rows(), case.cols());
                if case.elements == Precision::F16 {
                    case.close_half(layer, &sums.z, &got, errors)?;
                } else {
                    let mut want = sums.z.clone();
                    reference::activate(layer.activation, &mut want, case.cols());
                    errors.see(&got, &want, case.unit());
                    close_f32(&got, &want, case.inner())?;
                }
                case.padding_is_zero(&padded)
            },
        )
    }

    pub(super) fn room_for(&self, output: LayerOutput) -> Vec<u8> {
        let row_bytes = output.row_bytes(groups(self.cols()) as u64) as usize;
        vec![0xff; self.rows() * row_bytes]
    }

    /// Outputs that are numbers by themselves.
    fn widen_outputs(&self, layer: LayerKernel, bytes: &[u8]) -> Vec<f64> {
        match layer.output {
            LayerOutput::Float(Float::F16) => widen_f16(bytes),
            LayerOutput::Float(Float::Bf16) => widen_bf16(bytes),
            _ => widen_f32(bytes),
        }
    }

    /// Sums of products with their bias. In whatever order f32 adds n terms, it is off by at most n ULP of the sum of
    /// their magnitudes (Higham, *Accuracy and Stability of Numerical Algorithms*, 2002, § 4.2).
    pub(super) fn sums(&self, x: &[f64], w: &[f64], bias: &[f32]) -> PreActivations {
        let product = |x: &[f64], w: &[f64], bias: &[f64]| {
            let mut sums = reference::product(x, w, self.inner(), self.cols());
            reference::add_bias(&mut sums, bias);
            sums
        };
        let magnitudes = |values: &[f64]| values.iter().map(|v| v.abs()).collect::<Vec<_>>();
        let bias = widen(bias);
        let terms = (self.inner() + 2) as f64;
        let all = product(&magnitudes(x), &magnitudes(w), &magnitudes(&bias));
        PreActivations {
            z: product(x, w, &bias),
            bound: all.iter().map(|sum| sum * terms * HALF_ULP).collect(),
        }
    }

    /// What an int8 layer's epilogue is given, and its pre-activations: exact sums, scaled, with the bias where rows have
    /// scales of their own, and with an offset of whole numbers.
    fn quantized_epilogue(
        &self,
        layer: LayerKernel,
        w: &[i8],
        input: &LayerOperand,
    ) -> (Vec<u8>, PreActivations) {
        let mut rng = self.rng();
        let by_row = layer.input == LayerInput::QuantizedRows;
        let x: Vec<i32> = input.values.iter().map(|&value| value as i32).collect();
        let mut sums =
            reference::integer_product(&x, &widen_quantized(w), self.inner(), self.cols());
        let mut bytes = vec![[0_u32; 16]; groups(self.cols())];
        let mut columns = Vec::new();
        for column in 0..self.cols() {
            let of_column = w.iter().skip(column).step_by(self.cols());
            let moved = -ZERO * of_column.map(|&q| i32::from(q)).sum::<i32>();
            let extra: i32 = if by_row {
                0
            } else {
                rng.random_range(-999..999)
            };
            let scale = rng.random_range(0.5..2.0_f32) / (4000.0 * (self.inner() as f32).sqrt());
            let bias = if by_row {
                rng.random_range(-1.0..1.0_f32)
            } else {
                0.0
            };
            let group = &mut bytes[column / 4];
            group[column % 4] = scale.to_bits();
            group[4 + column % 4] = bias.to_bits();
            group[8 + column % 4] = (moved + extra) as u32;
            columns.push((extra, scale, bias));
        }
        for (at, sum) in sums.iter_mut().enumerate() {
            *sum += columns[at % self.cols()].0;
        }
        let scaled = sums.iter().enumerate().map(|(at, &sum)| {
            let (_, scale, bias) = columns[at % self.cols()];
            let row = input.scales.get(at / self.cols()).copied().unwrap_or(1.0);
            let (scaled, bias) = (sum as f32 * (row * scale), f64::from(bias));
            // The sums are exact: what rounds is their conversion, two products and a sum.
            let bound = 4.0 * HALF_ULP * (f64::from(scaled).abs() + bias.abs());
            (f64::from(scaled + bias as f32), bound)
        });
        let (z, bound) = scaled.unzip();
        (to_bytes(&bytes), PreActivations { z, bound })
    }

    /// A layer's outputs against the reference's, in the form in which they are handed on.
    fn close_outputs(
        &self,
        layer: LayerKernel,
        got: &[u8],
        sums: &PreActivations,
        noise: f64,
        errors: &mut Errors,
    ) -> Check {
        let mut want = sums.z.clone();
        if layer.activation == Activation::Softmax {
            for z in &mut want {
                *z = match self.elements {
                    Precision::Bf16 => reference::round_bf16(*z),
                    Precision::F16 => reference::round_f16(*z),
                    _ => *z,
                };
            }
        }
        reference::activate(layer.activation, &mut want, self.cols());
        let ulp = match (layer.output, self.elements) {
            (LayerOutput::Float(Float::F16), _) | (LayerOutput::Outputs, Precision::F16) => 2e-3,
            (LayerOutput::Float(Float::Bf16), _) | (LayerOutput::Outputs, Precision::Bf16) => 0.02,
            _ => 0.0,
        };
        let tolerance = |want: &f64| (noise + ulp) * want.abs().max(0.5);
        let tolerances: Vec<f64> = want.iter().map(tolerance).collect();
        // Pre-activations of int8 layers are exact, and so are activations that round nothing.
        let exact = layer.input.is_quantized()
            && matches!(layer.activation, Activation::Relu | Activation::Identity);
        let values = match layer.output {
            LayerOutput::Quantized => return self.close_quantized(got, &want, exact, errors),
            LayerOutput::QuantizedRows if exact => {
                return self.equal_row_quantized(got, &want, errors);
            }
            LayerOutput::QuantizedRows => {
                return self.close_row_quantized(got, &want, &sums.bound, errors);
            }
            _ => self.widen_outputs(layer, got),
        };
        let got = unpadded(&values, self.rows(), self.cols());
        errors.see(&got, &want, self.unit());
        if exact {
            let stored = |&value: &f64| match layer.output {
                LayerOutput::Float(Float::F16) => reference::round_f16(value),
                LayerOutput::Float(Float::Bf16) => reference::round_bf16(value),
                _ => value,
            };
            equal(&got, &want.iter().map(stored).collect::<Vec<f64>>())?;
        }
        within_each(&got, &want, &tolerances, 1e-4)?;
        self.padding_is_zero(&values)
    }

    /// Each of the 256 bytes as a layer reads it: the weights of one value at a time bring it through.
    /// In f16 it is the nearest binary16; in f32 it may be off by some ULP.
    pub(super) fn every_byte(&self, layer: LayerKernel) -> KernelTrial {
        let case = Self {
            shape: [64, 4, 4],
            ..*self
        };
        let pixels: Vec<u8> = (0..=255).collect();
        let identity: Vec<f32> = (0..16)
            .map(|at| if at % 5 == 0 { 1.0 } else { 0.0 })
            .collect();
        let want: Vec<f64> = pixels.iter().map(|&pixel| case.input(pixel)).collect();
        let w = case.pack_weights(layer, &identity);
        let bias = case.stored_bytes(&[0.0; 4]);
        let operands = vec![pixels, w, bias, case.room_for(layer.output)];
        let trial = case.trial(case.params(), 3, operands, move |bytes, errors| {
            let got = case.widen_outputs(layer, bytes);
            errors.see(&got, &want, case.unit());
            if case.elements == Precision::F16 {
                equal(&got, &want)
            } else {
                let tolerances: Vec<f64> = want.iter().map(|want| 2_f64.powi(-22) * want).collect();
                within_each(&got, &want, &tolerances, 1e-12)
            }
        });
        trial.with("every byte")
    }
}
