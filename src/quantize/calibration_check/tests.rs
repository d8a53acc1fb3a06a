use super::*;
use crate::dataset::Images;
use crate::model::{Activation, classifier_activations};
use crate::quantize::{Calibration, OutOfRange, Quantity, Recipe};
use crate::{Mode, Precision, Scheme, WeightScales};

/// Every way in which images decide the numbers of a network of two layers.
fn ways() -> Vec<(Mode, Recipe)> {
    let recipe = |calibration, rounding| Recipe {
        calibration,
        rounding,
    };
    let mut ways = Vec::new();
    for calibration in Calibration::ALL {
        for rounding in Rounding::ALL {
            let mode = Mode::int8(Scheme::Static, WeightScales::Channel);
            ways.push((mode, recipe(calibration, rounding)));
        }
        let mode = Mode::int8(Scheme::Static, WeightScales::Tensor);
        ways.push((mode, recipe(calibration, Rounding::Compensated)));
        let layers = vec![Precision::Int4, Precision::Int8];
        let mode = Mode::mixed(layers, Scheme::Static, WeightScales::Channel).unwrap();
        ways.push((mode, recipe(calibration, Rounding::Compensated)));
    }
    ways.push((Precision::Int4.into(), Recipe::default()));
    let row = Mode::int8(Scheme::DynamicRow, WeightScales::Channel);
    ways.push((row, Recipe::default()));
    ways
}

fn is_static(mode: &Mode) -> bool {
    mode.scheme == Some(Scheme::Static)
}

/// Problems without their figures.
fn kinds(problems: &[CalibrationProblem]) -> Vec<&'static str> {
    let kind = |problem: &CalibrationProblem| match problem {
        CalibrationProblem::FewImages { .. } => "few",
        CalibrationProblem::ConstantInput { .. } => "constant input",
        CalibrationProblem::EmptyRange { .. } => "empty",
        CalibrationProblem::Saturation { .. } => "saturation",
        CalibrationProblem::ConstantAnswer { .. } => "constant answer",
    };
    problems.iter().map(kind).collect()
}

/// The problems of `model` in each of [`ways`].
fn problems_of(
    model: &Network,
    sample: &Sample,
) -> impl Iterator<Item = (Mode, Recipe, Vec<CalibrationProblem>)> {
    ways().into_iter().map(move |(mode, recipe)| {
        let quantized = recipe.quantize(model, &mode, Some(sample)).unwrap();
        let problems = calibration_problems(model, &quantized, sample);
        (mode, recipe, problems)
    })
}

fn copies(image: &[u8], count: usize) -> Sample {
    Sample {
        images: Images {
            count,
            columns: 28,
            width: image.len(),
            pixels: image.repeat(count),
        },
        seed: 0,
        origin: "copies of an image".into(),
    }
}

/// 784-4-10 with these biases of all hidden values and of output 3.
fn random(hidden: f32, output: f32) -> Network {
    let mut model = Network::random(&[784, 4, 10], &classifier_activations(2), 1).unwrap();
    model.layers[0].bias.fill(hidden);
    model.layers[1].bias[3] = output;
    model
}

#[test]
fn the_default_model_has_no_problems() {
    let model = Network::default_model().unwrap();
    let sample = Sample::standard().unwrap();
    for (mode, recipe, problems) in problems_of(&model, &sample) {
        assert_eq!(problems, [], "{mode} {recipe:?}");
    }
    // What the limit is compared with.
    for (mode, recipe) in ways() {
        let quantized = recipe.quantize(&model, &mode, Some(&sample)).unwrap();
        let uses = uses_of_images(&model, &quantized);
        for input in inputs_and_outputs(&model, &quantized, &sample, &uses).0 {
            let clamped = input.clamped;
            assert!(clamped <= 0.0002, "{mode} {recipe:?}: {clamped}");
        }
    }
}

#[test]
fn few_images_are_counted() {
    let model = Network::default_model().unwrap();
    for (count, expected) in [(5, &["few"][..]), (99, &["few"]), (100, &[])] {
        let sample = Sample::embedded(count, 0).unwrap();
        for (mode, recipe, problems) in problems_of(&model, &sample) {
            assert_eq!(kinds(&problems), expected, "{count} {mode} {recipe:?}");
        }
    }
    // One image is the same as itself, which says nothing.
    for (mode, recipe, problems) in problems_of(&model, &Sample::embedded(1, 0).unwrap()) {
        assert_eq!(kinds(&problems), ["few"], "{mode} {recipe:?}");
    }
}

#[test]
fn copies_of_an_image_are_a_constant_input_and_a_constant_answer() {
    let model = Network::default_model().unwrap();
    let image = Sample::standard().unwrap().images;
    for pixels in [vec![0; 784], image.range(7, 8).to_vec()] {
        let sample = copies(&pixels, 200);
        for (mode, recipe, problems) in problems_of(&model, &sample) {
            let what = format!("{mode} {recipe:?}");
            // Pixels have a range of their own, so without compensation only the second layer uses the images.
            let (layer, more) = match recipe.rounding {
                Rounding::Nearest => (1, 0),
                Rounding::Compensated => (0, 1),
            };
            let images = 200;
            assert_eq!(
                problems[0],
                CalibrationProblem::ConstantInput {
                    layer,
                    more,
                    images
                },
                "{what}"
            );
            let rest = &problems[1..];
            assert!(
                matches!(
                    rest,
                    [CalibrationProblem::ConstantAnswer {
                        images: 200,
                        same_outputs: true,
                        f32_labels: 1,
                        ..
                    }]
                ),
                "{what}: {rest:?}"
            );
        }
    }
}

#[test]
fn a_layer_that_takes_nothing_but_zeros_has_an_empty_range() {
    let model = random(-1e4, 1.0);
    let sample = Sample::standard().unwrap();
    for (mode, recipe, problems) in problems_of(&model, &sample) {
        let what = format!("{mode} {recipe:?}");
        let expected = if is_static(&mode) {
            CalibrationProblem::EmptyRange { layer: 1 }
        } else {
            CalibrationProblem::ConstantInput {
                layer: 1,
                more: 0,
                images: 1_000,
            }
        };
        assert_eq!(problems[0], expected, "{what}");
        assert_eq!(kinds(&problems[1..]), ["constant answer"], "{what}");
    }
}

#[test]
fn values_outside_the_range_are_counted() {
    let model = Network::default_model().unwrap();
    let sample = Sample::standard().unwrap();
    let mut hidden = crate::quantize::forward::input(model.normalization, &sample.images.pixels);
    hidden = float_layer(&model.layers[0], &hidden);
    hidden.retain(|&x| x != 0.0);
    for (mode, recipe) in ways().into_iter().filter(|(mode, _)| is_static(mode)) {
        let mut quantized = recipe.quantize(&model, &mode, Some(&sample)).unwrap();
        let InputQuantization::Static(affine) = &mut quantized.layers[1].input else {
            panic!("{mode} has no calibrated range");
        };
        affine.scale /= 2.0;
        let high = 255.0 * affine.scale;
        let outside = hidden.iter().filter(|&&x| x > high).count() as f64 / hidden.len() as f64;
        let problems = calibration_problems(&model, &quantized, &sample);
        let [
            CalibrationProblem::Saturation {
                layer: 1,
                share,
                range,
            },
        ] = problems[..]
        else {
            panic!("{mode} {recipe:?}: {problems:?}");
        };
        assert!(outside > MOST_SATURATED, "{outside}");
        // A value that is rounded to the end of the range is not clamped.
        assert!(share <= outside, "{mode}: {share} {outside}");
        assert!(share >= 0.95 * outside, "{mode}: {share} {outside}");
        assert_eq!(range, (0.0, high), "{mode}");
    }
}

/// The range cuts little off where hidden values are spread, however few there are of them.
#[test]
fn random_weights_are_not_saturated() {
    let sample = Sample::standard().unwrap();
    let mode = Mode::int8(Scheme::Static, WeightScales::Channel);
    for (hidden, seed) in [(2, 5), (64, 1)] {
        // What sigmoid gives of small sums is far from zero and close together.
        for activation in Activation::ALL
            .into_iter()
            .filter(|one| *one != Activation::Softmax)
        {
            let activations = [activation, Activation::Softmax];
            let model = Network::random(&[784, hidden, 10], &activations, seed).unwrap();
            for calibration in Calibration::ALL {
                let recipe = Recipe {
                    calibration,
                    rounding: Rounding::Nearest,
                };
                let quantized = recipe.quantize(&model, &mode, Some(&sample)).unwrap();
                let uses = uses_of_images(&model, &quantized);
                let (inputs, _) = inputs_and_outputs(&model, &quantized, &sample, &uses);
                let clamped = inputs[0].clamped;
                let most = if calibration == Calibration::MinMax {
                    0.0
                } else {
                    MOST_SATURATED
                };
                assert!(
                    clamped <= most,
                    "{hidden} {activation} {calibration}: {clamped}"
                );
            }
        }
    }
}

#[test]
fn one_label_is_a_constant_answer_if_it_says_something() {
    // Each image has outputs of its own, and the label 3.
    let model = random(0.0, 1e4);
    for (count, expected) in [
        (1_000, &["constant answer"][..]),
        (100, &["constant answer"]),
        (99, &["few"]),
        (2, &["few"]),
    ] {
        let sample = Sample::embedded(count, 0).unwrap();
        for (mode, recipe, problems) in problems_of(&model, &sample) {
            assert_eq!(kinds(&problems), expected, "{count} {mode} {recipe:?}");
        }
    }
}

/// Rows of outputs with these labels, which all differ.
fn rows(labels: &[usize]) -> Vec<f32> {
    let row = |(at, &label): (usize, &usize)| {
        let mut row = [at as f32; 3];
        row[label] += 0.5;
        row
    };
    labels.iter().enumerate().flat_map(row).collect()
}

#[test]
fn answers_are_compared_with_those_of_f32() {
    let of = |float: &[usize], quantized: &[usize]| {
        let outputs = Outputs {
            float: rows(float),
            quantized: rows(quantized),
        };
        constant_answer(&outputs, 3, quantized.len())
    };
    assert_eq!(of(&[1], &[1]), None);
    assert_eq!(of(&[1, 1], &[1, 1]), None);
    assert_eq!(of(&[1, 1], &[1, 2]), None);
    assert_eq!(of(&[1; 99], &[1; 99]), None);
    let found = |images, label, f32_labels| {
        Some(CalibrationProblem::ConstantAnswer {
            images,
            label,
            same_outputs: false,
            f32_labels,
        })
    };
    assert_eq!(of(&[1; 100], &[2; 100]), found(100, 2, 1));
    assert_eq!(of(&[0, 1, 2, 1], &[2; 4]), found(4, 2, 3));
    let words = of(&[0, 1, 2, 1], &[2; 4]).unwrap().to_string();
    assert!(words.contains("f32 gives them 3 labels"), "{words}");
}

#[test]
fn a_network_with_one_output_has_no_labels() {
    let of = |quantized: Vec<f32>| {
        let images = quantized.len();
        let float = (0..images).map(|at| at as f32).collect();
        constant_answer(&Outputs { float, quantized }, 1, images).is_some()
    };
    assert!(!of((0..200).map(|at| at as f32).collect()));
    assert!(of(vec![0.5; 200]));
    assert!(of(vec![0.5; 2]));
    assert!(!of(vec![0.5]));
    // That is an overflow.
    assert!(!of(vec![f32::NAN; 2]));
    assert!(!of(vec![f32::INFINITY; 2]));
}

#[test]
fn modes_without_images_and_overflows_have_no_problems() {
    let model = random(-1e4, 1.0);
    let sample = copies(&[0; 784], 5);
    let row = Mode::int8(Scheme::DynamicRow, WeightScales::Channel);
    let nearest = Recipe {
        rounding: Rounding::Nearest,
        ..Recipe::default()
    };
    let int4 = Mode::from(Precision::Int4);
    let mut quantized = Recipe::default()
        .quantize(&model, &int4, Some(&sample))
        .unwrap();
    assert_ne!(calibration_problems(&model, &quantized, &sample), []);
    quantized.out_of_range = Some(OutOfRange {
        layer: Some(1),
        quantity: Quantity::Parameter,
        value: 3e39,
        precision: Precision::Int8,
    });
    assert_eq!(calibration_problems(&model, &quantized, &sample), []);
    let modes = [Precision::F32, Precision::F16, Precision::Bf16].map(Mode::from);
    let tensor = Mode::reference_int8();
    for mode in modes.into_iter().chain([row, tensor, int4]) {
        let quantized = nearest.quantize(&model, &mode, Some(&sample)).unwrap();
        let problems = calibration_problems(&model, &quantized, &sample);
        assert_eq!(problems, [], "{mode}");
    }
}
