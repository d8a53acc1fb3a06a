//! The reference by hand.

use super::*;
use crate::model::{Activation, Layer, Network, Normalization};
use crate::quantize::{QuantizedNetwork, Ranges, Weights, lower};
use crate::{Mode, Precision, Scheme, WeightScales};

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
    let inference = infer(&lowered(&model, Precision::Int8), &[255, 0], 1);
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
    assert_eq!((overflow.layer, overflow.largest), (Some(1), 90_000.0));
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
    assert_eq!((overflow.layer, overflow.largest), (None, 131_072.0));
    assert_eq!(
        overflow.to_string(),
        "the normalized input reaches 1.310720e5, more than binary16's largest number 65504"
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
    let mut modes = Precision::EVERY.map(Mode::from).to_vec();
    for scheme in [Scheme::DynamicRow, Scheme::Static] {
        modes.push(Mode::int8(scheme, WeightScales::Channel));
    }
    for mode in modes {
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
    let int8 = lowered(&model, Precision::Int8);
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
        overflow: Some(Overflow {
            layer,
            largest,
            precision: Precision::F16,
        }),
        ..Inference::default()
    };
    let both = |one: Inference, other: Inference| {
        let overflow = one.and(other).overflow.unwrap();
        (overflow.layer, overflow.largest)
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
