//! The reference by hand.

use super::*;
use crate::model::{Activation, Layer, Network, Normalization};
use crate::quantize::{OutOfRange, Quantity, QuantizedNetwork, Ranges, Weights, lower};
use crate::{Mode, Precision};

/// A model in a mode that needs no calibration.
fn lowered(model: &Network, mode: impl Into<Mode>) -> QuantizedNetwork {
    lower(model, &mode.into(), None).unwrap()
}

#[test]
fn a_network_worked_by_hand() {
    // Pixels 255 and 0 are 1 and 0; z = (2 + 0.5, −1 + 0.5); relu gives (2.5, 0).
    let model = Network::new(vec![Layer {
        inputs: 2,
        outputs: 2,
        weights: vec![2.0, -1.0, 4.0, 4.0],
        bias: vec![0.5, 0.5],
        activation: Activation::Relu,
    }])
    .unwrap();
    let inference = infer(&lowered(&model, Precision::F32), &[255, 0], 1);
    assert_eq!(inference.outputs, [2.5, 0.0]);
    assert_eq!(inference.labels, [0]);
    // int8: quantized values 127, 0; weights 64 (2/4·127 = 63.5, to even), −32 (−31.75), 127, 127;
    // z = 64·127·s_a·s_w + 0.5 with s_a = 1/127, s_w = 4/127.
    let inference = infer(&lowered(&model, Mode::reference_int8()), &[255, 0], 1);
    let z = 64.0 * 4.0 / 127.0 + 0.5;
    assert!(
        (inference.outputs[0] - z).abs() <= 1e-6,
        "{:?}",
        inference.outputs
    );
    assert_eq!(inference.outputs[1], 0.0);
}

#[test]
fn f16_overflow_is_reported_by_layer() {
    let layer = |weight: f32| Layer {
        inputs: 1,
        outputs: 1,
        weights: vec![weight],
        bias: vec![0.0],
        activation: Activation::Identity,
    };
    let model = Network::new(vec![layer(300.0), layer(300.0)]).unwrap();
    let overflow = infer(&lowered(&model, Precision::F16), &[255], 1)
        .overflow
        .unwrap();
    assert_eq!((overflow.layer, overflow.value), (Some(1), 90_000.0));
    assert_eq!(
        infer(&lowered(&model, Precision::F16), &[1], 1).overflow,
        None
    );
}

/// An overflow reports the input before it was rounded, though a tanh hides that it is infinite.
#[test]
fn an_input_outside_f16_is_reported_as_the_input() {
    let layer = Layer {
        inputs: 1,
        outputs: 1,
        weights: vec![1e-3],
        bias: vec![0.0],
        activation: Activation::Tanh,
    };
    let mut model = Network::new(vec![layer]).unwrap();
    let (mean, std) = (0.0, 2.0_f32.powi(-17));
    model.normalization = Normalization::Standard { mean, std };
    let inference = infer(&lowered(&model, Precision::F16), &[255], 1);
    let overflow = inference.overflow.unwrap();
    assert_eq!((overflow.layer, overflow.value), (None, 131_072.0));
    assert_eq!(
        overflow.to_string(),
        "the normalized input reaches 1.310720e5, more than binary16's largest number 65504; \
         use bf16, f32 or int8"
    );
    assert_eq!(
        infer(&lowered(&model, Precision::F16), &[100], 1).overflow,
        None
    );
    assert_eq!(
        infer(&lowered(&model, Precision::F32), &[255], 1).overflow,
        None
    );
}

/// A network of two layers with 6 inputs, and 41 images for it.
fn small(activation: Activation) -> (Network, Vec<u8>) {
    let layer = |inputs: usize, outputs: usize| Layer {
        inputs,
        outputs,
        weights: (0..inputs * outputs)
            .map(|at| (at * 389 % 1009) as f32 / 504.5 - 1.0)
            .collect(),
        bias: (0..outputs).map(|at| at as f32 / 7.0 - 0.3).collect(),
        activation,
    };
    let model = Network::new(vec![layer(6, 5), layer(5, 3)]).unwrap();
    let pixels = (0..6 * 41).map(|at| (at * 37 % 251) as u8).collect();
    (model, pixels)
}

#[test]
fn all_processors_say_what_one_says() {
    let (model, pixels) = small(Activation::Tanh);
    for precision in Precision::EVERY {
        let model = lowered(&model, precision);
        for batch in [1, 7, 41, 100] {
            let one = infer(&model, &pixels, batch);
            assert_eq!(
                infer_all(&model, &pixels, batch),
                one,
                "{precision} {batch}"
            );
        }
    }
}

#[test]
fn images_together_have_the_outputs_that_each_has_by_itself() {
    let (model, pixels) = small(Activation::Relu);
    let ranges = Ranges(vec![(0.0, 1.0), (0.0, 2.0)]);
    for mode in Mode::every() {
        let model = lower(&model, &mode, Some(&ranges)).unwrap();
        if mode.depends_on_batch() {
            continue;
        }
        let alone = pixels
            .chunks(6)
            .flat_map(|image| infer(&model, image, 1).outputs);
        let alone: Vec<f64> = alone.collect();
        assert_eq!(infer(&model, &pixels, 1).outputs, alone, "{mode}");
    }
}

/// The reference takes a network's weights as they are, so here they are held against its own rounding.
#[test]
fn weights_are_rounded_as_a_precision_says() {
    let mut model = Network::default_model().unwrap();
    // Neither a clip nor values that hide a wrong one.
    model.int8_clip = 100;
    let f16 = lowered(&model, Precision::F16);
    let int8 = lowered(&model, Mode::reference_int8());
    for (index, layer) in model.layers.iter().enumerate() {
        let Weights::F16(halves) = &f16.layers[index].weights else {
            panic!("not f16");
        };
        for (half, &weight) in halves.iter().zip(&layer.weights) {
            assert_eq!(half.to_f64(), round_f16(f64::from(weight)));
        }
        for (half, &bias) in f16.layers[index].bias.iter().zip(&layer.bias) {
            assert_eq!(f64::from(*half), round_f16(f64::from(bias)));
        }
        let Weights::Int8 { quantized, scales } = &int8.layers[index].weights else {
            panic!("not int8");
        };
        let (expected, scale) = quantize(&layer.weights, 100);
        assert_eq!(*scales, [scale]);
        assert!(quantized.iter().map(|&q| i32::from(q)).eq(expected));
        assert_eq!(int8.layers[index].bias, layer.bias);
    }
}

#[test]
fn the_first_layer_that_overflows_in_any_image_is_both() {
    let at = |layer, largest| Inference {
        overflow: Some(OutOfRange {
            layer,
            quantity: Quantity::Value,
            value: largest,
            precision: Precision::F16,
        }),
        ..Inference::default()
    };
    let both = |one: Inference, other: Inference| {
        let overflow = one.and(other).overflow.unwrap();
        (overflow.layer, overflow.value)
    };
    let first = Some(1);
    assert_eq!(both(at(first, 9e4), at(Some(0), 7e4)), (Some(0), 7e4));
    assert_eq!(both(at(Some(0), 9e4), at(None, 7e4)), (None, 7e4));
    assert_eq!(both(at(first, 9e4), at(first, 1e5)), (first, 1e5));
    assert_eq!(both(at(first, 9e4), Inference::default()), (first, 9e4));
    assert_eq!(both(Inference::default(), at(first, 9e4)), (first, 9e4));
}

#[test]
fn equal_outputs_give_the_lowest_label() {
    assert_eq!(label(&[1.0, 3.0, 3.0]), 1);
}

/// A shape, `[in, out]`, weights, row-major, and biases.
type Dense<'a> = ([usize; 2], &'a [f32], &'a [f32], Activation);

fn network(layers: &[Dense<'_>]) -> Network {
    let layer = |&([inputs, outputs], weights, bias, activation): &Dense<'_>| Layer {
        inputs,
        outputs,
        weights: weights.to_vec(),
        bias: bias.to_vec(),
        activation,
    };
    Network::new(layers.iter().map(layer).collect()).unwrap()
}

/// What of the network a precision cannot hold on an image.
fn found(
    model: &Network,
    mode: impl Into<Mode>,
    image: &[u8],
) -> Option<(Option<usize>, Quantity)> {
    let found = out_of_range(&lowered(model, mode), image, 1).unwrap()?;
    Some((found.layer, found.quantity))
}

/// The same function in other numbers: int4 keeps the scales of its weights in binary16.
#[test]
fn int4_scales_that_binary16_does_not_hold_are_found() {
    let scaled = |first: f32, second: f32| {
        let mut model = Network::default_model().unwrap();
        for (layer, factor) in model.layers.iter_mut().zip([first, second]) {
            layer
                .weights
                .iter_mut()
                .for_each(|weight| *weight *= factor);
        }
        model.layers[0]
            .bias
            .iter_mut()
            .for_each(|bias| *bias *= first);
        model
    };
    let image = vec![128; 784];
    for (factors, layer) in [
        ([1.0, 1.0], None),
        ([1e-2, 1e2], None),
        ([1e-7, 1e7], Some(0)),
        ([1e7, 1e-7], Some(0)),
        ([1.0, 1e7], Some(1)),
    ] {
        let model = scaled(factors[0], factors[1]);
        let want = layer.map(|layer| (Some(layer), Quantity::WeightScale));
        assert_eq!(found(&model, Precision::Int4, &image), want, "{factors:?}");
        let written = lowered(&model, Precision::Int4).to_bytes();
        assert_eq!(written.is_err(), want.is_some(), "{factors:?}");
        for other in [Precision::F32, Precision::Bf16, Precision::Int8] {
            assert_eq!(found(&model, other, &image), None, "{other} {factors:?}");
        }
    }
}

#[test]
fn values_that_f16_rounds_to_a_few_bits_are_found() {
    let identity = |factor: f32| -> Vec<f32> {
        let weight = |at: usize| if at.is_multiple_of(5) { factor } else { 0.0 };
        (0..16).map(weight).collect()
    };
    let (small, large) = (identity(1e-4), identity(1e4));
    let relu = |weights| ([4, 4], weights, &[0.0; 4][..], Activation::Relu);
    let (small, large) = (small.as_slice(), large.as_slice());
    let model = network(&[relu(small), relu(small), relu(large), relu(large)]);
    let image = [255, 128, 77, 3];
    assert_eq!(
        found(&model, Precision::F16, &image),
        Some((Some(1), Quantity::SmallValue))
    );
    assert_eq!(found(&model, Precision::F32, &image), None);
    assert_eq!(found(&model, Precision::Bf16, &image), None);
    // Zeros are what they are.
    assert_eq!(found(&model, Precision::F16, &[0; 4]), None);
}

#[test]
fn sums_that_overflow_on_their_way_are_found_behind_any_activation() {
    for activation in [Activation::Relu, Activation::Tanh, Activation::Sigmoid] {
        let model = network(&[
            (
                [6, 1],
                &[-3e38, -3e38, 3e38, 3e38, 1.0, 1.0],
                &[0.0],
                activation,
            ),
            (
                [1, 3],
                &[1.0, 0.0, 0.0],
                &[0.0, 0.2, 0.1],
                Activation::Softmax,
            ),
        ]);
        for precision in [Precision::F32, Precision::Bf16] {
            let want = Some((Some(0), Quantity::Terms));
            assert_eq!(
                found(&model, precision, &[255; 6]),
                want,
                "{activation} {precision}"
            );
            // Dark pixels give sums that stay in range.
            assert_eq!(found(&model, precision, &[0; 6]), None);
        }
    }
}

#[test]
fn products_of_scales_that_f32_does_not_hold_are_found() {
    let first = vec![1e25; 24];
    let second: Vec<f32> = (0..12).map(|at| [1e25, -1e25, 0.0][at % 3]).collect();
    let model = network(&[
        ([6, 4], &first, &[0.0; 4], Activation::Relu),
        ([4, 3], &second, &[0.1, 0.2, 0.3], Activation::Identity),
    ]);
    for mode in [Mode::reference_int8(), Precision::Int8.into()] {
        let found = found(&model, mode.clone(), &[255; 6]);
        assert_eq!(found, Some((Some(1), Quantity::ScaleProduct)), "{mode}");
    }
}

#[test]
fn weights_that_f16_rounds_to_a_few_bits_are_found() {
    let weights: Vec<f32> = (1..=12).map(|at| at as f32 * 1e-8).collect();
    let model = network(&[([4, 3], &weights, &[0.0; 3], Activation::Softmax)]);
    let image = [255, 128, 77, 3];
    let want = Some((Some(0), Quantity::SmallParameter));
    assert_eq!(found(&model, Precision::F16, &image), want);
    assert_eq!(found(&model, Precision::Bf16, &image), None);
    // Beside larger terms they are nothing.
    let mut model = model;
    model.layers[0].bias = vec![0.1, 0.2, 0.3];
    assert_eq!(found(&model, Precision::F16, &image), None);
}

/// However many products are added: none of them is too small for f32, or all are.
#[test]
fn f32_holds_small_products_as_long_as_they_are_normal() {
    let of = |weight: f32| {
        let weights: Vec<f32> = (0..784 * 3)
            .map(|at| weight * (1 + at % 7) as f32)
            .collect();
        network(&[([784, 3], &weights, &[0.0; 3], Activation::Identity)])
    };
    let image = vec![128; 784];
    for precision in [Precision::F32, Precision::Bf16] {
        assert_eq!(found(&of(1e-33), precision, &image), None, "{precision}");
        let lost = found(&of(1e-39), precision, &image);
        assert_eq!(lost.map(|(layer, _)| layer), Some(Some(0)), "{precision}");
    }
}

/// A value that is too small and does not matter is not the one that is named.
#[test]
fn the_layer_that_loses_most_is_named() {
    // The first layer hands a harmless 1e-9 on beside a 1; the second makes all of them small, and the third large again.
    let first = [1.0, 0.0, 0.0, 1e-9];
    let second = [1e-7, 0.0, 0.0, 1e-7];
    let third = [1e4, 0.0, 0.0, 1e4];
    let layer = |weights| ([2, 2], weights, &[0.0; 2][..], Activation::Identity);
    let model = network(&[layer(&first[..]), layer(&second[..]), layer(&third[..])]);
    let want = Some((Some(1), Quantity::SmallValue));
    let found = found(&model, Precision::F16, &[255, 255]);
    assert!(
        found == want || found == Some((Some(1), Quantity::SmallParameter)),
        "{found:?}"
    );
}
