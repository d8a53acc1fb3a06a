//! Times each pass on its own, on the shapes of the default network and of a large product.
//!
//! `cargo bench --bench kernels` takes a few seconds; `-- --adapter gl` (a backend) picks the
//! adapter, `-- --samples 100` takes more samples, `-- matmul` keeps the passes of that name.
//! A pass is checked against the oracle by `cargo test --test kernels`, not here.
#![expect(clippy::print_stdout, reason = "a program")]

use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use fmnist_gpu::adapter::Selector;
use fmnist_gpu::bench::Samples;
use fmnist_gpu::gpu::{Device, SinglePass, kernel};
use fmnist_gpu::plan::{Params, Pass, groups, operand_bytes};
use fmnist_gpu::report::{Layout, bytes, duration, grid};
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
    #[arg(long, default_value_t = 10)]
    samples: usize,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// Rows, inner and columns: the default network's first layer at three batch sizes, and a cube.
const SHAPES: [[usize; 3]; 4] = [
    [1, 784, 64],
    [32, 784, 64],
    [1000, 784, 64],
    [512, 512, 512],
];

fn main() -> Result<()> {
    #[expect(unsafe_code, reason = "the environment is this process's own")]
    // SAFETY: the first thing in `main`, while there is no other thread.
    unsafe {
        fmnist_gpu::gpu::quiet_drivers();
    }
    let arguments = Arguments::parse();
    let options = EngineOptions {
        adapter: arguments.adapter.clone(),
        ..EngineOptions::default()
    };
    let engine = pollster::block_on(Engine::open(&options))?;
    let Some(device) = engine.device() else {
        println!("no GPU adapter: the kernels have nothing to run on");
        return Ok(());
    };
    println!("{}\n", engine.info());
    let mut rows = Vec::new();
    for (pass, elements) in kernel::variants() {
        let name = format!("{}.{elements}", kernel::variant_name(pass));
        let wanted = arguments
            .filter
            .as_ref()
            .is_none_or(|filter| name.contains(filter));
        if !wanted || engine.info().lacks(elements).is_some() {
            continue;
        }
        for [batch, inner, cols] in SHAPES {
            let case = Case {
                pass,
                elements,
                batch,
                inner,
                cols,
            };
            let samples = case.time(device, arguments.samples)?;
            rows.push(case.row(&name, &samples));
        }
    }
    let header = [
        "pass", "shape", "median", "min", "GFLOP/s", "memory", "GB/s",
    ];
    print!("{}", grid(Layout::Terminal, &header, &rows, 2));
    Ok(())
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
        matches!(self.pass, Pass::Matmul(_))
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
            for _ in 0..samples.max(1) {
                times.push(single.run(DISPATCHES).await? / DISPATCHES as u32);
            }
            Result::Ok(())
        })?;
        Samples::new(&times).ok_or(fmnist_gpu::Error::Internal("no samples".into()))
    }

    fn row(&self, name: &str, samples: &Samples) -> Vec<String> {
        let Self {
            batch, inner, cols, ..
        } = self;
        let moved: u64 = operand_bytes(self.pass, self.elements, self.params())
            .iter()
            .sum();
        let seconds = samples.median as f64 / 1e9;
        let (shape, rate) = if self.is_product() {
            let operations = 2.0 * (batch * inner * cols) as f64;
            (
                format!("{batch}×{inner}×{cols}"),
                format!("{:.1}", operations / seconds / 1e9),
            )
        } else {
            (format!("{batch}×{cols}"), "–".to_owned())
        };
        vec![
            name.to_owned(),
            shape,
            duration(samples.median as f64),
            duration(samples.min as f64),
            rate,
            bytes(moved),
            format!("{:.2}", moved as f64 / seconds / 1e9),
        ]
    }
}
