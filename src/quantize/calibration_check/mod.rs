//! What calibration images do not show, where that is worth a warning: a file may look well and yet say little about an
//! image that is not like them.
//!
//! | problem | rule |
//! |---|---|
//! | few images | fewer than [`FEWEST_IMAGES`] |
//! | constant input | a layer's input is the same for every image, of two or more |
//! | empty range | a layer's input is zero for every image, so no range of it is known and its scale is 1 |
//! | saturation | more than [`MOST_SATURATED`] of the values that a layer takes in f32 are clamped; zeros do not count, as in [`crate::quantize::calibrate`] |
//! | constant answer | every image, of two or more, gets the same outputs; or the same label, if f32 gives several labels or there are [`FEWEST_IMAGES`] images |
//!
//! Only layers whose numbers depend on the images are looked at: those with a calibrated range, and those whose weights
//! are rounded with compensation. Fewer than [`FEWEST_IMAGES`] images can share a label by chance, so alone that says
//! nothing; a network with one output has one label.

use std::fmt;

use crate::model::{Network, label};
use crate::quantize::calibrate::Sample;
use crate::quantize::forward::{LiveValues, float_layer, quantized_layer};
use crate::quantize::input::{Affine, InputQuantization};
use crate::quantize::layer::QuantizedLayer;
use crate::quantize::loss::figure;
use crate::quantize::network::QuantizedNetwork;
use crate::quantize::rounding::Rounding;
use crate::scheme::SMALLEST_SCALE;
use crate::units::{count, share};

/// The fewest images to calibrate with. Of n images and one more, each is equally likely to have the largest of a value,
/// so the one more leaves the range of the n with a probability of 1 / (n + 1): 1% at 100. `TensorFlow` Lite's guide on
/// post-training quantization (`representative_dataset`) advises 100 to 500.
pub const FEWEST_IMAGES: usize = 100;

/// The share of a layer's values that may be clamped without a warning. Percentile, mse and entropy cut ranges on purpose:
/// 0.02% at most on the default model. Entropy cuts off no more than this share.
pub const MOST_SATURATED: f64 = 0.01;

/// What the calibration images do not show.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum CalibrationProblem {
    /// There are few of them.
    FewImages {
        /// How many there are.
        images: usize,
    },
    /// The input of a layer is the same for all of them.
    ConstantInput {
        /// Index of the first such layer.
        layer: usize,
        /// How many layers more are like it.
        more: usize,
        /// How many images there are.
        images: usize,
    },
    /// The input of a layer is zero for all of them.
    EmptyRange {
        /// Index of the layer.
        layer: usize,
    },
    /// Many values of a layer's input are clamped.
    Saturation {
        /// Index of the layer.
        layer: usize,
        /// The share of the values other than zero, 0 to 1.
        share: f64,
        /// The values that the quantized values cover, `(low, high)`.
        range: (f32, f32),
    },
    /// The quantized network answers all of them alike.
    ConstantAnswer {
        /// How many images there are.
        images: usize,
        /// The label that all of them get.
        label: usize,
        /// Whether even their outputs are the same.
        same_outputs: bool,
        /// How many different labels f32 gives them.
        f32_labels: usize,
    },
}

impl fmt::Display for CalibrationProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FewImages { images } => write!(
                f,
                "calibrated with {images} image{}, too few to stand for others; use {FEWEST_IMAGES} or more",
                if *images == 1 { "" } else { "s" }
            ),
            Self::ConstantInput {
                layer,
                more,
                images,
            } => {
                let images = count(*images as u64);
                match more {
                    0 => write!(f, "layers.{layer} takes")?,
                    1 => write!(f, "layers.{layer} and 1 more layer take")?,
                    more => write!(f, "layers.{layer} and {more} more layers take")?,
                }
                write!(
                    f,
                    " the same input for all {images} calibration images, so they do not show which other values occur; \
                     calibrate with other images"
                )
            }
            Self::EmptyRange { layer } => write!(
                f,
                "layers.{layer} takes nothing but zeros for all calibration images, so the range of its input is \
                 empty and the scale is 1; calibrate with other images, or use --scheme dynamic-row"
            ),
            Self::Saturation {
                layer,
                share: clamped,
                range: (low, high),
            } => write!(
                f,
                "{} of the nonzero inputs of layers.{layer} are outside the range that calibration chose ({} to {}) and are \
                 clamped; compare with 'quantize --calibration min-max'",
                share(*clamped),
                figure(*low),
                figure(*high)
            ),
            Self::ConstantAnswer {
                images,
                label,
                same_outputs,
                f32_labels,
            } => {
                let images = count(*images as u64);
                match (same_outputs, f32_labels) {
                    (_, 2..) => write!(
                        f,
                        "all {images} calibration images get the label {label}, but f32 gives them {f32_labels} labels; \
                         use another precision or scheme"
                    ),
                    (true, _) => write!(
                        f,
                        "all {images} calibration images get the same outputs (label {label}); calibrate with other \
                         images"
                    ),
                    (false, _) => write!(
                        f,
                        "all {images} calibration images get the label {label}; calibrate with images of every class"
                    ),
                }
            }
        }
    }
}

/// What the images of `sample` do not show of `quantized`, which was made of `model` with them. Nothing where no layer's
/// numbers depend on images, and where its weights overflow.
#[must_use]
pub fn calibration_problems(
    model: &Network,
    quantized: &QuantizedNetwork,
    sample: &Sample,
) -> Vec<CalibrationProblem> {
    let images = sample.images.count;
    let uses = uses_of_images(model, quantized);
    // Infinite weights give no answers, and are reported as an overflow.
    let overflows = quantized.out_of_range.is_some();
    let unused = overflows || uses.iter().all(Option::is_none);
    if unused || images == 0 || sample.check(model).is_err() {
        return Vec::new();
    }
    let mut problems = Vec::new();
    if images < FEWEST_IMAGES {
        problems.push(CalibrationProblem::FewImages { images });
    }
    let (inputs, outputs) = inputs_and_outputs(model, quantized, sample, &uses);
    let mut constant = inputs
        .iter()
        .filter(|input| images > 1 && input.constant && !input.empty);
    if let Some(first) = constant.next() {
        problems.push(CalibrationProblem::ConstantInput {
            layer: first.layer,
            more: constant.count(),
            images,
        });
    }
    for input in inputs {
        let layer = input.layer;
        if input.empty {
            problems.push(CalibrationProblem::EmptyRange { layer });
        } else if input.clamped > MOST_SATURATED {
            problems.push(CalibrationProblem::Saturation {
                layer,
                share: input.clamped,
                range: input.range,
            });
        }
    }
    problems.extend(constant_answer(&outputs, model.outputs(), images));
    problems
}

/// What images decide of a layer.
enum Use {
    /// The range of its input, and perhaps the rounding of its weights.
    Range(Affine),
    /// The rounding of its weights alone.
    Rounding,
}

/// What images decide of each layer, if anything.
fn uses_of_images(model: &Network, quantized: &QuantizedNetwork) -> Vec<Option<Use>> {
    let compensated = quantized.rounding().as_deref() == Some(Rounding::Compensated.name());
    let of_layer = |(index, layer): (usize, &QuantizedLayer)| match layer.input {
        // Pixels have the range of their normalization.
        InputQuantization::Static(affine) if model.graph.layer_before(index).is_some() => {
            Some(Use::Range(affine))
        }
        _ => (compensated && layer.precision().quantizes_weights()).then_some(Use::Rounding),
    };
    quantized.layers.iter().enumerate().map(of_layer).collect()
}

/// What a layer takes over the images.
struct LayerInput {
    layer: usize,
    /// Whether it is the same for every image.
    constant: bool,
    /// Whether it has a calibrated range in which there is nothing but zeros.
    empty: bool,
    /// The share of f32's values that its range clamps; 0 without a calibrated range.
    clamped: f64,
    range: (f32, f32),
}

/// Outputs, `[images, out]`, before a softmax.
struct Outputs {
    float: Vec<f32>,
    quantized: Vec<f32>,
}

/// Runs both networks over the images. Gives the inputs of the layers that use the images.
fn inputs_and_outputs(
    model: &Network,
    quantized: &QuantizedNetwork,
    sample: &Sample,
    uses: &[Option<Use>],
) -> (Vec<LayerInput>, Outputs) {
    let live = || LiveValues::new(&model.graph, model.normalization, &sample.images.pixels);
    let (mut floats, mut values) = (live(), live());
    let mut inputs = Vec::new();
    let mut outputs = Outputs {
        float: Vec::new(),
        quantized: Vec::new(),
    };
    for operation in &model.graph.operations {
        let index = operation.layer();
        let layer = &quantized.layers[index];
        let (float, x) = (floats.of(operation), values.of(operation));
        let (empty, clamped, range) = match uses[index] {
            Some(Use::Range(range)) => (is_nothing(float), clamped(float, range), covered(range)),
            Some(Use::Rounding) | None => (false, 0.0, (0.0, 0.0)),
        };
        if uses[index].is_some() {
            inputs.push(LayerInput {
                layer: index,
                constant: all_rows_equal(x, layer.inputs),
                empty,
                clamped,
                range,
            });
        }
        let next = (
            float_layer(&model.layers[index], float),
            quantized_layer(layer, quantized.int8_clip, x),
        );
        if model.graph.is_last(index) {
            (outputs.float, outputs.quantized) = next;
        } else {
            floats.write(operation, next.0);
            values.write(operation, next.1);
        }
    }
    (inputs, outputs)
}

/// Whether the network answers every image alike. Outputs that are no finite numbers are an overflow, and no answer.
fn constant_answer(outputs: &Outputs, width: usize, images: usize) -> Option<CalibrationProblem> {
    if !outputs.quantized.iter().all(|output| output.is_finite()) {
        return None;
    }
    let mut f32_labels: Vec<usize> = outputs.float.chunks_exact(width).map(label).collect();
    f32_labels.sort_unstable();
    f32_labels.dedup();
    let f32_labels = f32_labels.len();
    let mut labels = outputs.quantized.chunks_exact(width).map(label);
    let first = labels.next()?;
    let same_label = width > 1 && labels.all(|label| label == first);
    let same_outputs = all_rows_equal(&outputs.quantized, width);
    let telling = f32_labels > 1 || images >= FEWEST_IMAGES;
    let alike = images > 1 && (same_outputs || same_label && telling);
    alike.then_some(CalibrationProblem::ConstantAnswer {
        images,
        label: first,
        same_outputs,
        f32_labels,
    })
}

/// Whether the rows of `x: [images, width]` are one and the same.
fn all_rows_equal(x: &[f32], width: usize) -> bool {
    let first = &x[..width];
    x.chunks_exact(width).all(|row| row == first)
}

/// Whether values are all zero, or so near it that no scale tells them apart.
fn is_nothing(x: &[f32]) -> bool {
    let largest = x.iter().fold(0.0, |max: f32, x| x.abs().max(max));
    f64::from(largest) / 255.0 < SMALLEST_SCALE.into()
}

/// The share of values, zeros not counted, that are outside the quantized values.
fn clamped(x: &[f32], range: Affine) -> f64 {
    let values = x.iter().filter(|&&x| x != 0.0);
    let (clamped, all) = values.fold((0_usize, 0_usize), |(clamped, all), &x| {
        (clamped + usize::from(range.clamps(x)), all + 1)
    });
    clamped as f64 / all.max(1) as f64
}

/// The values that quantized values stand for, from the least to the largest.
fn covered(range: Affine) -> (f32, f32) {
    let value = |q: i16| range.scale * f32::from(q - i16::from(range.zero_point));
    (value(-128), value(127))
}

#[cfg(test)]
mod tests;
