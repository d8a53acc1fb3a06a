//! Times each kernel on its own, on the shapes of the default network and of a large product, with its
//! share of the ceiling of its arithmetic, measured in the same run.
//!
//! `cargo bench --bench kernels` is a quick look; `-- --adapter gl` (a backend) picks the adapter,
//! `-- --samples 100` takes more samples, `-- broadcast` keeps the kernels of that name, `-- --cube`
//! times a product of 1024×1024×1024, and `-- --cube=4096` a larger one. A kernel is checked against the
//! reference by `cargo test --test kernels`, not here. Whole networks are timed by `--bench networks`.
//!
//! On a cube, a slow kernel could take minutes. So each kernel is first timed at a quarter of the size, and those that
//! take more than four times as long as the best one of their arithmetic are skipped, unless a filter names them.
#![expect(clippy::print_stdout, reason = "a program")]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use fmnist_gpu::adapter::{AdapterInfo, Selector};
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
use serde_json::{Value, json};

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
    /// Only a product of N×N×N, where N is 1024 unless it is given
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "1024")]
    cube: Option<usize>,
    /// Time no kernel after this, for example 60s
    #[arg(long, value_name = "DURATION")]
    max_time: Option<humantime::Duration>,
    /// A table at the end, or JSON: a line about the adapter, and one for each kernel as soon as it was timed
    #[arg(long, value_enum, default_value_t = Output::Table)]
    format: Output,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Output {
    Table,
    Json,
}

/// A kernel is skipped where it takes so many times as long as the best one, in a product of a quarter of the size.
const TOO_SLOW: f64 = 4.0;
const QUARTER: usize = 4;

/// A run of a kernel that takes longer is a sample on its own.
const LONG: f64 = 0.3;

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
    let start = Instant::now();
    let late = |share: f64| {
        let limit = arguments.max_time.map(|limit| limit.mul_f64(share));
        limit.is_some_and(|limit| start.elapsed() > limit)
    };
    let ceilings = [
        Ceiling::F32,
        Ceiling::F16,
        Ceiling::Matrix,
        Ceiling::Int8Dot,
    ];
    let peaks = pollster::block_on(measure(device, &ceilings, PeakEffort::quick()))?;
    let mut report = Report::new(arguments.format, engine.info(), peaks);
    let mut cases = cases(device, &arguments);
    if let Some(size) = arguments.cube
        && arguments.filter.is_none()
    {
        // A look may take half of the time, so that the other half is left for the size that is wanted.
        cases = report.select(cases, size.div_ceil(QUARTER), device, || late(0.5));
    }
    for case in cases {
        let outcome = if late(1.0) {
            Outcome::Skipped(OUT_OF_TIME.to_owned())
        } else {
            Outcome::of(case.time(device, arguments.samples))
        };
        report.add(&case, outcome);
    }
    report.end()
}

/// Why a kernel was not timed.
const OUT_OF_TIME: &str = "no time was left of --max-time";

/// The kernels that the adapter runs, each on every shape.
fn cases(device: &Device, arguments: &Arguments) -> Vec<Case> {
    let cube = arguments.cube.map(|size| [size; 3]);
    let shapes: &[[usize; 3]] = cube.as_ref().map_or(&SHAPES, std::slice::from_ref);
    let mut cases = Vec::new();
    for (pass, elements) in kernel::variants(device.limits().subgroups()) {
        let name = format!("{}.{elements}", kernel::variant_name(pass));
        let filter = arguments.filter.as_ref();
        if filter.is_some_and(|filter| !name.contains(filter)) {
            continue;
        }
        for &[batch, inner, cols] in shapes {
            let case = Case {
                name: name.clone(),
                pass,
                elements,
                batch,
                inner,
                cols,
            };
            if (cube.is_none() || case.is_product()) && case.runs(device) {
                cases.push(case);
            }
        }
    }
    cases
}

/// What came of timing a kernel.
enum Outcome {
    Timed(Samples),
    Skipped(String),
    Failed(fmnist_gpu::Error),
}

impl Outcome {
    fn of(result: Result<Samples>) -> Self {
        result.map_or_else(Self::Failed, Self::Timed)
    }
}

/// What is printed: JSON line by line, so that an interrupted run loses nothing, or a table at the end.
struct Report {
    format: Output,
    peaks: Peaks,
    rows: Vec<Vec<String>>,
    remarks: Vec<String>,
    failed: Option<fmnist_gpu::Error>,
}

impl Report {
    fn new(format: Output, info: &AdapterInfo, peaks: Peaks) -> Self {
        match format {
            Output::Table => println!("{info}\n"),
            Output::Json => {
                let best = |of: Ceiling| Some((of.name(), peaks.get(of)?.best()));
                let ceilings: HashMap<_, _> = Ceiling::ALL.into_iter().filter_map(best).collect();
                println!("{}", json!({ "adapter": info, "ceilings": ceilings }));
            }
        }
        Self {
            format,
            peaks,
            rows: Vec::new(),
            remarks: Vec::new(),
            failed: None,
        }
    }

    /// The cases worth timing, likely the fastest first: those that are not far slower than the best one in a product
    /// of `size`. The others are reported as skipped.
    fn select(
        &mut self,
        mut cases: Vec<Case>,
        size: usize,
        device: &Arc<Device>,
        late: impl Fn() -> bool,
    ) -> Vec<Case> {
        // Where time is short, the kernels that fit the precision best come first.
        cases.sort_by_key(|case| !case.is_native());
        let mut best: HashMap<(Precision, Ceiling), f64> = HashMap::new();
        let mut looked = Vec::new();
        for case in cases {
            if late() {
                self.add(&case, Outcome::Skipped(OUT_OF_TIME.to_owned()));
                continue;
            }
            match case.cube(size).time(device, 1) {
                Ok(samples) => {
                    let time = samples.min as f64;
                    let least = best.entry(case.group()).or_insert(time);
                    *least = least.min(time);
                    looked.push((case, time));
                }
                Err(error) => self.add(&case, Outcome::Failed(error)),
            }
        }
        let times_best = |case: &Case, time: f64| time / best[&case.group()];
        looked.sort_by(|(a, time_a), (b, time_b)| {
            times_best(a, *time_a).total_cmp(&times_best(b, *time_b))
        });
        let mut chosen = Vec::new();
        for (case, time) in looked {
            let times = times_best(&case, time);
            if times > TOO_SLOW {
                let why = format!("{times:.1} times as slow as the best one at {size}³");
                self.add(&case, Outcome::Skipped(why));
            } else {
                chosen.push(case);
            }
        }
        chosen
    }

    fn add(&mut self, case: &Case, outcome: Outcome) {
        let peak = self.peaks.get(case.ceiling()).map(Peak::best);
        if self.format == Output::Json {
            println!("{}", case.json(&outcome, peak));
        }
        match outcome {
            Outcome::Timed(samples) => self.rows.push(case.row(&samples, peak)),
            Outcome::Skipped(why) => self.remarks.push(format!("{}: {why}", case.name)),
            Outcome::Failed(error) => {
                self.remarks.push(format!("{}: {error}", case.name));
                self.failed.get_or_insert(error);
            }
        }
    }

    /// Prints the table. An error is that of the first kernel that failed.
    fn end(self) -> Result<()> {
        let header = [
            "pass", "shape", "median", "min", "GFLOP/s", "of peak", "memory", "GB/s",
        ];
        if self.format == Output::Table {
            let table = Table::of(&header, 2, self.rows);
            print!("{}", table.render(Layout::Terminal(Screen::PLAIN)));
            for remark in self.remarks {
                println!("{remark}");
            }
        }
        self.failed.map_or(Ok(()), Err)
    }
}

/// A pass over a matrix `[batch, cols]`; the product's inner dimension is `inner`.
#[derive(Clone)]
struct Case {
    name: String,
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

    /// Whether the adapter runs the kernel, and it says something on its own: of a layer's places in a network the one
    /// between others, with its whole tile.
    fn runs(&self, device: &Device) -> bool {
        let limits = device.limits();
        if device.info().lacks(self.elements).is_some() {
            return false;
        }
        match self.pass {
            // What its weights take cannot be told from one shape.
            Pass::Network(_) => false,
            Pass::Layer(layer) => {
                let input = match self.elements {
                    Precision::Int8 => LayerInput::PreActivation(Activation::Relu),
                    _ => LayerInput::Values,
                };
                let between = layer.input == input && layer.activation == Activation::Identity;
                let fits = |s: &&KernelVariant| matches!(s.fusion, Fusion::Layers(tile) if tile.on(limits.subgroups()) == layer.tile);
                let inputs = self.inner.max(1024);
                let model = Architecture::chain(vec![LayerShape {
                    inputs,
                    outputs: 1024,
                    activation: Activation::Identity,
                    format: Format::of(self.elements, inputs, 127),
                }]);
                let refused = |s: &KernelVariant| s.refused(&model, 1, limits).is_some();
                between && KERNEL_VARIANTS.iter().filter(fits).any(|s| !refused(s))
            }
            _ => true,
        }
    }

    /// The same kernel on a product of size×size×size.
    fn cube(&self, size: usize) -> Self {
        let [batch, inner, cols] = [size; 3];
        Self {
            batch,
            inner,
            cols,
            ..self.clone()
        }
    }

    /// The kernels that are compared with one another.
    fn group(&self) -> (Precision, Ceiling) {
        (self.elements, self.ceiling())
    }

    /// Whether it computes in the arithmetic that the precision is made for, and not in f32 instead.
    fn is_native(&self) -> bool {
        let native = [
            (Precision::F32, Ceiling::F32),
            (Precision::F16, Ceiling::Matrix),
            (Precision::Int8, Ceiling::Int8Dot),
        ];
        native.contains(&self.group())
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
            if one > LONG {
                times.push(Duration::from_secs_f64(one));
                return Result::Ok(());
            }
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

    /// Operations per second of a product.
    fn rate(&self, samples: &Samples) -> Option<f64> {
        let operations = 2.0 * self.batch as f64 * self.inner as f64 * self.cols as f64;
        self.is_product()
            .then(|| operations * 1e9 / samples.median as f64)
    }

    /// The bytes of its operands.
    fn moved(&self) -> u64 {
        operand_bytes(self.pass, self.elements, self.params())
            .iter()
            .sum()
    }

    fn json(&self, outcome: &Outcome, peak: Option<f64>) -> Value {
        let (status, detail, samples) = match outcome {
            Outcome::Timed(samples) => ("ok", None, Some(samples)),
            Outcome::Skipped(why) => ("skipped", Some(why.clone()), None),
            Outcome::Failed(error) => ("failed", Some(error.to_string()), None),
        };
        let rate = samples.and_then(|samples| self.rate(samples));
        json!({
            "kernel": self.name,
            "precision": self.elements.name(),
            "shape": [self.batch, self.inner, self.cols],
            "status": status,
            "detail": detail,
            "median_ns": samples.map(|samples| samples.median),
            "min_ns": samples.map(|samples| samples.min),
            "samples": samples.map(|samples| samples.samples.len()),
            "operand_bytes": self.moved(),
            "operations_per_second": rate,
            "ceiling": self.is_product().then(|| self.ceiling().name()),
            "share": rate.zip(peak).map(|(rate, peak)| rate / peak),
        })
    }

    fn row(&self, samples: &Samples, peak: Option<f64>) -> Vec<String> {
        let Self {
            batch, inner, cols, ..
        } = self;
        let moved = self.moved();
        let seconds = samples.median as f64 / 1e9;
        let (shape, rate, share) = match self.rate(samples) {
            Some(rate) => (
                format!("{batch}×{inner}×{cols}"),
                format!("{:.1}", rate / 1e9),
                peak.map_or("–".to_owned(), |peak| {
                    format!("{:.1}%", 100.0 * rate / peak)
                }),
            ),
            None => (format!("{batch}×{cols}"), "–".to_owned(), "–".to_owned()),
        };
        vec![
            self.name.clone(),
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
