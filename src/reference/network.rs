//! What a network computes, slow and obvious. The formulas are those of [`crate::quantize`].

use std::thread::available_parallelism;

use super::arithmetic::{
    ROWS_TOGETHER, activate, add_bias, input, integer_product, label, product, quantize,
    quantize_input, widen,
};
use super::inference::Inference;
use super::memory::check_memory;
use super::overflow::{note, note_f32, note_terms};
use super::range::{LostScales, RangeLoss, Step, lost_order, pass};
use super::rounding::{round_bf16, round_f16};
use super::widened::Widened;
use crate::Precision;
use crate::error::Result;
use crate::host;
use crate::model::{Activation, Graph};
use crate::precision::Float;
use crate::quantize::{InputQuantization, OutOfRange, QuantizedLayer, QuantizedNetwork};

/// Runs `model` over all of `pixels` (`[images, in]` row-major) in batches of `batch` images, the last one perhaps
/// short, on every processor: no batch depends on another, and in most modes no image does.
///
/// # Panics
/// As [`infer`] does.
#[must_use]
pub fn infer_all(model: &QuantizedNetwork, pixels: &[u8], batch: usize) -> Inference {
    infer_all_with(model, pixels, batch, &Inference::default())
}

/// As [`infer_all`]; `empty` says what is kept.
pub(super) fn infer_all_with(
    model: &QuantizedNetwork,
    pixels: &[u8],
    batch: usize,
    empty: &Inference,
) -> Inference {
    let width = model.graph.inputs();
    let together = width * if shares_scales(model) { batch } else { 1 };
    let threads = available_parallelism().map_or(1, usize::from);
    let of_thread = pixels.len().div_ceil(together).div_ceil(threads).max(1) * together;
    let weights = &widened(model);
    let outcomes = host::map(pixels.chunks(of_thread), |pixels| {
        infer_with(model, weights, pixels, batch, empty)
    });
    let outcomes = outcomes.into_iter();
    outcomes.fold(empty.clone(), Inference::and)
}

/// Runs `model` over all of `pixels` (`[images, in]` row-major) in batches of `batch` images, the last one
/// perhaps short. The batch matters where its images share their scales.
///
/// # Panics
/// Where `batch` is zero, or [`QuantizedNetwork::check`] refuses the model, which no file and no conversion gives.
#[must_use]
pub fn infer(model: &QuantizedNetwork, pixels: &[u8], batch: usize) -> Inference {
    infer_with(model, &widened(model), pixels, batch, &Inference::default())
}

/// Images by which values that no bound tells of are found.
const A_FEW: usize = 16;

/// What of `model` its formats cannot hold on these images, `[images, in]` row-major, run in batches of `batch`. All of them
/// are run where its weights allow an overflow at all, which a later layer may hide (the softmax of infinity, a sigmoid's
/// 1); else a few.
///
/// # Errors
/// `Error::HostMemory` where the reference does not fit.
pub fn out_of_range(
    model: &QuantizedNetwork,
    pixels: &[u8],
    batch: usize,
) -> Result<Option<OutOfRange>> {
    let width = model.graph.inputs();
    let few = pixels.len().min(A_FEW * width);
    let pixels = if model.may_overflow() {
        pixels
    } else {
        &pixels[..few]
    };
    check_memory(model, pixels.len() / width, batch)?;
    Ok(infer_all(model, pixels, batch).overflow)
}

/// The weights of every layer, which take twice the memory of f32.
fn widened(model: &QuantizedNetwork) -> Vec<Widened> {
    model.layers.iter().map(Widened::of).collect()
}

fn infer_with(
    model: &QuantizedNetwork,
    weights: &[Widened],
    pixels: &[u8],
    batch: usize,
    empty: &Inference,
) -> Inference {
    assert!(batch > 0, "a batch holds at least one image");
    let width = model.graph.inputs();
    let outputs = model.graph.outputs();
    let shared = shares_scales(model);
    let mut inference = empty.clone();
    let together = if shared { batch } else { ROWS_TOGETHER };
    for pixels in pixels.chunks(width * together) {
        let mut part = empty.clone();
        part.outputs = if shared {
            run_batch(model, weights, pixels, &mut part)
        } else {
            run_images(model, weights, pixels, &mut |_| (), &mut part)
        };
        part.labels = part.outputs.chunks(outputs).map(label).collect();
        // Where there is no softmax.
        part.logits.resize(part.labels.len(), 0.0);
        inference = inference.and(part);
    }
    inference
}

/// Whether the images of a batch share their scales.
fn shares_scales(model: &QuantizedNetwork) -> bool {
    model
        .layers
        .iter()
        .any(|layer| layer.input == InputQuantization::Tensor)
}

/// The exact sums T of every int8 layer for one image, layer after layer: what must be equal on every
/// adapter where the same quantized values go in.
///
/// # Panics
/// As [`infer`] does.
#[must_use]
pub fn sums_of_image(model: &QuantizedNetwork, image: &[u8]) -> Vec<Vec<i32>> {
    let weights = widened(model);
    let mut sums = Vec::new();
    let mut seen = |of_layer: &[i32]| sums.push(of_layer.to_vec());
    run_images(model, &weights, image, &mut seen, &mut Inference::default());
    sums
}

/// The values that a layer's weights stand for, `[inputs, outputs]`.
#[must_use]
pub fn weight_values(layer: &QuantizedLayer) -> Vec<f64> {
    match Widened::of(layer) {
        Widened::Real { values, .. } => values,
        Widened::Quantized(quantized, scales) => {
            let scale = |at: usize| f64::from(scales[at % layer.outputs % scales.len()]);
            let quantized = quantized.iter().enumerate();
            quantized.map(|(at, &q)| f64::from(q) * scale(at)).collect()
        }
    }
}

/// The outputs for some images, none of which depends on another: `[images, out]`. `seen` gets the sums of each int8
/// layer; `inference` the first layer whose values leave the type that they are rounded to, and the logits.
fn run_images(
    model: &QuantizedNetwork,
    weights: &[Widened],
    images: &[u8],
    seen: &mut dyn FnMut(&[i32]),
    inference: &mut Inference,
) -> Vec<f64> {
    let clip = i32::from(model.int8_clip);
    let normalization = model.normalization;
    let pixels = images.iter().map(|&pixel| input(normalization, pixel));
    let mut values = vec![Vec::new(); model.graph.values.len()];
    values[Graph::INPUT.0] = pixels.collect();
    let mut outputs = Vec::new();
    let mut range = RangeLoss::new(model);
    for operation in &model.graph.operations {
        let index = operation.layer();
        let (layer, weights) = (&model.layers[index], &weights[index]);
        let x: &Vec<f64> = &values[operation.input().0];
        let precision = layer.precision();
        let taken: Vec<f64> = x.iter().map(|&x| rounded(precision, x)).collect();
        // They are what the layer before gave, or the network's input.
        let before = model.graph.layer_before(index);
        note(&mut inference.overflow, x, &taken, before, precision);
        let mut errors = range.of(operation.input().0);
        match layer.input {
            InputQuantization::Values => {
                range.store(&mut errors, (before, precision), x, &taken, layer.inputs);
            }
            InputQuantization::Row { unsigned } => {
                let levels = f64::from(if unsigned { 2 * clip + 1 } else { clip });
                range.scale(&mut errors, before, levels, x, (layer.inputs, layer.inputs));
            }
            // The range that it covers is never narrower.
            InputQuantization::Static(_) => {
                range.scale(&mut errors, before, 255.0, x, (layer.inputs, layer.inputs));
            }
            InputQuantization::Tensor => {}
        }
        if inference.overflow.is_none() {
            inference.overflow = model.out_of_range.filter(|of| of.layer == Some(index));
        }
        let mut errors_of_sums = Vec::new();
        let mut x = match weights {
            Widened::Real { values, .. } => {
                note_terms(&mut inference.overflow, layer, index, &taken, weights);
                let mut z = product(&taken, values, layer.inputs, layer.outputs);
                add_bias(&mut z, &widen(&layer.bias));
                z
            }
            Widened::Quantized(weights, scales) => {
                let mut lost = LostScales::default();
                let z = integer_layer(layer, weights, scales, x, clip, seen, &mut lost);
                inference.overflow = inference.overflow.or(lost.overflow(index));
                range.scales(&mut errors_of_sums, index, &z, layer.outputs, lost);
                z
            }
        };
        let step = Step {
            index,
            layer,
            weights,
            parameters: model.lost_parameters.get(index),
        };
        range.sums(&mut errors_of_sums, step, &taken, &errors, &x);
        // f32 pre-activations that overflow count even where the activation hides it.
        note_f32(&mut inference.overflow, index, &x, Precision::F32);
        let last = model.graph.is_last(index);
        let softmax = layer.activation == Activation::Softmax;
        // Before a softmax in f16 or bf16 pre-activations are rounded; else outputs are.
        if !softmax {
            // The last layer's are judged as they are.
            if !last {
                pass(layer.activation, &mut errors_of_sums, &x);
            }
            activate(layer.activation, &mut x, layer.outputs);
        }
        if last {
            let given: Vec<f64> = x.iter().map(|&x| rounded(precision, x)).collect();
            note(&mut inference.overflow, &x, &given, Some(index), precision);
            if layer.activation.range().1 == f64::INFINITY {
                range.store(
                    &mut errors_of_sums,
                    (Some(index), precision),
                    &x,
                    &given,
                    layer.outputs,
                );
            }
            let found = range.judge(step, &taken, &errors_of_sums);
            let found = found.or_else(|| lost_order((index, precision), &x, &given, layer.outputs));
            inference.overflow = inference.overflow.or(found);
            x = given;
        }
        if softmax {
            inference.note_logits(layer.activation, &x, layer.outputs);
            activate(layer.activation, &mut x, layer.outputs);
        }
        inference.note_layer(index, &x);
        if last {
            outputs = x;
        } else {
            range.put(operation.output.0, errors_of_sums);
            values[operation.output.0] = x;
        }
    }
    outputs
}

/// The outputs for one batch by the scheme `dynamic-tensor`: `[images, out]`.
fn run_batch(
    model: &QuantizedNetwork,
    weights: &[Widened],
    pixels: &[u8],
    inference: &mut Inference,
) -> Vec<f64> {
    let clip = i32::from(model.int8_clip);
    let mut tensors = vec![(Vec::new(), 0.0); model.graph.values.len()];
    tensors[Graph::INPUT.0] = quantize_input(model.normalization, pixels, clip);
    let mut values = Vec::new();
    let mut range = RangeLoss::new(model);
    for operation in &model.graph.operations {
        let index = operation.layer();
        let layer = &model.layers[index];
        let step = Step {
            index,
            layer,
            weights: &weights[index],
            parameters: model.lost_parameters.get(index),
        };
        let Widened::Quantized(weights, scales) = &weights[index] else {
            unreachable!("dynamic-tensor needs the same precision in all layers");
        };
        let (quantized, scale) = &tensors[operation.input().0];
        let x: Vec<f64> = quantized
            .iter()
            .map(|&q| f64::from(q) * f64::from(*scale))
            .collect();
        let unit = scale * scales[0];
        let sums = batch_product(quantized, weights, layer.inputs, layer.outputs);
        let mut lost = LostScales::default();
        for &sum in &sums {
            lost.see(unit, [*scale, scales[0]], sum);
        }
        inference.overflow = inference.overflow.or(lost.overflow(index));
        let biased = |(at, &sum): (usize, &i32)| sum as f32 * unit + layer.bias[at % layer.outputs];
        let biased: Vec<f32> = sums.iter().enumerate().map(biased).collect();
        if inference.overflow.is_none() && biased.iter().any(|z| !z.is_finite()) {
            let exact = |(at, &sum): (usize, &i32)| {
                exact_sum(sum, [*scale, scales[0]], layer.bias[at % layer.outputs])
            };
            let exact: Vec<f64> = sums.iter().enumerate().map(exact).collect();
            note_f32(&mut inference.overflow, index, &exact, Precision::Int8);
        }
        let z = widen(&biased);
        let mut errors = Vec::new();
        range.scales(&mut errors, index, &z, layer.outputs, lost);
        let of_input = range.of(operation.input().0);
        range.sums(&mut errors, step, &x, &of_input, &z);
        range.scale(
            &mut errors,
            Some(index),
            f64::from(clip),
            &z,
            (z.len(), layer.outputs),
        );
        if model.graph.is_last(index) {
            inference.overflow = inference.overflow.or(range.judge(step, &x, &errors));
        }
        let (sum_quantized, sum_scale) = quantize(&biased, clip);
        let restored = sum_quantized
            .iter()
            .map(|&q| f64::from(q as f32 * sum_scale));
        values = restored.collect();
        inference.note_logits(layer.activation, &values, layer.outputs);
        activate(layer.activation, &mut values, layer.outputs);
        inference.note_layer(index, &values);
        let activated: Vec<f32> = values.iter().map(|&value| value as f32).collect();
        range.scale(
            &mut errors,
            Some(index),
            f64::from(clip),
            &values,
            (values.len(), layer.outputs),
        );
        range.put(operation.output.0, errors);
        tensors[operation.output.0] = quantize(&activated, clip);
    }
    values
}

/// As [`integer_product`], the rows of a large batch on every processor. Integers have no order of summation.
fn batch_product(x: &[i32], w: &[i32], inner: usize, cols: usize) -> Vec<i32> {
    const WORTH_THREADS: usize = 1 << 26;
    let threads = available_parallelism().map_or(1, usize::from);
    let rows = x.len() / inner;
    if rows < threads || x.len() * cols < WORTH_THREADS {
        return integer_product(x, w, inner, cols);
    }
    let parts = x.chunks(rows.div_ceil(threads) * inner);
    host::map(parts, |x| integer_product(x, w, inner, cols)).concat()
}

/// The pre-activations of an int8 layer, `[rows, out]`: exact sums, then f32 by the formula.
fn integer_layer(
    layer: &QuantizedLayer,
    weights: &[i32],
    scales: &[f32],
    x: &[f64],
    clip: i32,
    seen: &mut dyn FnMut(&[i32]),
    lost: &mut LostScales,
) -> Vec<f64> {
    let scale_of = |column: usize| scales[if scales.len() == 1 { 0 } else { column }];
    let place = |at: usize| (at / layer.outputs, at % layer.outputs);
    match layer.input {
        InputQuantization::Row { unsigned } => {
            let rows = x.chunks(layer.inputs);
            let rows = rows.map(|x| row_of_values(x, unsigned, clip));
            let (quantized, row_scales): (Vec<_>, Vec<_>) = rows.unzip();
            let quantized = quantized.concat();
            let sums = integer_product(&quantized, weights, layer.inputs, layer.outputs);
            seen(&sums);
            let mut z = |(at, &sum): (usize, &i32)| {
                let (row, column) = place(at);
                let scales = [row_scales[row], scale_of(column)];
                let scale = scales[0] * scales[1];
                lost.see(scale, scales, sum);
                let z = sum as f32 * scale + layer.bias[column];
                match z.is_finite() {
                    true => f64::from(z),
                    false => exact_sum(sum, scales, layer.bias[column]),
                }
            };
            sums.iter().enumerate().map(&mut z).collect()
        }
        InputQuantization::Static(affine) => {
            let zero = i32::from(affine.zero_point);
            let inverse = 1.0 / affine.scale;
            let q = |&x: &f64| {
                let moved = (x as f32 * inverse).round_ties_even() + zero as f32;
                moved.clamp(-128.0, 127.0) as i32 - zero
            };
            let quantized: Vec<i32> = x.iter().map(q).collect();
            let mut sums = integer_product(&quantized, weights, layer.inputs, layer.outputs);
            for (at, sum) in sums.iter_mut().enumerate() {
                let (_, column) = place(at);
                let unit = affine.scale * scale_of(column);
                let bias = f64::from(layer.bias[column]) / f64::from(unit);
                *sum += bias.round_ties_even() as i32;
            }
            seen(&sums);
            let mut z = |(at, &sum): (usize, &i32)| {
                let (_, column) = place(at);
                let scales = [affine.scale, scale_of(column)];
                let scale = scales[0] * scales[1];
                lost.see(scale, scales, sum);
                let z = sum as f32 * scale;
                match z.is_finite() {
                    true => f64::from(z),
                    false => exact_sum(sum, scales, 0.0),
                }
            };
            sums.iter().enumerate().map(&mut z).collect()
        }
        InputQuantization::Values | InputQuantization::Tensor => {
            unreachable!("rows of an int8 layer take quantized values")
        }
    }
}

/// The pre-activation of an int8 sum, before it is rounded to f32.
fn exact_sum(sum: i32, scales: [f32; 2], bias: f32) -> f64 {
    f64::from(sum) * f64::from(scales[0]) * f64::from(scales[1]) + f64::from(bias)
}

/// q − n of a row of values, and its scale.
fn row_of_values(x: &[f64], unsigned: bool, clip: i32) -> (Vec<i32>, f32) {
    let x: Vec<f32> = x.iter().map(|&x| x as f32).collect();
    let (low, levels) = if unsigned {
        (0, 2 * clip + 1)
    } else {
        (-clip, clip)
    };
    let largest = x.iter().fold(0.0, |max: f32, x| x.abs().max(max));
    let mut scale = largest / levels as f32;
    if scale < 2_f32.powi(-125) {
        scale = 1.0;
    }
    let q = |x: &f32| ((x / scale).round_ties_even() as i32).clamp(low, levels);
    (x.iter().map(q).collect(), scale)
}

/// The number of a precision's type that is nearest to a value; f32 where it has none of its own.
fn rounded(precision: Precision, value: f64) -> f64 {
    match precision.float() {
        Float::F32 => f64::from(value as f32),
        Float::F16 => round_f16(value),
        Float::Bf16 => round_bf16(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mode::Mode;
    use crate::model::{Layer, Network};
    use crate::quantize::lower;
    use crate::{Scheme, WeightScales};

    #[test]
    fn an_overflow_is_of_the_type_that_a_value_is_handed_on_in() {
        let layer = |weight: f32| Layer {
            inputs: 1,
            outputs: 1,
            weights: vec![weight],
            bias: vec![0.0],
            activation: Activation::Identity,
        };
        let model = Network::new(vec![layer(300.0), layer(300.0)]).unwrap();
        let overflow = |layers: [Precision; 2], pixel: u8| {
            let scheme = Scheme::DynamicRow;
            let mode = Mode::mixed(layers.to_vec(), scheme, WeightScales::Channel).unwrap();
            infer(&lower(&model, &mode, None).unwrap(), &[pixel], 1).overflow
        };
        use Precision::{Bf16, F16, F32};
        let first = overflow([F32, F16], 255).unwrap();
        assert_eq!(
            (first.layer, first.value, first.precision),
            (Some(1), 90_000.0, F16)
        );
        assert_eq!(overflow([F32, F16], 1), None);
        assert_eq!(overflow([F16, F32], 255), None);
        assert_eq!(overflow([F16, Bf16], 255), None);
        // What the next layer cannot take is of the layer that gave it.
        let model = Network::new(vec![layer(70_000.0), layer(1e-3)]).unwrap();
        let mode = Mode::mixed(vec![F32, F16], Scheme::DynamicRow, WeightScales::Channel).unwrap();
        let first = infer(&lower(&model, &mode, None).unwrap(), &[255], 1).overflow;
        assert_eq!(
            first.map(|first| (first.layer, first.value)),
            Some((Some(0), 70_000.0))
        );
    }
}
