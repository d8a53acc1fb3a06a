//! What a model's weights lose to the range of the numbers that they are put into, where that is worth a
//! warning: answers that are finite and yet may be worth little.
//!
//! - **Underflow** in f16. Below 2⁻¹⁴ binary16 is subnormal: its numbers are 2⁻²⁴ apart, so that fewer and
//!   fewer of its 11 bits are left, and at 2⁻²⁵ none (IEEE 754-2019, § 3.3). Reported where more than
//!   [`WORTH_REPORTING`] of a layer's weights get there, which normally distributed ones do only with a standard
//!   deviation below 0.005; or where an output's weights lose more to it (Σ of squared errors) than to rounding
//!   to 11 bits, which no precision of this size is without.
//! - **Outliers** in int8. Quantized values are a scale apart that the largest weight decides (Wu et al., *Integer
//!   Quantization for Deep Learning Inference: Principles and Empirical Evaluation*, 2020, § 3.1 and 5.2, where
//!   such ranges are cut at a percentile). Reported where all weights but the largest hundredth, and at least one,
//!   stay within 7 of 127 quantized values: they are then no finer than in int4, in twice its memory.

use std::fmt;

use half::f16;

use super::layer::QuantizedLayer;
use super::network::QuantizedNetwork;
use super::source::Source;
use super::weights::{INT4_LARGEST, Weights};
use crate::model::Layer;
use crate::scheme;
use crate::units::count;

/// The share of a layer's weights that may become subnormal or zero in f16 without a word.
const WORTH_REPORTING: f64 = 0.01;

/// The share of a tensor's values, the largest, that may be outliers.
const OUTLIERS: usize = 100;

/// Fewer values have no bulk that an outlier could stand out from.
const FEWEST: usize = 8;

/// The largest quantized value of int8 to which the rule on outliers applies.
const INT8_LARGEST: f32 = 127.0;

/// What a layer's weights lose.
#[derive(Clone, Debug, PartialEq)]
pub enum Loss {
    /// Weights become subnormal or zero in f16.
    Underflow {
        /// Index of the layer.
        layer: usize,
        /// Its weights that are not zero.
        weights: usize,
        /// How many of them become zero.
        zeros: usize,
        /// How many become subnormal.
        subnormal: usize,
        /// Outputs whose weights lose more by that than by being rounded to 11 bits.
        outputs: usize,
    },
    /// A few weights take nearly all of int8's quantized values.
    Outliers {
        /// Index of the layer.
        layer: usize,
        /// The column that is worst off, and how many are badly off; none where all columns share a scale.
        column: Option<(usize, usize)>,
        /// How many weights are not counted among the others.
        outliers: usize,
        /// The largest magnitude.
        largest: f32,
        /// The largest magnitude without outliers.
        bulk: f32,
        /// The largest quantized value without outliers.
        quantized: u8,
        /// The largest quantized value that there is.
        clip: u8,
    },
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Underflow {
                layer,
                weights,
                zeros,
                subnormal,
                outputs,
            } => {
                let count = |number: usize| count(number as u64);
                write!(
                    f,
                    "layers.{layer}: of its {} weights {} become zero and {} subnormal in f16",
                    count(*weights),
                    count(*zeros),
                    count(*subnormal)
                )?;
                if *outputs > 0 {
                    write!(
                        f,
                        ", and {} of its outputs lose more by this than by rounding",
                        count(*outputs)
                    )?;
                }
                f.write_str("; bf16 has the range of f32")
            }
            Self::Outliers {
                layer,
                column,
                outliers,
                largest,
                bulk,
                quantized,
                clip,
            } => {
                write!(f, "layers.{layer}")?;
                if let Some((worst, _)) = column {
                    write!(f, ", column {worst}")?;
                }
                let (largest, bulk) = (figure(*largest), figure(*bulk));
                let few = count(*outliers as u64);
                let (weights, leave) = match outliers {
                    1 => ("weight", "leaves"),
                    _ => ("weights", "leave"),
                };
                write!(
                    f,
                    ": {few} large {weights} (up to {largest}) {leave} the others (up to {bulk}) only {quantized} of \
                     {clip} int8 levels"
                )?;
                match column {
                    None => f.write_str(
                        "; --scheme dynamic-row has a scale for each column, and f16 needs no scale",
                    ),
                    Some((_, 1)) => f.write_str("; f16 needs no scale"),
                    Some((_, more)) => write!(
                        f,
                        ", and {} columns are like this; f16 needs no scale",
                        count(*more as u64)
                    ),
                }
            }
        }
    }
}

/// A value in few digits.
pub(super) fn figure(value: f32) -> String {
    if (1e-3..1e5).contains(&value.abs()) || value == 0.0 {
        format!("{value:.3}")
    } else {
        format!("{value:.3e}")
    }
}

/// What is worth a warning of the weights of `model`, which was made of `source`. Of weights that a file has in
/// f16 it is not known what they were.
#[must_use]
pub fn losses(source: &Source, model: &QuantizedNetwork) -> Vec<Loss> {
    let float = |index: usize| source.model().and_then(|model| model.layers.get(index));
    let of_layer = |(index, layer): (usize, &QuantizedLayer)| match (&layer.weights, float(index)) {
        (Weights::F16(_), Some(float)) => underflow(index, float),
        (Weights::Int8 { scales, .. }, Some(float)) => {
            outliers(index, &float.weights, scales, model.int8_clip)
        }
        (Weights::Int8 { scales, .. }, None) => {
            outliers(index, &layer.weight_values(), scales, model.int8_clip)
        }
        _ => None,
    };
    model
        .layers
        .iter()
        .enumerate()
        .filter_map(of_layer)
        .collect()
}

fn underflow(index: usize, layer: &Layer) -> Option<Loss> {
    let (mut weights, mut zeros, mut subnormal) = (0, 0, 0);
    // Σ of squared errors of each output's weights: by the range, and by 11 bits of any range.
    let mut errors = vec![[0.0_f64; 2]; layer.outputs];
    for (at, &weight) in layer.weights.iter().enumerate() {
        let half = f16::from_f32(weight);
        let square = |rounded: f32| (f64::from(rounded) - f64::from(weight)).powi(2);
        let [range, bits] = &mut errors[at % layer.outputs];
        *bits += square(to_11_bits(weight));
        if weight != 0.0 {
            weights += 1;
            zeros += usize::from(half.to_f32() == 0.0);
            if half.to_f32() == 0.0 || !half.is_normal() && half.is_finite() {
                *range += square(half.to_f32());
                subnormal += usize::from(half.to_f32() != 0.0);
            }
        }
    }
    let outputs = errors.iter().filter(|[range, bits]| range > bits).count();
    let many = (zeros + subnormal) as f64 > WORTH_REPORTING * weights as f64;
    (many || outputs > 0).then_some(Loss::Underflow {
        layer: index,
        weights,
        zeros,
        subnormal,
        outputs,
    })
}

/// A number rounded to binary16's 11 bits, to nearest even, with the range of f32.
fn to_11_bits(value: f32) -> f32 {
    let bits = value.to_bits();
    let odd = bits >> 13 & 1;
    f32::from_bits((bits + 0x0fff + odd) & !0x1fff)
}

/// The magnitudes that share a scale, as a message names them.
struct Spread {
    column: usize,
    outliers: usize,
    largest: f32,
    bulk: f32,
    quantized: u8,
}

/// Whether a few of `weights: [in, out]` leave too few quantized values to the others, by one scale or one for each column.
fn outliers(index: usize, weights: &[f32], scales: &[f32], clip: u8) -> Option<Loss> {
    let columns = scales.len();
    let bad = |column: usize| {
        let of_column = weights.iter().skip(column).step_by(columns);
        let mut magnitudes: Vec<f32> = of_column.map(|w| w.abs()).filter(|&w| w > 0.0).collect();
        if magnitudes.len() < FEWEST {
            return None;
        }
        magnitudes.sort_unstable_by(|a, b| b.total_cmp(a));
        let outliers = (magnitudes.len() / OUTLIERS).max(1);
        let bulk = magnitudes[outliers];
        let quantized = scheme::quantize(bulk, scales[column], clip).unsigned_abs();
        let few = f32::from(quantized) * INT8_LARGEST <= f32::from(INT4_LARGEST) * f32::from(clip);
        few.then_some(Spread {
            column,
            outliers,
            largest: magnitudes[0],
            bulk,
            quantized,
        })
    };
    let all: Vec<Spread> = (0..columns).filter_map(bad).collect();
    let share = |one: &&Spread| one.bulk / one.largest;
    let worst = all.iter().min_by(|a, b| share(a).total_cmp(&share(b)))?;
    Some(Loss::Outliers {
        layer: index,
        column: (columns > 1).then_some((worst.column, all.len())),
        outliers: worst.outliers,
        largest: worst.largest,
        bulk: worst.bulk,
        quantized: worst.quantized,
        clip,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Precision;
    use crate::mode::Mode;
    use crate::model::{Activation, Network};
    use crate::{Scheme, WeightScales};

    /// Two columns of these weights.
    fn source(columns: [&[f32]; 2]) -> Source {
        let inputs = columns[0].len();
        let layer = Layer {
            inputs,
            outputs: 2,
            weights: (0..2 * inputs).map(|at| columns[at % 2][at / 2]).collect(),
            bias: vec![0.0; 2],
            activation: Activation::Identity,
        };
        Source::Network(Network::new(vec![layer]).unwrap())
    }

    fn losses_of(source: &Source, mode: &Mode) -> Vec<Loss> {
        losses(source, &source.quantize(mode).unwrap())
    }

    /// Weights of about this size, none of which binary16 has exactly.
    fn about(size: f32) -> Vec<f32> {
        (0..200)
            .map(|at| size * (1.0 + at as f32 / 773.0))
            .collect()
    }

    #[test]
    fn weights_that_become_subnormal_or_zero_are_counted() {
        let f16 = Precision::F16.into();
        assert_eq!(losses_of(&source([&about(1.0), &about(2e-4)]), &f16), []);
        let mut one = about(1.0);
        one[7] = 1e-9;
        // One of 200 is nothing beside the rounding of the others.
        assert_eq!(losses_of(&source([&one, &about(1.0)]), &f16), []);
        for (size, zeros, subnormal) in [(1e-9, 200, 0), (1e-6, 0, 200)] {
            let found = losses_of(&source([&about(1.0), &about(size)]), &f16);
            let want = Loss::Underflow {
                layer: 0,
                weights: 400,
                zeros,
                subnormal,
                outputs: 1,
            };
            assert_eq!(found, [want]);
        }
        // Zeros are what they were, and what is exact loses nothing; but many are reported all the same.
        assert_eq!(losses_of(&source([&[0.0; 9], &[1.0; 9]]), &f16), []);
        let exact = losses_of(&source([&[2.0_f32.powi(-20); 9], &[1.0; 9]]), &f16);
        assert!(
            matches!(
                exact[..],
                [Loss::Underflow {
                    subnormal: 9,
                    outputs: 0,
                    ..
                }]
            ),
            "{exact:?}"
        );
        let words = exact[0].to_string();
        assert!(
            words.starts_with("layers.0: of its 18 weights 0 become zero and 9 subnormal in f16;"),
            "{words}"
        );
    }

    #[test]
    fn outliers_that_leave_too_few_quantized_are_reported_by_tensor_and_by_column() {
        let mut spoiled = about(1.0);
        spoiled[3] = 100.0;
        let by_tensor = Mode::reference_int8();
        let by_column = Mode::int8(Scheme::DynamicRow, WeightScales::Channel);
        let good = source([&about(1.0), &about(0.01)]);
        assert_eq!(losses_of(&good, &by_tensor), []);
        assert_eq!(losses_of(&good, &by_column), []);
        let bad = source([&about(1.0), &spoiled]);
        let Some(Loss::Outliers {
            column: None,
            largest,
            quantized,
            clip,
            ..
        }) = losses_of(&bad, &by_tensor).pop()
        else {
            panic!("nothing is reported")
        };
        assert_eq!((largest, quantized, clip), (100.0, 2, 127));
        let Some(Loss::Outliers {
            column,
            quantized: 2,
            ..
        }) = losses_of(&bad, &by_column).pop()
        else {
            panic!("nothing is reported")
        };
        assert_eq!(column, Some((1, 1)));
        // One small column is no outlier.
        assert_eq!(
            losses_of(&source([&[1.0, 0.001], &[1.0, 0.001]]), &by_tensor),
            []
        );
        assert_eq!(losses_of(&bad, &Precision::F16.into()), []);
    }

    #[test]
    fn a_quantized_file_reports_its_outliers_too() {
        let mut spoiled = about(1.0);
        spoiled[3] = 100.0;
        let bad = source([&about(1.0), &spoiled]);
        let mode = Mode::int8(Scheme::DynamicRow, WeightScales::Tensor);
        let file = Source::QuantizedNetwork(bad.quantize(&mode).unwrap());
        let found = losses(&file, &file.quantize(&mode).unwrap());
        assert!(
            matches!(
                found[..],
                [Loss::Outliers {
                    quantized: 1..=7,
                    ..
                }]
            ),
            "{found:?}"
        );
    }

    #[test]
    fn the_default_model_has_no_losses() {
        let source = Source::default_model().unwrap();
        for mode in Precision::EVERY.map(Mode::from) {
            assert_eq!(losses_of(&source, &mode), [], "{mode}");
        }
    }
}
