//! One contestant of `benches/peers/run`: loads a model, prints a line `ready NAME {…}`, and then for
//! each line on standard input runs one batch and prints the nanoseconds that it took, from the
//! pixels on the device to the outputs in host memory. The end of the input ends it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use clap::Parser;
use fmnist_gpu::adapter::{AdapterInfo, Kind, Selector};
use fmnist_gpu::cpu::ProcessorOptions;
use fmnist_gpu::engine::Session;
use fmnist_gpu::plan::{KernelVariant, Kernels};
use fmnist_gpu::quantize::Source;
use fmnist_gpu::tune::{Tuner, Tuning};
use fmnist_gpu::{Engine, EngineOptions, Mode, Precision, Scheme, WeightScales, dataset};
use pollster::block_on;

/// Runs a batch for each line it reads
#[derive(Parser)]
struct Arguments {
    /// A backend, an index, a name, or 'cpu'
    #[arg(long)]
    adapter: Option<Selector>,
    #[arg(long, default_value = "f32")]
    precision: Precision,
    /// How int8 is quantized; dynamic-row and static with weights by channel
    #[arg(long, default_value = "dynamic-row")]
    scheme: Scheme,
    /// The default model where it is not given
    #[arg(long)]
    model: Option<PathBuf>,
    /// Images, the first of the embedded test split
    #[arg(long, default_value_t = 1)]
    batch: usize,
    /// How the kernel is chosen: off, quick or full
    #[arg(long, default_value = "quick")]
    tune: Tuning,
    /// The kernel, instead of one that is chosen
    #[arg(long)]
    kernel: Option<KernelVariant>,
    /// Threads of the CPU path
    #[arg(long)]
    threads: Option<usize>,
    /// Where to put the outputs, as little-endian f32
    #[arg(long)]
    outputs: Option<PathBuf>,
    /// Upload the pixels within each sample
    #[arg(long)]
    upload: bool,
    /// Run no network: submit nothing but this, and wait
    #[arg(long, value_name = "WORK")]
    empty: Option<Work>,
}

/// The least that a run takes.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Work {
    /// A copy of a few bytes, which are read back
    Copy,
    /// A kernel that does nothing
    Dispatch,
}

fn main() -> ExitCode {
    #[expect(unsafe_code, reason = "the environment is this process's own")]
    // SAFETY: the first thing in `main`, while there is no other thread.
    unsafe {
        fmnist_gpu::gpu::quiet_drivers();
    }
    match contend(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn contend(arguments: &Arguments) -> Result<()> {
    let options = EngineOptions {
        adapter: arguments.adapter.clone(),
        // A row must not name a place where it did not run.
        fallback: false,
        kernels: arguments.kernel.map_or(Kernels::Any, Kernels::Named),
        processor: ProcessorOptions {
            threads: arguments.threads,
            ..ProcessorOptions::default()
        },
        ..EngineOptions::default()
    };
    let engine = block_on(Engine::open(&options))?;
    let starts = if engine.info().kind == Kind::Cpu || arguments.upload {
        "pixels on the host"
    } else {
        "pixels on the device"
    };
    if let Some(work) = arguments.empty {
        let empty = Empty::new(engine.info())?;
        let kernel = match work {
            Work::Copy => format!("a submit that copies {} bytes", Empty::BYTES),
            Work::Dispatch => "a submit of a kernel that does nothing".to_owned(),
        };
        return serve(&kernel, engine.info(), starts, None, || match work {
            Work::Copy => empty.copy(),
            Work::Dispatch => empty.dispatch(),
        });
    }
    let model = match &arguments.model {
        Some(path) => Source::load(path)?,
        None => Source::default_model()?,
    };
    let images = dataset::test_split()?.images;
    ensure!(
        (1..=images.count).contains(&arguments.batch),
        "--batch is 1 to {}, the images there are",
        images.count
    );
    let mode = match (arguments.precision, arguments.scheme) {
        (Precision::Int8, Scheme::DynamicTensor) => Mode::reference_int8(),
        (Precision::Int8, scheme) => Mode::int8(scheme, WeightScales::Channel),
        (precision, _) => Mode::from(precision),
    };
    let mut network = load(&engine, &model, &mode)?;
    let pixels = images.range(0, arguments.batch);
    block_on(Tuner::new(arguments.tune).tune(&mut network, pixels))?;
    block_on(network.upload(pixels))?;
    let mut kernel = format!("{}, {}", network.path(), network.kernel());
    if let Some(threads) = network.threads() {
        kernel += &format!(", threads: {threads}");
    }
    let outputs = arguments.outputs.as_ref();
    serve(&kernel, engine.info(), starts, outputs, || {
        if arguments.upload {
            block_on(network.upload(pixels))?;
        }
        Ok(block_on(network.run())?.outputs.into_owned())
    })
}

/// The model in a mode.
fn load(engine: &Engine, model: &Source, mode: &Mode) -> Result<Session> {
    Ok(block_on(engine.load(&model.quantize(mode)?))?)
}

/// Warms up, says that it is ready, and runs a sample for each line.
fn serve(
    kernel: &str,
    adapter: &AdapterInfo,
    starts: &str,
    outputs: Option<&PathBuf>,
    mut sample: impl FnMut() -> Result<Vec<f32>>,
) -> Result<()> {
    let begin = Instant::now();
    let mut last = Vec::new();
    for runs in 0.. {
        // What every contestant does.
        if runs >= 5 && begin.elapsed() >= Duration::from_secs(1) {
            break;
        }
        last = sample()?;
    }
    if let Some(path) = outputs {
        let bytes: Vec<u8> = last.iter().flat_map(|value| value.to_le_bytes()).collect();
        std::fs::write(path, bytes).with_context(|| path.display().to_string())?;
    }
    let ready = serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "adapter": adapter.name,
        "backend": adapter.backend,
        "kind": adapter.kind,
        "driver": adapter.driver,
        "kernel": kernel,
        "starts": starts,
    });
    println!("ready fmnist-gpu {ready}");
    for line in std::io::stdin().lines() {
        line?;
        let begin = Instant::now();
        sample()?;
        println!("{}", begin.elapsed().as_nanos());
    }
    Ok(())
}

/// The least that any run on an adapter takes: one submit, and one read-back or one kernel. The library has nothing
/// of the kind, so this opens the adapter itself.
struct Empty {
    device: wgpu::Device,
    queue: wgpu::Queue,
    source: wgpu::Buffer,
    read_back: wgpu::Buffer,
    kernel: wgpu::ComputePipeline,
}

impl Empty {
    /// As much as the outputs of one image.
    const BYTES: u64 = 40;

    fn new(info: &AdapterInfo) -> Result<Self> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let backends = wgpu::Backends::all();
        let adapter = block_on(instance.enumerate_adapters(backends))
            .into_iter()
            .find(|adapter| {
                let found = adapter.get_info();
                found.name.trim() == info.name && found.backend.to_string() == info.backend.name()
            })
            .ok_or_else(|| anyhow!("{info} has no submits"))?;
        let (device, queue) = block_on(adapter.request_device(&wgpu::DeviceDescriptor::default()))?;
        let buffer = |usage| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size: Self::BYTES,
                usage,
                mapped_at_creation: false,
            })
        };
        let source = buffer(wgpu::BufferUsages::COPY_SRC);
        let read_back = buffer(wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ);
        let nothing = "@compute @workgroup_size(64) fn main() {}";
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: None,
            source: wgpu::ShaderSource::Wgsl(nothing.into()),
        });
        let kernel = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: None,
            module: &module,
            entry_point: None,
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        Ok(Self {
            kernel,
            device,
            queue,
            source,
            read_back,
        })
    }

    fn dispatch(&self) -> Result<Vec<f32>> {
        let mut encoder = self.device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(&self.kernel);
            pass.dispatch_workgroups(1, 1, 1);
        }
        self.queue.submit([encoder.finish()]);
        self.device.poll(wgpu::PollType::wait_indefinitely())?;
        Ok(Vec::new())
    }

    fn copy(&self) -> Result<Vec<f32>> {
        let mut encoder = self.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(&self.source, 0, &self.read_back, 0, Self::BYTES);
        self.queue.submit([encoder.finish()]);
        let (sender, mapped) = std::sync::mpsc::channel();
        self.read_back
            .map_async(wgpu::MapMode::Read, .., move |result| {
                // The receiver is gone only where the wait below has failed.
                let _ = sender.send(result);
            });
        self.device.poll(wgpu::PollType::wait_indefinitely())?;
        mapped.recv()??;
        let values = bytemuck::cast_slice(&self.read_back.get_mapped_range(..)?).to_vec();
        self.read_back.unmap();
        Ok(values)
    }
}
