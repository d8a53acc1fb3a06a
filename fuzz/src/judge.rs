//! Whether a network is right in every format, or reported.
//!
//! What is right is computed in f64 from the float weights, with a bound on what the format's number of bits explains: the
//! standard bound on rounding errors (Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed., § 3.1), propagated
//! through the layers. It knows nothing of the range of any format.

use std::sync::LazyLock;

use fmnist_gpu::cpu::{self, Processor, ProcessorOptions};
use fmnist_gpu::dataset::Images;
use fmnist_gpu::model::{Activation, Network};
use fmnist_gpu::quantize::{Calibration, QuantizedNetwork, Recipe, Rounding, Sample};
use fmnist_gpu::{Mode, Precision, Scheme, WeightScales, engine, reference};

/// The images that a network is run on, in one batch.
pub const IMAGES: usize = 3;

/// A network and its images.
pub struct Case {
    pub model: Network,
    /// `[IMAGES, inputs]`
    pub pixels: Vec<u8>,
}

impl Case {
    /// The network in a mode, its ranges calibrated on its images; none where it is refused or reported.
    pub fn unreported(&self, mode: &Mode) -> Option<QuantizedNetwork> {
        let recipe = Recipe {
            calibration: Calibration::MinMax,
            rounding: Rounding::Nearest,
        };
        let width = self.model.inputs();
        let sample = Sample {
            images: Images {
                count: IMAGES,
                columns: width,
                width,
                pixels: self.pixels.clone(),
            },
            seed: 0,
            origin: "its own".into(),
        };
        let quantized = match recipe.quantize(&self.model, mode, Some(&sample)) {
            Ok(quantized) => quantized,
            // Sums that could leave int32 are refused, and ranges that leave f32.
            Err(error) => {
                assert!([4, 7].contains(&error.exit_code()), "{mode}: {error}");
                return None;
            }
        };
        let found = reference::out_of_range(&quantized, &self.pixels, IMAGES)
            .expect("memory for a small network");
        let reported = quantized.out_of_range.is_some() || found.is_some();
        (!reported).then_some(quantized)
    }
}

/// Every format and scheme, and one that has a precision for each layer.
pub fn modes(layers: usize) -> Vec<Mode> {
    let mut modes = Mode::every();
    let by_tensor =
        [Scheme::DynamicRow, Scheme::Static].map(|s| Mode::int8(s, WeightScales::Tensor));
    modes.extend(by_tensor);
    use Precision::{Bf16, F16, F32, Int4, Int8};
    let order = [F16, Int8, Bf16, F32, Int4, Int8, F16];
    for start in 0..2 {
        let mixed = (0..layers).map(|at| order[start + at]).collect();
        modes.extend(Mode::mixed(
            mixed,
            Scheme::DynamicRow,
            WeightScales::Channel,
        ));
    }
    modes
}

/// A value in f64, and a bound on the error that the format's bits explain.
#[derive(Clone, Copy, Default)]
struct Bounded {
    value: f64,
    error: f64,
}

impl Bounded {
    fn most(self) -> f64 {
        self.value.abs() + self.error
    }
}

fn most(values: &[Bounded]) -> f64 {
    values.iter().fold(0.0, |most: f64, x| x.most().max(most))
}

/// The unit roundoff of a precision's float type.
fn roundoff(precision: Precision) -> f64 {
    match precision {
        Precision::F16 => 2_f64.powi(-11),
        Precision::Bf16 => 2_f64.powi(-8),
        _ => 2_f64.powi(-24),
    }
}

/// Where a network's exact outputs lie. An error of the range that rounding makes as well is no finding, and reports begin at
/// 8 times that.
const ALLOWED: f64 = 10.0;

/// Compares outputs with what is right.
///
/// # Errors
/// A label, or an output, that the format's bits do not explain.
pub fn judge(case: &Case, mode: &Mode, outputs: &[f32]) -> Result<(), String> {
    let Case { model, pixels } = case;
    let tensor = mode.scheme == Some(Scheme::DynamicTensor);
    let mut x: Vec<Bounded> = pixels
        .iter()
        .map(|&pixel| Bounded {
            value: f64::from(pixel) / 255.0,
            error: 2_f64.powi(-23),
        })
        .collect();
    let last = model.layers.len() - 1;
    let mut coarsest: f64 = 0.0;
    for (index, layer) in model.layers.iter().enumerate() {
        let precision = mode.layer(index);
        let (inner, cols) = (layer.inputs, layer.outputs);
        let u = roundoff(precision);
        coarsest = coarsest.max(match precision {
            Precision::Int8 => 0.5 / 127.0,
            Precision::Int4 => 0.5 / 7.0,
            _ => u,
        });
        // Of the inputs.
        let steps = |x: &mut [Bounded], by: f64| {
            let step = most(x) / by;
            x.iter_mut().for_each(|x| x.error += 0.5 * step);
        };
        match precision {
            Precision::Int8 if tensor => steps(&mut x, 127.0),
            Precision::Int8 if index == 0 => {}
            Precision::Int8 if mode.scheme == Some(Scheme::Static) => {
                // The range is that of the float network; what exceeds it by the errors so far is cut off.
                let excess = x.iter().fold(0.0, |most: f64, x| x.error.max(most));
                steps(&mut x, 127.0);
                x.iter_mut().for_each(|x| x.error += excess);
            }
            Precision::Int8 => x.chunks_mut(inner).for_each(|row| steps(row, 127.0)),
            _ => x.iter_mut().for_each(|x| x.error += u * x.most()),
        }
        // Of the weights.
        let largest = |each: &dyn Fn(usize) -> bool| {
            let weights = layer.weights.iter().enumerate().filter(|(at, _)| each(*at));
            weights.fold(0.0, |most: f64, (_, w)| f64::from(w.abs()).max(most))
        };
        let error_of_weights: Vec<f64> = (0..cols)
            .map(|column| match precision {
                Precision::Int8 if mode.weights == Some(WeightScales::Channel) => {
                    largest(&|at| at % cols == column) / 254.0
                }
                Precision::Int8 => largest(&|_| true) / 254.0,
                Precision::Int4 => largest(&|at| at % cols == column) / 14.0 * 1.01,
                _ => 0.0,
            })
            .collect();
        let float = match precision {
            Precision::F16 | Precision::Bf16 => u,
            _ => 0.0,
        };
        // A bias in units of the scales of a static layer's input and weights is rounded to a whole number of them.
        let fixed = index == 0 || mode.scheme == Some(Scheme::Static);
        let step = if index == 0 {
            1.0 / 255.0
        } else {
            most(&x) / 127.0
        };
        let unit_of_bias = |error_of_weight: f64| match precision {
            Precision::Int8 if fixed && !tensor => error_of_weight * step,
            _ => 0.0,
        };
        let mut z = vec![Bounded::default(); x.len() / inner * cols];
        for (row, z) in x.chunks(inner).zip(z.chunks_mut(cols)) {
            let mut most_terms: f64 = 0.0;
            for (column, z) in z.iter_mut().enumerate() {
                let mut terms = 0.0;
                for (at, x) in row.iter().enumerate() {
                    let weight = f64::from(layer.weights[at * cols + column]);
                    let error = error_of_weights[column] + float * weight.abs();
                    z.value += x.value * weight;
                    z.error += x.error * (weight.abs() + error) + error * x.value.abs();
                    terms += x.most() * (weight.abs() + error);
                }
                let bias = f64::from(layer.bias[column]);
                z.value += bias;
                terms += bias.abs();
                // Sums of f32, and a bias in units of a static layer's scales.
                z.error += unit_of_bias(error_of_weights[column]);
                let sums = (inner as f64 + 4.0) * 2_f64.powi(-23);
                let of_bias = float.max(2_f64.powi(-20) * inner as f64);
                most_terms = most_terms.max(terms);
                z.error += sums * terms + of_bias * bias.abs();
            }
            if index == last {
                let allowed = ALLOWED * coarsest * most_terms;
                z.iter_mut().for_each(|z| z.error += allowed);
            }
        }
        if tensor {
            steps(&mut z, 127.0);
        }
        // Logits are rounded in front of a softmax; exp multiplies the relative error of its result by its argument.
        let of_output = if index == last { u } else { 0.0 };
        let softmax = layer.activation == Activation::Softmax;
        x = z
            .iter()
            .map(|z| {
                let error = z.error + 2_f64.powi(-20) * z.value.abs();
                let of = |value: f64| match layer.activation {
                    Activation::Relu => value.max(0.0),
                    Activation::Sigmoid => 1.0 / (1.0 + (-value).exp()),
                    Activation::Tanh => value.tanh(),
                    Activation::Identity | Activation::Softmax => value,
                };
                let (low, high) = (of(z.value - error), of(z.value + error));
                let value = of(z.value);
                let arithmetic = match layer.activation {
                    // WGSL gives tanh an absolute error (§ 15.7.4).
                    Activation::Tanh => 2_f64.powi(-16),
                    Activation::Sigmoid => 2_f64.powi(-20) * value,
                    // Probabilities of logits that lie closer are equal in f32.
                    Activation::Softmax => 2_f64.powi(-20),
                    _ => 0.0,
                };
                let error = (high - value).max(value - low) + arithmetic;
                Bounded {
                    value,
                    error: error + of_output * (value.abs() + error),
                }
            })
            .collect();
        if index == last {
            // binary16's numbers below 2⁻¹⁴ are 2⁻²⁴ apart; where values are unbounded too small ones are reported.
            let bounded = layer.activation.range().1 == 1.0;
            let spacing = match precision {
                Precision::F16 if bounded => 2_f64.powi(-24),
                _ => 0.0,
            };
            return compare(&x, outputs, cols, (softmax, spacing));
        }
    }
    unreachable!("a network has a last layer")
}

fn compare(
    want: &[Bounded],
    got: &[f32],
    width: usize,
    (softmax, spacing): (bool, f64),
) -> Result<(), String> {
    let labels = engine::labels(got, width);
    let rows = want.chunks(width).zip(got.chunks(width)).zip(labels);
    for (image, ((want, got), label)) in rows.enumerate() {
        let least = |most: f64, x: &Bounded| most.max(x.value - x.error);
        let least = want.iter().fold(f64::NEG_INFINITY, least);
        let values: Vec<f64> = want.iter().map(|x| x.value).collect();
        if want[label].value + want[label].error < least {
            return Err(format!(
                "image {image}: label {label} of {got:?}, exact: {values:?}"
            ));
        }
        if softmax {
            continue;
        }
        for (want, &got) in want.iter().zip(got) {
            // What neither f32 nor an adapter tells from zero.
            let error = want.error
                + spacing
                + f64::from(f32::MIN_POSITIVE)
                + 2_f64.powi(-25) * want.value.abs();
            let difference = (f64::from(got) - want.value).abs();
            // A difference that is no number is none that is small.
            if difference.is_nan() || difference > error {
                return Err(format!(
                    "image {image}: {got:e} is not {:e} ± {error:e}; all: {values:?}",
                    want.value
                ));
            }
        }
    }
    Ok(())
}

/// Runs a network in every mode, on the CPU path. Gives each mode, and whether it was run; else it was reported.
///
/// # Panics
/// Where it is neither right nor reported.
pub fn held(case: &Case) -> Vec<(Mode, bool)> {
    static PROCESSOR: LazyLock<Processor> = LazyLock::new(|| {
        let options = ProcessorOptions {
            isa: None,
            threads: Some(1),
        };
        Processor::new(options).expect("the processor that there is")
    });
    let mut all = Vec::new();
    for mode in modes(case.model.layers.len()) {
        let Some(quantized) = case.unreported(&mode) else {
            all.push((mode, false));
            continue;
        };
        let mut session =
            cpu::Session::new(&quantized, &PROCESSOR).expect("a network that was checked");
        session.upload(&case.pixels, IMAGES);
        let outputs = session.run().to_vec();
        if let Err(problem) = judge(case, &mode, &outputs) {
            panic!(
                "{mode}: {problem}; {:?} {:?}",
                case.model.layers, case.pixels
            );
        }
        all.push((mode, true));
    }
    all
}
