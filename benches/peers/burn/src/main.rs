//! Burn as a contestant of `benches/peers/run`: its wgpu runtime on Vulkan, with SPIR-V, fusion and
//! autotune, as its users have it. Prints a line `ready NAME {…}`, and then for each line on
//! standard input runs one batch and prints the nanoseconds that it took, from the input on the
//! device to the outputs in host memory. The end of the input ends it.

use std::collections::HashMap;
use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use burn::backend::Vulkan;
use burn::backend::wgpu::{RuntimeOptions, WgpuDevice, graphics, init_setup};
use burn::module::Param;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::{relu, softmax};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use half::f16;
use safetensors::SafeTensors;

const IDX_HEADER: usize = 16;
const PIXELS: usize = 784;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() {
    if let Err(error) = contend() {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

struct Arguments(HashMap<String, String>);

impl Arguments {
    fn parse() -> Result<Self> {
        let mut found = HashMap::new();
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or(format!("{name} takes a value"))?;
            found.insert(name, value);
        }
        Ok(Self(found))
    }

    fn get(&self, name: &str) -> Result<&str> {
        let value = self.0.get(name).ok_or(format!("{name} is missing"))?;
        Ok(value)
    }
}

fn contend() -> Result<()> {
    let arguments = Arguments::parse()?;
    let device = match arguments.get("--kind")? {
        "software" => WgpuDevice::Cpu,
        "discrete" => WgpuDevice::DiscreteGpu(0),
        "integrated" => WgpuDevice::IntegratedGpu(0),
        "virtual" => WgpuDevice::VirtualGpu(0),
        _ => WgpuDevice::DefaultDevice,
    };
    let setup = init_setup::<graphics::Vulkan>(&device, RuntimeOptions::default());
    let adapter = setup.adapter.get_info().name;
    match arguments.get("--precision")? {
        "f32" => serve::<Vulkan<f32>>(&arguments, &device, &adapter),
        "f16" => serve::<Vulkan<f16>>(&arguments, &device, &adapter),
        other => Err(format!("{other} is not tried with Burn").into()),
    }
}

struct Network<B: Backend> {
    layers: Vec<(Linear<B>, bool)>,
}

impl<B: Backend> Network<B> {
    fn load(path: &str, device: &B::Device) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| format!("{path}: {error}"))?;
        let tensors = SafeTensors::deserialize(&bytes)?;
        let (_, header) = SafeTensors::read_metadata(&bytes)?;
        let activations = header
            .metadata()
            .as_ref()
            .and_then(|metadata| metadata.get("activations"))
            .ok_or(format!("{path}: no activations"))?;
        let data = |name: String| -> Result<TensorData> {
            let tensor = tensors.tensor(&name)?;
            let values: Vec<f32> = tensor
                .data()
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect();
            Ok(TensorData::new(values, tensor.shape().to_vec()))
        };
        let mut layers = Vec::new();
        for (index, activation) in activations.split(',').enumerate() {
            if !["relu", "softmax"].contains(&activation) {
                return Err(
                    format!("{path}: the peers know relu and softmax, not {activation}").into(),
                );
            }
            let weight = data(format!("layers.{index}.weight"))?;
            let bias = data(format!("layers.{index}.bias"))?;
            let mut linear = LinearConfig::new(weight.shape[0], weight.shape[1]).init(device);
            linear.weight = Param::from_data(weight, device);
            linear.bias = Some(Param::from_data(bias, device));
            layers.push((linear, activation == "softmax"));
        }
        Ok(Self { layers })
    }

    fn forward(&self, mut x: Tensor<B, 2>) -> Tensor<B, 2> {
        for (linear, last) in &self.layers {
            let z = linear.forward(x);
            x = if *last { softmax(z, 1) } else { relu(z) };
        }
        x
    }
}

/// The first images of the test split as `[batch, 784]`. Burn has no way from bytes to floats on the
/// device that a user would take, so they are normalized here, before anything is timed.
fn images(path: &str, batch: usize) -> Result<TensorData> {
    let bytes = std::fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    let pixels = bytes
        .get(IDX_HEADER..IDX_HEADER + batch * PIXELS)
        .filter(|pixels| !pixels.is_empty())
        .ok_or(format!("{path} has no {batch} images"))?;
    let values: Vec<f32> = pixels.iter().map(|&p| f32::from(p) / 255.0).collect();
    Ok(TensorData::new(values, [batch, PIXELS]))
}

fn serve<B: Backend>(arguments: &Arguments, device: &B::Device, adapter: &str) -> Result<()> {
    let network = Network::<B>::load(arguments.get("--model")?, device)?;
    let batch = arguments.get("--batch")?.parse()?;
    let input = Tensor::<B, 2>::from_data(images(arguments.get("--images")?, batch)?, device);
    let sample = || network.forward(input.clone()).into_data();

    let begin = Instant::now();
    let mut last = sample();
    let mut runs = 1;
    // What every contestant does; the tuning is in the first runs.
    while runs < 5 || begin.elapsed() < Duration::from_secs(1) {
        last = sample();
        runs += 1;
    }
    if let Ok(path) = arguments.get("--outputs") {
        let path = PathBuf::from(path);
        let bytes: Vec<u8> = last.iter::<f32>().flat_map(f32::to_le_bytes).collect();
        std::fs::write(&path, bytes).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let ready = serde_json::json!({
        "version": "0.21.0",
        "adapter": adapter,
        "backend": "vulkan",
        "kernel": "autotuned, fused, SPIR-V",
        "starts": "floats on the device",
    });
    println!("ready Burn {ready}");
    for line in std::io::stdin().lines() {
        line?;
        let begin = Instant::now();
        let outputs = sample();
        let elapsed = begin.elapsed();
        drop(outputs);
        println!("{}", elapsed.as_nanos());
    }
    Ok(())
}
