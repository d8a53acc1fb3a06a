//! Times each kernel on its own, on the shapes of the default network and of a large product, with its
//! share of the ceiling of its arithmetic, measured in the same run.
//!
//! `cargo bench --bench kernels` is a quick look; `-- --adapter gl` (a backend) picks the adapter,
//! `-- --samples 100` takes more samples, `-- broadcast` keeps the kernels of that name, `-- --cube`
//! times a product of 1024×1024×1024. A kernel is checked against the reference by `cargo test --test
//! kernels`, not here. Whole networks are timed by `--bench networks`.
#![expect(clippy::print_stdout, reason = "a program")]

use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use fmnist_gpu::adapter::Selector;
use fmnist_gpu::gpu::peak::{Peak, Peaks, measure};
use fmnist_gpu::gpu::{Device, DeviceOptions, SinglePass, kernel};
use fmnist_gpu::model::{Activation, Architecture, Format, LayerShape};
use fmnist_gpu::peak::{Ceiling, PeakEffort};
use fmnist_gpu::plan::{
    Arithmetic, Fusion, KERNEL_VARIANTS, KernelVariant, LayerInput, Params, Pass, groups,
    operand_bytes,
};
use fmnist_gpu::report::{Layout, Screen, Table, bytes, duration};
use fmnist_gpu::stats::Samples;
use fmnist_gpu::{Engine, EngineOptions, Precision, Result};

/// Times each pass on its own.
#[derive(Parser)]
struct Arguments {
    /// Only passes whose name holds this
    filter: Option<String>,
    /// A backend, an index or a name, as for 'fmnist-gpu bench'
    #[arg(long)]
    adapter: Option<Selector>,
    /// Samples of each pass
    #[arg(long, default_value_t = 3)]
    samples: usize,
    /// Only a product of 1024×1024×1024
    #[arg(long)]
    cube: bool,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// Rows, inner and columns: the default network's first layer for a few images and for many.
const SHAPES: [[usize; 3]; 2] = [[8, 784, 64], [1000, 784, 64]];

fn main() -> Result<()> {
    #[expect(unsafe_code, reason = "the environment is this process's own")]
    // SAFETY: the first thing in `main`, while there is no other thread.
    unsafe {
        fmnist_gpu::gpu::quiet_drivers();
    }
    let arguments = Arguments::parse();
    let options = EngineOptions {
        adapter: arguments.adapter.clone(),
        device: DeviceOptions {
            matrix_units: true,
            ..DeviceOptions::default()
        },
        ..EngineOptions::default()
    };
    let engine = pollster::block_on(Engine::open(&options))?;
    let Some(device) = engine.device() else {
        println!("no GPU adapter: the kernels have nothing to run on");
        return Ok(());
    };
    println!("{}\n", engine.info());
    let ceilings = [
        Ceiling::F32,
        Ceiling::F16,
        Ceiling::Matrix,
        Ceiling::Int8Dot,
    ];
    let peaks = pollster::block_on(measure(device, &ceilings, PeakEffort::quick()))?;
    let shapes: &[[usize; 3]] = if arguments.cube {
        &[[1024, 1024, 1024]]
    } else {
        &SHAPES
    };
    let mut rows = Vec::new();
    for (pass, elements) in kernel::variants(device.limits().subgroups()) {
        let name = format!("{}.{elements}", kernel::variant_name(pass));
        let wanted = arguments
            .filter
            .as_ref()
            .is_none_or(|filter| name.contains(filter));
        if !wanted || !runs(pass, elements, device) {
            continue;
        }
        for &[batch, inner, cols] in shapes {
            let case = Case {
                pass,
                elements,
                batch,
                inner,
                cols,
            };
            if arguments.cube && !case.is_product() {
                continue;
            }
            let samples = case.time(device, arguments.samples)?;
            rows.push(case.row(&name, &samples, &peaks));
        }
    }
    let header = [
        "pass", "shape", "median", "min", "GFLOP/s", "of peak", "memory", "GB/s",
    ];
    print!(
        "{}",
        Table::of(&header, 2, rows).render(Layout::Terminal(Screen::PLAIN))
    );
    Ok(())
}

/// Whether the adapter runs a kernel, and it says something on its own: of a layer's places in a
/// network the one between others, with its whole tile.
fn runs(pass: Pass, elements: Precision, device: &Device) -> bool {
    let limits = device.limits();
    if device.info().lacks(elements).is_some() {
        return false;
    }
    match pass {
        // One shape does not say what its weights take.
        Pass::Network(_) => false,
        Pass::Layer(layer) => {
            let input = match elements {
                Precision::Int8 => LayerInput::PreActivation(Activation::Relu),
                _ => LayerInput::Values,
            };
            let between = layer.input == input && layer.activation == Activation::Identity;
            let fits = |s: &&KernelVariant| matches!(s.fusion, Fusion::Layers(tile) if tile.on(limits.subgroups()) == layer.tile);
            let model = Architecture::chain(vec![LayerShape {
                inputs: 1024,
                outputs: 1024,
                activation: Activation::Identity,
                format: Format::of(elements, 1024, 127),
            }]);
            let refused = |s: &KernelVariant| s.refused(&model, 1, limits).is_some();
            between && KERNEL_VARIANTS.iter().filter(fits).any(|s| !refused(s))
        }
        _ => true,
    }
}

/// A pass over a matrix `[batch, cols]`; the product's inner dimension is `inner`.
struct Case {
    pass: Pass,
    elements: Precision,
    batch: usize,
    inner: usize,
    cols: usize,
}

impl Case {
    fn params(&self) -> Params {
        Params {
            rows: self.batch as u32,
            inner: groups(self.inner) as u32,
            cols: self.cols as u32,
            groups: groups(self.cols) as u32,
            slot_out: 1,
            clip: 127.0,
            weight_scale: 0.01,
            ..Params::default()
        }
    }

    fn is_product(&self) -> bool {
        matches!(self.pass, Pass::Matmul(_) | Pass::Layer(_))
    }

    /// Wall times of one dispatch, from several in a submit so that the submit itself counts little.
    fn time(&self, device: &Arc<Device>, samples: usize) -> Result<Samples> {
        const DISPATCHES: usize = 10;
        let params = self.params();
        let bytes = operand_bytes(self.pass, self.elements, params).into_iter();
        let operands: Vec<Vec<u8>> = bytes.map(|bytes| vec![0x3c; bytes as usize]).collect();
        let mut times: Vec<Duration> = Vec::new();
        pollster::block_on(async {
            let single =
                SinglePass::new(device, self.pass, self.elements, params, &operands).await?;
            single.run(1).await?;
            // A slow kernel needs fewer to be timed as well.
            let one = single.run(1).await?.as_secs_f64().max(1e-6);
            let dispatches = ((0.02 / one) as usize).clamp(1, DISPATCHES);
            let samples = samples.min((1.0 / (one * dispatches as f64)) as usize);
            for _ in 0..samples.max(3) {
                times.push(single.run(dispatches).await? / dispatches as u32);
            }
            Result::Ok(())
        })?;
        let missing = || fmnist_gpu::Error::missing("sample");
        Samples::new(&times).ok_or_else(missing)
    }

    /// The ceiling of its arithmetic.
    fn ceiling(&self) -> Ceiling {
        match self.pass {
            Pass::Matmul(_) if self.elements == Precision::Int8 => Ceiling::Int8Dot,
            Pass::Layer(layer) => match layer.arithmetic {
                Arithmetic::F32 => Ceiling::F32,
                Arithmetic::Matrix => Ceiling::Matrix,
                Arithmetic::Dot => Ceiling::Int8Dot,
            },
            _ => Ceiling::F32,
        }
    }

    fn row(&self, name: &str, samples: &Samples, peaks: &Peaks) -> Vec<String> {
        let Self {
            batch, inner, cols, ..
        } = self;
        let moved: u64 = operand_bytes(self.pass, self.elements, self.params())
            .iter()
            .sum();
        let seconds = samples.median as f64 / 1e9;
        let (shape, rate, share) = if self.is_product() {
            let rate = 2.0 * (batch * inner * cols) as f64 / seconds;
            let peak = peaks.get(self.ceiling()).map(Peak::best);
            (
                format!("{batch}×{inner}×{cols}"),
                format!("{:.1}", rate / 1e9),
                peak.map_or("–".to_owned(), |peak| {
                    format!("{:.1}%", 100.0 * rate / peak)
                }),
            )
        } else {
            (format!("{batch}×{cols}"), "–".to_owned(), "–".to_owned())
        };
        vec![
            name.to_owned(),
            shape,
            duration(samples.median as f64),
            duration(samples.min as f64),
            rate,
            share,
            bytes(moved),
            format!("{:.2}", moved as f64 / seconds / 1e9),
        ]
    }
}
