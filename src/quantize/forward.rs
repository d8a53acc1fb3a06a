//! What the layers of a network hand on over calibration images, in f32 and in one order of summation on every
//! machine, so that the same images calibrate alike everywhere.
//!
//! This serves calibration alone. An executor's values may differ in their last bits.

use super::input::{Affine, InputQuantization};
use super::layer::QuantizedLayer;
use crate::host;
use crate::model::{Activation, Graph, Layer, Normalization, Operation};
use crate::scheme;

/// The network's input: `pixels: [images, in]`.
pub(super) fn input(normalization: Normalization, pixels: &[u8]) -> Vec<f32> {
    let table = normalization.table_f32();
    let value = |&pixel: &u8| table[usize::from(pixel)];
    pixels.iter().map(value).collect()
}

/// The values that operations still read: `[images, size]` each.
pub(super) struct LiveValues<'a> {
    graph: &'a Graph,
    held: Vec<Vec<f32>>,
}

impl<'a> LiveValues<'a> {
    /// The network's input for `pixels: [images, in]`.
    pub(super) fn new(graph: &'a Graph, normalization: Normalization, pixels: &[u8]) -> Self {
        let mut held = vec![Vec::new(); graph.values.len()];
        held[Graph::INPUT.0] = input(normalization, pixels);
        Self { graph, held }
    }

    /// What an operation reads.
    pub(super) fn of(&self, operation: &Operation) -> &[f32] {
        &self.held[operation.input().0]
    }

    /// Keeps what an operation writes, and drops what no later one reads.
    pub(super) fn write(&mut self, operation: &Operation, values: Vec<f32>) {
        self.held[operation.output.0] = values;
        let mut readers = self.graph.readers(operation.input());
        if readers
            .next_back()
            .is_some_and(|(_, last)| last == operation)
        {
            self.held[operation.input().0] = Vec::new();
        }
    }
}

/// activation(x·W + b) in float weights. `x: [images, in]`; gives `[images, out]`.
pub(super) fn float_layer(layer: &Layer, x: &[f32]) -> Vec<f32> {
    let mut z = product(x, &layer.weights, &layer.bias, layer.inputs);
    activate(layer.activation, &mut z, layer.outputs);
    z
}

/// The same by a layer in the numbers that it runs in, its input rounded as it takes it.
pub(super) fn quantized_layer(layer: &QuantizedLayer, clip: u8, x: &[f32]) -> Vec<f32> {
    let x = taken(layer, clip, x);
    let mut z = product(&x, &layer.weight_values(), &layer.bias, layer.inputs);
    activate(layer.activation, &mut z, layer.outputs);
    z
}

/// `x: [images, in]` · `weights: [in, out]` + `bias: [out]`.
fn product(x: &[f32], weights: &[f32], bias: &[f32], inputs: usize) -> Vec<f32> {
    let outputs = bias.len();
    let mut z = bias.repeat(x.len() / inputs);
    let rows = z.chunks_exact_mut(outputs).zip(x.chunks_exact(inputs));
    host::for_each(rows, |(z, row)| {
        for (&x, weights) in row.iter().zip(weights.chunks_exact(outputs)) {
            // Most pixels, and half of what relu gives, are nothing.
            if x != 0.0 {
                for (z, w) in z.iter_mut().zip(weights) {
                    *z += x * w;
                }
            }
        }
    });
    z
}

/// Every activation but softmax, which ends a network: no layer takes what it gives.
fn activate(activation: Activation, z: &mut [f32], outputs: usize) {
    if activation != Activation::Softmax {
        activation.apply(z, outputs);
    }
}

/// The values that a layer's input stands for once it is in the layer's format.
fn taken(layer: &QuantizedLayer, clip: u8, x: &[f32]) -> Vec<f32> {
    let through = |round: &dyn Fn(f32) -> f32| x.iter().map(|&x| round(x)).collect();
    let float = layer.precision().float();
    match layer.input {
        InputQuantization::Static(affine) => through(&|x| restored(affine, x)),
        InputQuantization::Row { unsigned } => {
            let levels = i16::from(clip);
            let levels = f32::from(if unsigned { 2 * levels + 1 } else { levels });
            let mut rounded = x.to_vec();
            for row in rounded.chunks_exact_mut(layer.inputs) {
                let largest = row.iter().fold(0.0, |max: f32, x| x.abs().max(max));
                if largest > 0.0 {
                    let scale = largest / levels;
                    row.iter_mut()
                        .for_each(|x| *x = (*x / scale).round_ties_even() * scale);
                }
            }
            rounded
        }
        InputQuantization::Tensor => {
            let largest = x.iter().fold(0.0, |max: f32, x| x.abs().max(max));
            let scale = scheme::scale(largest, clip);
            through(&|x| scheme::dequantize(scheme::quantize(x, scale, clip), scale))
        }
        InputQuantization::Values => through(&|x| float.round(x)),
    }
}

/// The value that the quantized value of `x` stands for.
pub(super) fn restored(affine: Affine, x: f32) -> f32 {
    let steps = i16::from(affine.quantize(x)) - i16::from(affine.zero_point);
    affine.scale * f32::from(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mode;
    use crate::model::Network;
    use crate::quantize::{Ranges, lower};
    use crate::scheme::{Scheme, WeightScales};
    use crate::{Precision, dataset, reference};

    /// The values that calibration sees are those that the reference computes.
    #[test]
    fn layers_hand_on_what_the_reference_says() {
        let mut model = Network::default_model().unwrap();
        let images = dataset::calibration_images().unwrap();
        let pixels = images.range(0, 4);
        // Softmax is not for calibration to see.
        model.layers[1].activation = Activation::Identity;
        let ranges = Ranges(vec![(0.0, 1.0), (0.0, 8.0)]);
        let int8 = |scheme| Mode::int8(scheme, WeightScales::Channel);
        let mut modes: Vec<Mode> = [Precision::F32, Precision::Bf16, Precision::Int4]
            .map(Mode::from)
            .to_vec();
        modes.extend([Scheme::DynamicRow, Scheme::Static].map(int8));
        for mode in modes {
            let quantized = lower(&model, &mode, Some(&ranges)).unwrap();
            let mut x = input(model.normalization, pixels);
            for layer in &quantized.layers {
                x = quantized_layer(layer, quantized.int8_clip, &x);
            }
            let reference_outputs = reference::infer(&quantized, pixels, 1).outputs;
            for (value, expected) in x.iter().zip(&reference_outputs) {
                // bf16 and row scales may round to the other side.
                let difference = (f64::from(*value) - expected).abs();
                assert!(
                    difference <= 0.02 + 0.01 * expected.abs(),
                    "{mode}: {value} {expected}"
                );
            }
        }
    }
}
