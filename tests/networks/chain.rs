//! Quantized networks on the CPU path round every edge of a tile: to the reference's bits where all sums are of
//! quantized values, which leaves nothing to rounding; and no image's outputs depend on its batch or on threads.

use fmnist_gpu::cpu::{Processor, ProcessorOptions, Session, Supported};
use fmnist_gpu::mode::Mode;
use fmnist_gpu::model::{Activation, Network, Normalization};
use fmnist_gpu::quantize::{QuantizedNetwork, Ranges, Weights, lower};
use fmnist_gpu::scheme::{Scheme, WeightScales};
use fmnist_gpu::{Precision, reference};

use crate::common::compare::{Check, close_bf16_network, close_f32, equal};
use crate::common::{random_model, random_pixels, seeded};
use crate::executor::to_bits;

/// int8 by rows and static, weights by tensor and by channel.
fn int8_modes() -> Vec<Mode> {
    let schemes = [Scheme::DynamicRow, Scheme::Static].into_iter();
    let mode = |scheme| {
        [WeightScales::Tensor, WeightScales::Channel].map(|weights| Mode::int8(scheme, weights))
    };
    schemes.flat_map(mode).collect()
}

/// Images and widths: one layer and two, round every edge of a tile, a vector and a group.
fn shapes() -> Vec<(usize, Vec<usize>)> {
    let mut shapes = Vec::new();
    for size in [
        1, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 784, 1000,
    ] {
        shapes.push((7, vec![size, 19]));
        shapes.push((3, vec![33, size]));
        shapes.push((5, vec![21, size, 10]));
    }
    shapes.extend(
        (1..=14)
            .chain([95, 96, 97])
            .map(|images| (images, vec![30, 19, 5])),
    );
    shapes.extend((1..=18).map(|outputs| (8, vec![40, 20, outputs])));
    shapes
}

fn text(error: fmnist_gpu::Error) -> String {
    error.to_string()
}

/// A network of sums and bounds alone, quantized.
fn quantized(
    widths: &[usize],
    mode: &Mode,
    normalization: Normalization,
) -> Result<QuantizedNetwork, String> {
    let mut activations = vec![Activation::Relu; widths.len() - 2];
    activations.push(Activation::Identity);
    let mut model = random_model(&mut seeded(&format!("{widths:?}")), widths, &activations);
    model.normalization = normalization;
    of(&model, mode)
}

/// The model in a mode, with ranges that most values keep to.
fn of(model: &Network, mode: &Mode) -> Result<QuantizedNetwork, String> {
    let ranges = Ranges(vec![(-0.5, 2.5); model.layers.len()]);
    lower(model, mode, Some(&ranges)).map_err(text)
}

fn infer(
    model: &QuantizedNetwork,
    processor: &Processor,
    pixels: &[u8],
    batch: usize,
) -> Result<Vec<f32>, String> {
    let mut network = Session::new(model, processor).map_err(text)?;
    let inputs = model.layers[0].inputs;
    let mut outputs = Vec::new();
    for pixels in pixels.chunks(batch * inputs) {
        network.upload(pixels, pixels.len() / inputs);
        outputs.extend_from_slice(network.run());
    }
    Ok(outputs)
}

/// Outputs to the reference's bits.
fn same_bits(model: &QuantizedNetwork, got: Vec<f32>, pixels: &[u8]) -> Check {
    let want = reference::infer(model, pixels, 1).outputs;
    let want = want.into_iter().map(|value| value as f32).collect();
    equal(&to_bits(got), &to_bits(want))
}

/// int8 by rows and static, to the bit.
pub fn check_int8(processor: &Processor) -> Check {
    let standard = Normalization::Standard {
        mean: 0.286,
        std: 0.353,
    };
    for (images, widths) in shapes() {
        for mode in int8_modes() {
            for normalization in [Normalization::Unit, standard] {
                let place = |problem| format!("{mode}, {widths:?}, {images} images: {problem}");
                let mut model = quantized(&widths, &mode, normalization)?;
                let pixels = random_pixels(&mut seeded(&format!("{images}")), images * widths[0]);
                let got = infer(&model, processor, &pixels, images)?;
                same_bits(&model, got.clone(), &pixels).map_err(place)?;
                // One quantized value of the first layer is another: where the pixel before it is not 0, that shows.
                if pixels[0] > 0 && widths.len() == 2 && normalization == Normalization::Unit {
                    if let Weights::Int8 { quantized, .. } = &mut model.layers[0].weights {
                        quantized[0] -= quantized[0].signum().max(0) * 2 - 1;
                    }
                    if same_bits(&model, got, &pixels).is_ok() {
                        return Err(place("a quantized value more or less does not show".into()));
                    }
                }
            }
        }
    }
    Ok(())
}

/// int4 and bfloat16, and layers of each beside the others.
pub fn check_values(processor: &Processor) -> Check {
    for (images, widths) in shapes() {
        let layers = widths.len() - 1;
        let deepest = widths.iter().copied().max().unwrap_or(1);
        let pixels = random_pixels(&mut seeded(&format!("{images}")), images * widths[0]);
        let mixed = |order: &[Precision]| {
            let layers = order.iter().copied().take(layers).collect();
            Mode::mixed(layers, Scheme::Static, WeightScales::Channel).map_err(text)
        };
        let modes = [
            Mode::from(Precision::Bf16),
            mixed(&[Precision::F32, Precision::Bf16])?,
            Mode::from(Precision::Int4),
            mixed(&[Precision::Int4, Precision::F32])?,
            mixed(&[Precision::F32, Precision::Int4])?,
        ];
        for mode in modes {
            let model = quantized(&widths, &mode, Normalization::Unit)?;
            let got = infer(&model, processor, &pixels, images)?;
            let got: Vec<f64> = got.into_iter().map(f64::from).collect();
            let want = reference::infer(&model, &pixels, 1).outputs;
            let last = model.layers[layers - 1].precision();
            let close = match last {
                Precision::Bf16 => close_bf16_network(&got, &want, layers),
                _ => close_f32(&got, &want, deepest),
            };
            close.map_err(|problem| format!("{mode}, {widths:?}, {images} images: {problem}"))?;
        }
    }
    Ok(())
}

/// An image's outputs, to the bit, in batches of any size, at any place in them, and on any number of
/// threads, where all layers take quantized values.
pub fn check_single_images(supported: Supported) -> Check {
    let activations = [Activation::Sigmoid, Activation::Relu, Activation::Softmax];
    let model = random_model(&mut seeded("alone"), &[200, 90, 70, 10], &activations);
    let images = 601;
    let pixels = random_pixels(&mut seeded("alone"), images * model.inputs());
    for mode in int8_modes() {
        let model = of(&model, &mode)?;
        let mut first: Option<Vec<u32>> = None;
        for threads in [1, 2, 3, 7] {
            let processor = Processor::new(ProcessorOptions {
                isa: Some(supported.isa()),
                threads: Some(threads),
            });
            let processor = processor.map_err(text)?;
            for batch in [images, 97, 13, 1] {
                let got = to_bits(infer(&model, &processor, &pixels, batch)?);
                let want = first.get_or_insert_with(|| got.clone());
                equal(&got, want).map_err(|problem| {
                    format!("{mode}, batch {batch}, {threads} threads: {problem}")
                })?;
            }
        }
    }
    Ok(())
}
