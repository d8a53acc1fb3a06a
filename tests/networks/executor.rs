//! What runs a network, and how its outputs are held against the reference.

use std::sync::Arc;

use fmnist_gpu::cpu::Processor;
use fmnist_gpu::gpu::{self, Device};
use fmnist_gpu::model::Network;
use fmnist_gpu::plan::Kernels;
use fmnist_gpu::quantize::lower;
use fmnist_gpu::{Mode, Precision, cpu, reference};
use libtest_mimic::Trial;

use crate::common::compare::{Check, close_f16_network, close_f32, close_int8_network};
use crate::common::{Rig, random_pixels, seeded};

/// What runs a network.
#[derive(Clone)]
pub enum Executor {
    /// The CPU path on this instruction set and so many threads.
    Cpu(Processor),
    /// In one of these ways.
    Gpu(Box<Rig>, Kernels),
}

impl Executor {
    pub fn gpu(rig: &Rig, kernels: Kernels) -> Self {
        Self::Gpu(Box::new(rig.clone()), kernels)
    }

    pub fn name(&self) -> String {
        match self {
            Self::Cpu(processor) => format!("cpu/{}", processor.info().instruction_set),
            Self::Gpu(rig, Kernels::Named(variant)) => format!("{}/{}", rig.name, variant.name),
            Self::Gpu(rig, _) => rig.name.clone(),
        }
    }

    pub fn trial(&self, name: String, check: impl FnOnce() -> Check + Send + 'static) -> Trial {
        match self {
            Self::Cpu(_) => Trial::test(name, move || done(check())),
            Self::Gpu(rig, _) => rig.trial(name, move || done(check())),
        }
    }

    /// The outputs of all of `pixels` in batches of `batch`.
    pub fn infer(
        &self,
        model: &Network,
        precision: Precision,
        pixels: &[u8],
        batch: usize,
    ) -> Result<Vec<f32>, String> {
        let result = match self {
            Self::Cpu(processor) => lower(model, &core_mode(precision), None)
                .and_then(|quantized| cpu::Session::new(&quantized, processor))
                .map(|mut network| {
                    let mut outputs = Vec::new();
                    for pixels in pixels.chunks(batch * model.inputs()) {
                        network.upload(pixels, pixels.len() / model.inputs());
                        outputs.extend_from_slice(network.run());
                    }
                    outputs
                }),
            Self::Gpu(rig, kernels) => {
                infer_on(&rig.device, *kernels, model, precision, pixels, batch)
            }
        };
        result.map_err(|error| error.to_string())
    }
}

pub fn infer_on(
    device: &Arc<Device>,
    kernels: Kernels,
    model: &Network,
    precision: Precision,
    pixels: &[u8],
    batch: usize,
) -> fmnist_gpu::Result<Vec<f32>> {
    pollster::block_on(async {
        let quantized = lower(model, &core_mode(precision), None)?;
        let mut network = gpu::Session::new(device, &quantized).await?;
        network.restrict(kernels);
        network.infer(pixels, batch, &mut |_| ()).await
    })
}

/// The precisions that an executor runs itself.
pub fn precisions(executor: &Executor) -> Vec<Precision> {
    let runs = |precision: &Precision| match executor {
        Executor::Cpu(_) => true,
        Executor::Gpu(_, Kernels::MatrixUnits) => *precision == Precision::F16,
        Executor::Gpu(rig, _) => rig.device.info().lacks(*precision).is_none(),
    };
    Precision::ALL.into_iter().filter(runs).collect()
}

pub fn done(check: Check) -> Result<(), libtest_mimic::Failed> {
    check.map_err(Into::into)
}

/// Runs a network on random pixels and compares its outputs with the reference's.
pub fn compare(
    executor: &Executor,
    model: &Network,
    precision: Precision,
    images: usize,
    batch: usize,
) -> Check {
    let widths = model.architecture().widths();
    let name = format!("{widths:?}{images}");
    let pixels = random_pixels(&mut seeded(&name), images * model.inputs());
    let got = executor.infer(model, precision, &pixels, batch)?;
    close_to_reference(model, precision, &pixels, batch, &got)
        .map_err(|problem| format!("{widths:?}, {images} images, batch {batch}: {problem}"))
}

/// Compares a network's outputs with the reference's.
pub fn close_to_reference(
    model: &Network,
    precision: Precision,
    pixels: &[u8],
    batch: usize,
    got: &[f32],
) -> Check {
    let got: Vec<f64> = got.iter().copied().map(f64::from).collect();
    let quantized = lower(model, &core_mode(precision), None).map_err(|error| error.to_string())?;
    let want = reference::infer(&quantized, pixels, batch).outputs;
    let deepest = model.architecture().widths().into_iter().max().unwrap_or(1);
    match precision {
        Precision::F32 => close_f32(&got, &want, deepest),
        Precision::F16 => close_f16_network(&got, &want, model.layers.len()),
        Precision::Int8 => close_int8_network(&got, &want),
        other => Err(format!("tests/networks/quantized.rs runs {other}")),
    }
}

/// What a precision is run as here. int8 is the reference scheme, which has kernels for each step; the other schemes are in
/// tests/networks/quantized.rs.
pub fn core_mode(precision: Precision) -> Mode {
    match precision {
        Precision::Int8 => Mode::reference_int8(),
        precision => precision.into(),
    }
}

pub fn to_bits(outputs: Vec<f32>) -> Vec<u32> {
    outputs.into_iter().map(f32::to_bits).collect()
}
