//! From a model's float weights to the numbers of a mode.

use super::input::{Affine, InputQuantization};
use super::layer::QuantizedLayer;
use super::lost::LostParameters;
use super::network::QuantizedNetwork;
use super::out_of_range::{OutOfRange, Quantity};
use super::weights::Weights;
use crate::Precision;
use crate::error::{Error, Result, UsageError};
use crate::host;
use crate::mode::Mode;
use crate::model::{Activation, Layer, Network, Normalization};
use crate::scheme::{self, Scheme, WeightScales};

/// The range of each layer's input that static quantized values are to cover, `(low, high)`, first layer first; of
/// the first one nothing is used where pixels have quantized values of their own.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranges(pub Vec<(f32, f32)>);

/// Puts `model` into the numbers of `mode`. The ranges are those of the calibration, which the scheme
/// `static` needs. int4 weights are rounded to nearest. Where weights leave the range of their type the result
/// says so ([`QuantizedNetwork::out_of_range`]), as the reference does of the layer.
///
/// # Errors
/// `Error::Usage` where the mode names other layers than the model has, or ranges are missing;
/// `Error::File` where the model cannot be put into these numbers.
pub fn lower(model: &Network, mode: &Mode, ranges: Option<&Ranges>) -> Result<QuantizedNetwork> {
    let quantized = convert_layers(model, mode, ranges)?;
    quantized.check()?;
    Ok(quantized)
}

fn convert_layers(
    model: &Network,
    mode: &Mode,
    ranges: Option<&Ranges>,
) -> Result<QuantizedNetwork> {
    let tensor = mode.scheme == Some(Scheme::DynamicTensor);
    model.check_precision(if tensor {
        Precision::Int8
    } else {
        Precision::F32
    })?;
    if !mode.layers.is_empty() && mode.layers.len() != model.layers.len() {
        return Err(Error::Usage(UsageError::LayerCountMismatch {
            model: model.path.display().to_string(),
            layers: model.layers.len(),
            given: mode.layers.len(),
        }));
    }
    // The new weights, and f32 on their way.
    let weights: usize = model.layers.iter().map(|layer| layer.weights.len()).sum();
    host::need(&format!("the model in {mode}"), 8 * weights as u64)?;
    let mut layers = Vec::with_capacity(model.layers.len());
    for (index, layer) in model.layers.iter().enumerate() {
        let precision = mode.layer(index);
        let before = model.graph.layer_before(index);
        let before = before.map(|before| model.layers[before].activation);
        let input = match (precision, mode.scheme) {
            (Precision::Int8, Some(Scheme::DynamicTensor)) => InputQuantization::Tensor,
            // What is a whole number of 255ths anyway has a scale that no search could better.
            (Precision::Int8, _)
                if before.is_none() && model.normalization == Normalization::Unit =>
            {
                InputQuantization::Static(PIXELS)
            }
            (Precision::Int8, Some(Scheme::Static)) => {
                InputQuantization::Static(static_input(model.normalization, before, index, ranges)?)
            }
            (Precision::Int8, _) => input_of_row(before),
            _ => InputQuantization::Values,
        };
        let weights = mode.weights.unwrap_or(WeightScales::Channel);
        layers.push(convert(layer, precision, input, weights, model.int8_clip));
    }
    Ok(QuantizedNetwork {
        mode: mode.clone(),
        out_of_range: out_of_range(model, &layers),
        lost_parameters: lost_parameters(model, &layers),
        layers,
        graph: model.graph.clone(),
        normalization: model.normalization,
        classes: model.classes.clone(),
        int8_clip: model.int8_clip,
        provenance: model.provenance.clone(),
        path: model.path.clone(),
        sha256: model.sha256.clone(),
    })
}

/// What the range of each layer's format takes from the floats that it was made of.
pub(super) fn lost_parameters(model: &Network, layers: &[QuantizedLayer]) -> Vec<LostParameters> {
    let layers = layers.iter().zip(&model.layers);
    let layers = layers.map(|(layer, floats)| LostParameters::of(floats, layer, model.int8_clip));
    let lost: Vec<LostParameters> = layers.collect();
    match lost.iter().all(LostParameters::is_empty) {
        true => Vec::new(),
        false => lost,
    }
}

/// What the first layer's format cannot hold of the floats that it was made of: numbers that are infinite now, scales
/// whose product is, or scales that binary16 rounds so that weights lose most of their accuracy.
pub(super) fn out_of_range(model: &Network, layers: &[QuantizedLayer]) -> Option<OutOfRange> {
    let layers = layers.iter().zip(&model.layers).enumerate();
    let mut found = layers.filter_map(|(index, (layer, floats))| {
        let of = |quantity, value| OutOfRange {
            layer: Some(index),
            quantity,
            value,
            precision: layer.precision(),
        };
        if !layer.is_finite() {
            let parameters = floats.weights.iter().chain(&floats.bias);
            let largest = parameters.fold(0.0, |max: f64, &value| f64::from(value).abs().max(max));
            return Some(of(Quantity::Parameter, largest));
        }
        if let Some(product) = layer.infinite_scale() {
            return Some(of(Quantity::ScaleProduct, product));
        }
        let scale = layer.weights.lost_scale(&floats.weights, layer.outputs)?;
        Some(of(Quantity::WeightScale, scale))
    });
    found.next()
}

/// The quantized values by row of a layer's input, which is pixels or what the activation `before` gives.
pub(super) fn input_of_row(before: Option<Activation>) -> InputQuantization {
    InputQuantization::Row {
        unsigned: before.is_some_and(|before| before.range().0 >= 0.0),
    }
}

/// The quantized values of pixels / 255: of byte p it is p − 128.
const PIXELS: Affine = Affine {
    scale: 1.0 / 255.0,
    zero_point: -128,
};

/// How the quantized values of a layer's input stand for values: pixels, or what the activation `before` gives.
fn static_input(
    normalization: Normalization,
    before: Option<Activation>,
    index: usize,
    ranges: Option<&Ranges>,
) -> Result<Affine> {
    let Some(before) = before else {
        return Ok(of_pixels(normalization));
    };
    let range = ranges.and_then(|ranges| ranges.0.get(index));
    let &(low, high) = range.ok_or(Error::Usage(UsageError::CalibrationRangeMissing {
        layer: index,
    }))?;
    // Quantized values for values that cannot be would be wasted.
    if before.range().0 >= 0.0 {
        Ok(affine(0.0, high))
    } else {
        Ok(affine(low, high))
    }
}

/// The quantized values of pixels, which cover what they can be and no more.
pub(super) fn of_pixels(normalization: Normalization) -> Affine {
    let table = normalization.table_f32();
    affine(table[0].min(table[255]), table[0].max(table[255]))
}

/// Quantized values that cover a range, and zero exactly: s = (high − low) / 255 and n = round(−low / s) − 128
/// (Krishnamoorthi 2018, § 2.1).
#[must_use]
pub(super) fn affine(low: f32, high: f32) -> Affine {
    let (low, high) = (low.min(0.0), high.max(0.0));
    let range = f64::from(high) - f64::from(low);
    let scale = match range as f32 {
        // Both ends are numbers of f32, though what lies between them is none.
        f32::INFINITY => (range / 255.0) as f32,
        range => range / 255.0,
    };
    if scale < scheme::SMALLEST_SCALE {
        // Nothing but zeros, or nearly so.
        return Affine {
            scale: 1.0,
            zero_point: -128,
        };
    }
    let zero = (-low / scale).round_ties_even().clamp(0.0, 255.0);
    Affine {
        scale,
        zero_point: (zero - 128.0) as i8,
    }
}

fn convert(
    layer: &Layer,
    precision: Precision,
    input: InputQuantization,
    scales: WeightScales,
    clip: u8,
) -> QuantizedLayer {
    let float = precision.float();
    let weights = Weights::round(layer, precision, input, scales, clip);
    let bias = layer.bias.iter().map(|&bias| float.round(bias)).collect();
    QuantizedLayer {
        inputs: layer.inputs,
        outputs: layer.outputs,
        weights,
        bias,
        activation: layer.activation,
        input,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantized_of_a_range_hold_zero_and_both_ends() {
        let unit = affine(0.0, 1.0);
        assert_eq!(unit, PIXELS);
        for pixel in 0..=255_u8 {
            let value = (f64::from(pixel) / 255.0) as f32;
            assert_eq!(i16::from(unit.quantize(value)), i16::from(pixel) - 128);
        }
        for (low, high) in [(-1.0, 1.0), (-0.25, 3.0), (0.5, 3.0), (-2.0, -1.0)] {
            let affine = affine(low, high);
            assert_eq!(affine.quantize(0.0), affine.zero_point);
            let back = |value: f32| {
                affine.scale
                    * f32::from(i16::from(affine.quantize(value)) - i16::from(affine.zero_point))
            };
            assert!((back(low) - low).abs() <= affine.scale);
            assert!((back(high) - high).abs() <= affine.scale);
        }
        assert_eq!(affine(0.0, 0.0).scale, 1.0);
        // The widest range that there is has steps, too.
        let wide = affine(-f32::MAX, f32::MAX);
        let steps = i16::from(wide.quantize(3e38)) - i16::from(wide.quantize(-3e38));
        assert!((f64::from(steps) * f64::from(wide.scale) - 6e38).abs() <= f64::from(wide.scale));
    }

    #[test]
    fn a_huge_bias_stays_inside_int32() {
        let layer = Layer {
            inputs: 1,
            outputs: 2,
            weights: vec![1e-9, 0.5],
            bias: vec![1e3, 0.25],
            activation: Activation::Identity,
        };
        let model = Network::new(vec![layer]).unwrap();
        let mode = Mode::int8(Scheme::Static, WeightScales::Channel);
        let quantized = lower(&model, &mode, None).unwrap();
        let epilogue = quantized.layers[0].epilogue(127);
        let bias = |column: &Epilogue| f64::from(column.offset) * f64::from(column.scale);
        // Nothing but the bias where the pixel is 0: its quantized value is the zero point.
        let Weights::Int8 { quantized, .. } = &quantized.layers[0].weights else {
            panic!("no int8 weights");
        };
        let moved = |column: usize| {
            128.0 * f64::from(quantized[column]) * f64::from(epilogue[column].scale)
        };
        assert!((bias(&epilogue[0]) - moved(0) - 1e3).abs() <= 1e-3);
        assert!((bias(&epilogue[1]) - moved(1) - 0.25).abs() <= 1e-5);
    }

    #[test]
    fn the_bias_of_a_column_of_zeros_is_kept() {
        let layer = |weights: Vec<f32>, bias: Vec<f32>| Layer {
            inputs: 1,
            outputs: 2,
            weights,
            bias,
            activation: Activation::Identity,
        };
        // The input's step is 100 / 255: in units of it both biases are nothing.
        let input = InputQuantization::Static(affine(0.0, 100.0));
        for (weights, scales) in [
            (vec![0.5, 0.0], WeightScales::Channel),
            (vec![0.0, 0.0], WeightScales::Channel),
            (vec![0.0, -0.0], WeightScales::Tensor),
        ] {
            let layer = layer(weights, vec![0.125, -0.01]);
            let quantized = convert(&layer, Precision::Int8, input, scales, 127);
            let epilogue = quantized.epilogue(127);
            // What a column of zeros gives, whatever its input: the offset has nothing of the zero point.
            let z = f64::from(epilogue[1].offset) * f64::from(epilogue[1].scale);
            assert!((z + 0.01).abs() <= 1e-8, "{scales}: {z}");
            assert!(quantized.largest_sum(127) < 1 << 31);
        }
        // Nothing at all, and what is too small for a scale of its own.
        for bias in [0.0, f32::MIN_POSITIVE] {
            let layer = layer(vec![0.0; 2], vec![bias; 2]);
            let quantized = convert(&layer, Precision::Int8, input, WeightScales::Channel, 127);
            assert_eq!(quantized.epilogue(127)[0].offset, 0);
        }
    }

    /// In units of the scales it is beyond 64 bits, and what zero is moved by is added to it.
    #[test]
    fn a_bias_too_large_for_64_bits_keeps_its_sign_and_is_refused() {
        let layer = Layer {
            inputs: 1,
            outputs: 2,
            weights: vec![1e-9, -1e-9],
            bias: vec![0.0; 2],
            activation: Activation::Identity,
        };
        let model = Network::new(vec![layer]).unwrap();
        let mode = Mode::int8(Scheme::Static, WeightScales::Channel);
        let mut quantized = lower(&model, &mode, None).unwrap();
        quantized.layers[0].bias = vec![3e38, -3e38];
        let offsets = quantized.layers[0].epilogue(127);
        let offsets: Vec<i32> = offsets.iter().map(|column| column.offset).collect();
        assert_eq!(offsets, [i32::MAX, i32::MIN]);
        assert_eq!(quantized.check().unwrap_err().exit_code(), 7);
    }

    use super::super::Epilogue;
}
