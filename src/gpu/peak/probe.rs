//! One microkernel on the device: it is compiled, checked and timed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::table::ProbeShape;
use super::twin;
use crate::error::{CheckError, Error, Result};
use crate::gpu::device::Device;
use crate::gpu::pipeline::Pipeline;
use crate::gpu::single::{bind_group, whole};
use crate::peak::Ceiling;

/// The uniform of every microkernel. `shaders/probes/peak/params.wgsl` has the same fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct ProbeParams {
    /// Steps of each chain.
    pub steps: u32,
    /// Invocations that do work.
    pub invocations: u32,
    /// The factor of a chain of multiply-adds in each step.
    pub factor: f32,
    /// The term that each step adds.
    pub term: f32,
    /// Four int8 values in each word, for each of eight rows of dot products.
    pub weights: [u32; 8],
}

/// Bytes of one copy, if the adapter's limits allow it. A processor's caches hold less, so the copy measures memory.
const COPIED: u64 = 64 << 20;

/// Bytes at either end of the copy that are checked afterwards.
const LOOKED_AT: u64 = 4096;

/// The steps that are checked, few enough for each to show in the result, and the steps of the first timing, from which
/// their number grows until they fill a sample. Both are whole turns of the kernels' loops.
const CHECKED_STEPS: u32 = 16;
const FIRST_STEPS: u32 = 256;

/// Above this number of steps the number of workgroups grows instead, up to [`MOST_WORKGROUPS`]. So many steps make the
/// start and the end of an invocation cheap.
const ENOUGH_STEPS: u32 = 1 << 12;

/// The first and the largest number of workgroups for arithmetic: several for each unit of a large GPU.
const FEWEST_WORKGROUPS: u32 = 16;
const MOST_WORKGROUPS: u32 = 1 << 14;
const MOST_INVOCATIONS: u32 = MOST_WORKGROUPS * MOST_LANES;

/// The most lanes of any shape's workgroup: those of the largest subgroup that shares the values of a matrix.
const MOST_LANES: u32 = 256;

/// The work of one submit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    steps: u32,
    workgroups: u32,
    repeats: u32,
}

/// The most steps and repeats. An adapter whose clock stands still would never end a sample.
const MOST: u32 = 1 << 20;

impl Load {
    fn is_full(self) -> bool {
        self.steps >= MOST || self.repeats >= MOST
    }

    /// The load of the check: a few steps, or one copy.
    fn first(shape: ProbeShape, operands: &[wgpu::Buffer]) -> Self {
        let copied = operands.first().map_or(0, wgpu::Buffer::size);
        let (steps, workgroups) = match shape.ceiling() {
            Ceiling::Copy => (1, (copied / (16 * u64::from(shape.lanes()))) as u32),
            _ => (CHECKED_STEPS, FEWEST_WORKGROUPS),
        };
        Self {
            steps,
            workgroups,
            repeats: 1,
        }
    }

    /// About `factor` times as much.
    fn grown(self, ceiling: Ceiling, factor: u32) -> Self {
        let mut load = self;
        if ceiling == Ceiling::Copy {
            load.repeats = load.repeats.saturating_mul(factor).min(MOST);
        } else if load.steps < ENOUGH_STEPS {
            load.steps = load.steps.saturating_mul(factor);
        } else if load.workgroups < MOST_WORKGROUPS {
            load.workgroups = load.workgroups.saturating_mul(factor).min(MOST_WORKGROUPS);
        } else {
            load.steps = load.steps.saturating_mul(factor).min(MOST);
        }
        load
    }
}

/// A microkernel on the device.
#[derive(Debug)]
pub(super) struct Probe {
    device: Arc<Device>,
    shape: ProbeShape,
    /// `None` where it has no shader.
    program: Option<(Pipeline, wgpu::BindGroup)>,
    uniform: wgpu::Buffer,
    operands: Vec<wgpu::Buffer>,
    load: Load,
}

/// The buffers that all shapes of a ceiling use.
pub(super) fn operands(device: &Device, ceiling: Ceiling) -> Vec<wgpu::Buffer> {
    use wgpu::BufferUsages as Usage;
    let (label, bytes, count) = if ceiling == Ceiling::Copy {
        let whole = 16 * u64::from(ProbeShape::CopyShader.lanes());
        let most = whole * u64::from(device.limits().workgroups);
        let bytes = COPIED.min(device.limits().binding_bytes).min(most);
        ("peak copy", bytes / whole * whole, 2)
    } else {
        ("peak results", u64::from(4 * MOST_INVOCATIONS), 1)
    };
    let usage = Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST;
    let buffer = |_| device.buffer(label, bytes, usage);
    (0..count).map(buffer).collect()
}

impl Probe {
    /// Compiles a shape, runs it once on its ceiling's [`operands`], and checks the results.
    pub(super) async fn new(
        device: &Arc<Device>,
        shape: ProbeShape,
        operands: &[wgpu::Buffer],
    ) -> Result<Self> {
        use wgpu::BufferUsages as Usage;
        let bytes = size_of::<ProbeParams>() as u64;
        let uniform = device.buffer("peak params", bytes, Usage::UNIFORM | Usage::COPY_DST);
        let program = match shape.source() {
            None => None,
            Some(source) => {
                let label = format!("peak {}, {shape}", shape.ceiling());
                let pipeline = device.compile_source(&label, source, shape.bindings())?;
                let buffers: Vec<_> = operands.iter().map(whole).collect();
                let bound = bind_group(device, &pipeline, &uniform, &buffers);
                Some((pipeline, bound))
            }
        };
        let mut probe = Self {
            device: Arc::clone(device),
            shape,
            program,
            uniform,
            operands: operands.to_vec(),
            load: Load::first(shape, operands),
        };
        probe.report();
        probe.check().await?;
        if shape.ceiling() != Ceiling::Copy {
            probe.load.steps = FIRST_STEPS;
            probe.report();
        }
        Ok(probe)
    }

    /// Writes the load to the uniform.
    fn report(&self) {
        let params = ProbeParams {
            steps: self.load.steps,
            invocations: self.load.workgroups * self.shape.lanes(),
            factor: twin::FACTOR,
            term: twin::TERM,
            weights: twin::WEIGHTS,
        };
        let bytes = bytemuck::bytes_of(&params);
        self.device.queue.write_buffer(&self.uniform, 0, bytes);
    }

    /// Runs the load once and compares its results with the expected ones. It first clears the results of an earlier
    /// shape.
    async fn check(&self) -> Result<()> {
        let checked = match self.operands.as_slice() {
            [results] => {
                let bytes = 4 * u64::from(self.load.workgroups * self.shape.lanes());
                let write = |at, bytes: &[u8]| self.device.queue.write_buffer(results, at, bytes);
                write(0, &vec![0; bytes as usize]);
                self.run()?;
                let results = self.read(results, 0, bytes).await?;
                let words: Vec<u32> = bytemuck::pod_collect_to_vec(&results);
                twin::check(self.shape, self.load.steps, &words)
            }
            [input, output, ..] => self.check_copy(input, output).await?,
            [] => Err("it has no operands".into()),
        };
        checked.map_err(|problem| {
            let (ceiling, shape, adapter) = (self.shape.ceiling(), self.shape, self.device.info());
            Error::CheckFailed(CheckError::WrongResult {
                what: format!("the microkernel of {ceiling} ({shape})"),
                device: adapter.to_string(),
                problem,
            })
        })
    }

    async fn check_copy(
        &self,
        input: &wgpu::Buffer,
        output: &wgpu::Buffer,
    ) -> Result<Result<(), String>> {
        let pattern: Vec<u8> = (0..LOOKED_AT).map(|at| (at * 37 % 251) as u8).collect();
        let ends = [0, input.size().saturating_sub(LOOKED_AT)];
        for at in ends {
            self.device.queue.write_buffer(input, at, &pattern);
            let wiped = vec![0; pattern.len()];
            self.device.queue.write_buffer(output, at, &wiped);
        }
        self.run()?;
        for at in ends {
            if self.read(output, at, LOOKED_AT).await? != pattern {
                return Ok(Err(format!("the bytes from {at} on are not copied")));
            }
        }
        Ok(Ok(()))
    }

    async fn read(&self, buffer: &wgpu::Buffer, from: u64, bytes: u64) -> Result<Vec<u8>> {
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let target = self.device.buffer("peak read-back", bytes, usage);
        let mut encoder = self
            .device
            .device
            .create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(buffer, from, &target, 0, bytes);
        self.device.queue.submit([encoder.finish()]);
        self.device
            .read_mapped(
                &target,
                bytes,
                "reading a microkernel's results",
                <[u8]>::to_vec,
            )
            .await
    }

    /// Runs the load, waits, and gives the wall time.
    fn run(&self) -> Result<Duration> {
        let mut encoder = self
            .device
            .device
            .create_command_encoder(&Default::default());
        match (&self.program, self.operands.as_slice()) {
            (Some((pipeline, bound)), _) => {
                let mut pass = encoder.begin_compute_pass(&Default::default());
                pass.set_pipeline(&pipeline.pipeline);
                pass.set_bind_group(0, bound, &[]);
                for _ in 0..self.load.repeats {
                    pass.dispatch_workgroups(self.load.workgroups, 1, 1);
                }
            }
            (None, [input, output, ..]) => {
                for _ in 0..self.load.repeats {
                    encoder.copy_buffer_to_buffer(input, 0, output, 0, input.size());
                }
            }
            (None, _) => {}
        }
        let commands = encoder.finish();
        let start = Instant::now();
        self.device.queue.submit([commands]);
        self.device.wait("measuring a ceiling")?;
        Ok(start.elapsed())
    }

    /// Raises the load until a sample takes nearly this long, or longer.
    pub(super) fn calibrate(&mut self, sample: Duration) -> Result<()> {
        loop {
            // The faster of two: a single run that was disturbed would end this too early.
            let elapsed = self.run()?.min(self.run()?);
            if elapsed.mul_f64(1.2) >= sample || self.load.is_full() {
                return Ok(());
            }
            let factor = sample.as_secs_f64() / elapsed.as_secs_f64().max(1e-6);
            let factor = (factor.ceil() as u32).clamp(2, 16);
            self.load = self.load.grown(self.shape.ceiling(), factor);
            self.report();
        }
    }

    /// Takes a sample: operations or bytes per second.
    pub(super) fn sample(&self) -> Result<f64> {
        let Load {
            steps,
            workgroups,
            repeats,
        } = self.load;
        let invocations = f64::from(workgroups) * f64::from(self.shape.lanes());
        let done = self.shape.per_step() as f64 * f64::from(steps) * f64::from(repeats);
        Ok(done * invocations / self.run()?.as_secs_f64())
    }
}
