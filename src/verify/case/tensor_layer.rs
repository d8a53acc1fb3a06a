//! The trials of fused layers in int8, and of what ends a network of them.

use rand::RngExt;

use super::{Case, KernelTrial, from_bytes, to_bytes, widen, widen_quantized};
use crate::gpu::{pack_int8, pack_rows};
use crate::model::{Activation, Normalization};
use crate::plan::{KernelFamily, LayerInput, LayerKernel, LayerOutput, Params};
use crate::reference;
use crate::verify::compare::{Unit, close_f32, equal, unpadded, widen_f32, within_each};
use crate::verify::data::{random_pixels, random_quantized, random_values};

/// Which values a layer reads.
#[derive(Clone, Copy, Debug, PartialEq)]
enum ValueRange {
    /// Of both signs, or dark and bright.
    Mixed,
    /// None above zero: relu makes zeros of them all, whose scale is 1. Pixels are black.
    Negative,
    /// All as large as can be, and so are the weights: the largest sums.
    Largest,
}

/// What a layer reads: the bytes of its input and of the maxima, and the quantized values and the scale that the
/// reference gives them.
struct TensorOperand {
    bytes: Vec<u8>,
    maxima: [u32; 2],
    quantized: Vec<i32>,
    scale: f32,
}

/// The word whose order is that of the f32 number; its twin is in shaders/shared/extremes.wgsl.
fn ordered(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 1 {
        !bits
    } else {
        bits | 1 << 31
    }
}

/// The words of a matrix's largest value and of its largest negated value.
fn extremes(values: &[f32]) -> [u32; 2] {
    let top = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let bottom = values.iter().copied().fold(f32::INFINITY, f32::min);
    [ordered(top), ordered(-bottom)]
}

/// How near the closest of `values` comes to a tie between two quantized values.
fn nearest_tie(values: &[f32], scale: f32) -> f32 {
    let distance = |value: &f32| {
        let q = value / scale;
        (q - q.floor() - 0.5).abs()
    };
    values.iter().map(distance).fold(0.5, f32::min)
}

impl Case {
    /// The uniform, with the extremes that are read in slots 0 and 1 and those that are found in 2 and 3.
    fn fused_params(&self) -> Params {
        Params {
            slot_out: 2,
            ..self.params()
        }
    }

    /// Values in which no quantized value is in doubt, since none is near a tie: multiples of a scale, give or take
    /// 0.4 of it. The largest magnitude is negative, so that activations change the scale; the largest
    /// value is an odd multiple, of which no value becomes a tie when it is scaled up to the clip.
    fn values_near_quantized(&self, count: usize, which: ValueRange, scale: f32) -> Vec<f32> {
        let mut rng = self.rng();
        let clip = i32::from(self.clip);
        let top = (clip * 4 / 5) | 1;
        let mut value = || {
            let q = rng.random_range(1 - clip..top);
            scale * (q as f32 + rng.random_range(-0.4..0.4))
        };
        let mut values: Vec<f32> = (0..count).map(|_| value()).collect();
        values[0] = scale * top as f32;
        values[count - 1] = -scale * clip as f32;
        match which {
            ValueRange::Mixed => {}
            ValueRange::Negative => values.iter_mut().for_each(|value| *value = -value.abs()),
            ValueRange::Largest => values.fill(scale * clip as f32),
        }
        values
    }

    /// The pre-activations of a layer before, whose quantized values are still in no doubt after its activation, and those quantized values
    /// with their scale.
    fn z(&self, count: usize, which: ValueRange, before: Activation) -> (Vec<f32>, Vec<i32>, f32) {
        let clip = i32::from(self.clip);
        for attempt in 0..100 {
            let z = self.values_near_quantized(count, which, 0.011 + 0.0003 * attempt as f32);
            let activated = self.activated(&z, before);
            let (quantized, scale) = reference::quantize(&activated, clip);
            if nearest_tie(&activated, scale) >= 0.003 {
                return (z, quantized, scale);
            }
        }
        unreachable!("a scale without ties is found in one of three attempts");
    }

    /// Pre-activations quantized, dequantized and activated as the reference does it.
    fn activated(&self, z: &[f32], activation: Activation) -> Vec<f32> {
        let (quantized, scale) = reference::quantize(z, i32::from(self.clip));
        let value = |&q: &i32| f64::from(q as f32 * scale);
        let mut values: Vec<f64> = quantized.iter().map(value).collect();
        reference::activate(activation, &mut values, self.cols());
        values.into_iter().map(|value| value as f32).collect()
    }

    fn tensor_input(&self, input: LayerInput, which: ValueRange) -> TensorOperand {
        let count = self.rows() * self.inner();
        let clip = i32::from(self.clip);
        let packed = |values: &[f32]| to_bytes(&pack_rows(values, self.inner(), 0.0));
        match input {
            LayerInput::Pixels => {
                // Half of an even number is a tie for the odd bytes.
                let mut pixels = random_pixels(&mut self.rng(), count);
                pixels[count / 2] = 254;
                pixels
                    .iter_mut()
                    .for_each(|pixel| *pixel = (*pixel).min(254));
                match which {
                    ValueRange::Mixed => {}
                    ValueRange::Negative => pixels.fill(0),
                    ValueRange::Largest => pixels.fill(255),
                }
                let (quantized, scale) =
                    reference::quantize_input(Normalization::Unit, &pixels, clip);
                let largest = pixels.iter().copied().max().unwrap_or(0);
                TensorOperand {
                    bytes: pack_rows(&pixels, self.inner(), 0),
                    maxima: [u32::from(largest), 0],
                    quantized,
                    scale,
                }
            }
            LayerInput::Values => {
                let values = self.values_near_quantized(count, which, 0.013);
                let (quantized, scale) = reference::quantize(&values, clip);
                let largest = values.iter().fold(0.0, |most: f32, v| v.abs().max(most));
                TensorOperand {
                    bytes: packed(&values),
                    maxima: [largest.to_bits(), 0],
                    quantized,
                    scale,
                }
            }
            LayerInput::QuantizedPixels | LayerInput::Quantized | LayerInput::QuantizedRows => {
                unreachable!("layer.rs checks layers that read quantized values")
            }
            LayerInput::PreActivation(before) => {
                let (z, quantized, scale) = self.z(count, which, before);
                TensorOperand {
                    bytes: packed(&z),
                    maxima: extremes(&z),
                    quantized,
                    scale,
                }
            }
        }
    }

    /// A whole layer in int8, on each sort of values.
    pub(super) fn int8_layer(&self, layer: LayerKernel) -> Vec<KernelTrial> {
        let of = |which| {
            let trial = self.int8_layer_on(layer, which);
            trial.with(&format!("{which:?}").to_lowercase())
        };
        [ValueRange::Mixed, ValueRange::Negative, ValueRange::Largest]
            .map(of)
            .into()
    }

    fn int8_layer_on(&self, layer: LayerKernel, which: ValueRange) -> KernelTrial {
        let mut rng = self.rng();
        let input = self.tensor_input(layer.input, which);
        let mut w = random_quantized(&mut rng, self.inner() * self.cols());
        if which == ValueRange::Largest {
            w.fill(-127);
        }
        let bias = random_values(&mut rng, self.cols());
        let maxima = [input.maxima[0], input.maxima[1], 0, 0];
        let factors = match layer.tile.family {
            KernelFamily::Sum { parts } => {
                let numbers = |whole: &[i32]| whole.iter().map(|&q| f64::from(q)).collect();
                let [x, w]: [Vec<f64>; 2] =
                    [numbers(&input.quantized), numbers(&widen_quantized(&w))];
                self.sums_of_parts(layer.arithmetic, &x, &w, parts)
            }
            _ => to_bytes(&pack_int8(&w, self.inner(), self.cols())),
        };
        let operands = vec![
            input.bytes,
            factors,
            to_bytes(&pack_rows(&bias, self.cols(), 0.0)),
            self.room_for(layer.output),
            to_bytes(&maxima),
        ];
        let params = self.fused_params();

        // The sums are exact, and what is done to them in f32 is the same on every driver. But the scale of the input
        // comes from a driver's exp or tanh, if the layer before has one.
        let functions = [Activation::Sigmoid, Activation::Tanh].map(LayerInput::PreActivation);
        let exact = !functions.contains(&layer.input);
        let sums = reference::integer_product(
            &input.quantized,
            &widen_quantized(&w),
            self.inner(),
            self.cols(),
        );
        let case = *self;
        if let LayerOutput::PartialSums(parts) = layer.output {
            let want: Vec<f64> = sums.iter().map(|&sum| f64::from(sum)).collect();
            return self.trial(params, 3, operands, move |bytes, errors| {
                let got = case.added_parts(layer.arithmetic, parts, bytes);
                errors.see(&got, &want, Unit::Whole);
                equal(&got, &want)
            });
        }
        let scale = input.scale * params.weight_scale;
        let scaled = sums.iter().zip(bias.iter().cycle());
        let want = scaled.map(|(&sum, bias)| f64::from(sum as f32 * scale + bias));
        let want: Vec<f64> = want.collect();
        let magnitude = |(sum, bias): (&i32, &f32)| (*sum as f32 * scale).abs() + bias.abs();
        let magnitudes = sums.iter().zip(bias.iter().cycle()).map(magnitude);
        let tolerance = |magnitude| 2_f64.powi(-20) * f64::from(magnitude);
        let tolerances: Vec<f64> = magnitudes.map(tolerance).collect();
        self.trial_of_many(params, &[3, 4], operands, move |written, errors| {
            let padded = widen_f32(&written[0]);
            let got = unpadded(&padded, case.rows(), case.cols());
            errors.see(&got, &want, Unit::F32);
            if exact {
                equal(&got, &want)?;
            }
            within_each(&got, &want, &tolerances, 1e-11)?;
            case.padding_is_zero(&padded)?;
            let stored: Vec<f32> = got.iter().map(|&z| z as f32).collect();
            let [top, bottom] = extremes(&stored);
            let words: Vec<u32> = from_bytes(&written[1]);
            equal(&words, &[maxima[0], maxima[1], top, bottom])
                .map_err(|problem| format!("extremes: {problem}"))
        })
    }

    /// Outputs from pre-activations and their extremes.
    pub(super) fn finish(&self, activation: Activation) -> Vec<KernelTrial> {
        let case = *self;
        let of = |which| {
            let z = case.values_near_quantized(case.rows() * case.cols(), which, 0.07);
            let operands = vec![
                to_bytes(&pack_rows(&z, case.cols(), 0.0)),
                case.unwritten(4),
                to_bytes(&[extremes(&z), [0, 0]]),
            ];
            let want = widen(&case.activated(&z, activation));
            let trial = case.trial(case.fused_params(), 1, operands, move |bytes, errors| {
                let padded = widen_f32(bytes);
                let got = unpadded(&padded, case.rows(), case.cols());
                errors.see(&got, &want, Unit::F32);
                close_f32(&got, &want, 1)?;
                case.padding_is_zero(&padded)
            });
            trial.with(&format!("{which:?}").to_lowercase())
        };
        [ValueRange::Mixed, ValueRange::Negative, ValueRange::Largest]
            .map(of)
            .into()
    }
}
