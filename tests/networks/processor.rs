//! What is the CPU path's own: the edges of its tiles, any number of threads, and its sums.

use fmnist_gpu::cpu::{IntegerWeights, Processor, ProcessorOptions, Supported};
use fmnist_gpu::model::Activation;
use fmnist_gpu::quantize::lower;
use fmnist_gpu::{Precision, cpu, reference};

use crate::common::compare::{Check, equal};
use crate::common::{random_model, random_pixels, random_quantized, seeded};
use crate::executor::{Executor, compare, core_mode, to_bits};

/// The CPU path's tiles: one layer, round every edge of a tile in each direction, and one beside another.
pub fn check_edges(executor: &Executor, precision: Precision) -> Check {
    let mut shapes = Vec::new();
    for outputs in [
        1, 4, 5, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 79, 81, 129,
    ] {
        for images in [1, 2, 3, 6] {
            shapes.push((images, 7, outputs));
        }
    }
    shapes.extend((1..=14).chain([95, 96, 97]).map(|images| (images, 10, 19)));
    shapes.extend((1..=18).map(|inputs| (8, inputs, 21)));
    // Rows so wide that a block is no larger than a tile.
    shapes.push((7, 2, 90_001));
    for (images, inputs, outputs) in shapes {
        for activation in [Activation::Relu, Activation::Softmax] {
            let mut rng = seeded(&format!("{inputs} {outputs}"));
            let model = random_model(&mut rng, &[inputs, outputs], &[activation]);
            compare(executor, &model, precision, images, images)
                .map_err(|problem| format!("{activation}: {problem}"))?;
        }
    }
    Ok(())
}

/// The number of threads changes no bit of the CPU path's outputs.
pub fn check_threads(supported: Supported, precision: Precision) -> Check {
    let text = |error: fmnist_gpu::Error| error.to_string();
    let activations = [Activation::Sigmoid, Activation::Relu, Activation::Softmax];
    let model = random_model(&mut seeded("threads"), &[200, 90, 70, 10], &activations);
    let images = 601;
    let pixels = random_pixels(&mut seeded("threads"), images * model.inputs());
    let mut first: Option<Vec<u32>> = None;
    for threads in [1, 2, 3, 7] {
        let processor = Processor::new(ProcessorOptions {
            isa: Some(supported.isa()),
            threads: Some(threads),
        });
        let processor = processor.map_err(text)?;
        let quantized = lower(&model, &core_mode(precision), None).map_err(text)?;
        let mut network = cpu::Session::new(&quantized, &processor).map_err(text)?;
        network.upload(&pixels, images);
        if network.threads() != threads {
            return Err(format!("{} threads ran, not {threads}", network.threads()));
        }
        let got = to_bits(network.run().to_vec());
        let want = first.get_or_insert_with(|| got.clone());
        equal(&got, want).map_err(|problem| format!("{threads} threads: {problem}"))?;
    }
    Ok(())
}

/// The CPU path's integer sums, bitwise, random and with every quantized value ±127: round every edge of a tile, and
/// as deep as a sum in int32 may be.
pub fn check_cpu_sums(processor: &Processor) -> Check {
    let mut shapes = vec![
        (3, 31, 33),
        (33, 784, 64),
        (5, 1040, 7),
        (9, 1041, 10),
        (3, 4097, 31),
    ];
    shapes.extend((1..=13).map(|rows| (rows, 9, 21)));
    shapes.extend((1..=9).map(|inner| (7, inner, 5)));
    for cols in [
        1, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 80, 81, 129,
    ] {
        shapes.extend([(1, 6, cols), (8, 5, cols)]);
    }
    // 127² · 133,143 is the last below 2³¹.
    shapes.push((1, 133_144, 2));
    for (rows, inner, cols) in shapes {
        let mut rng = seeded(&format!("{rows}{inner}{cols}"));
        let random = (
            random_quantized(&mut rng, rows * inner),
            random_quantized(&mut rng, inner * cols),
        );
        let extreme = (vec![127_i8; rows * inner], vec![-127_i8; inner * cols]);
        let negative = (vec![-127_i8; rows * inner], vec![-127_i8; inner * cols]);
        for (x, w) in [random, extreme, negative] {
            let got = IntegerWeights::new(&w, inner, cols, processor).sums(&x);
            let wide =
                |quantized: &[i8]| quantized.iter().map(|&q| i32::from(q)).collect::<Vec<_>>();
            let want = reference::integer_product(&wide(&x), &wide(&w), inner, cols);
            equal(&got, &want).map_err(|problem| format!("{rows}×{inner}×{cols}: {problem}"))?;
        }
    }
    Ok(())
}
