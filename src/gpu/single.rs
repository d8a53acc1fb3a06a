//! One kernel on its own, on buffers given by the caller: what tests check and benches time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::device::Device;
use super::pipeline::Pipeline;
use crate::Precision;
use crate::error::{Error, Result, UsageError};
use crate::plan::{Params, Pass, grid, operand_bytes};

/// A kernel with its operands on the device.
#[derive(Debug)]
pub struct SinglePass {
    device: Arc<Device>,
    pipeline: Arc<Pipeline>,
    bind_group: wgpu::BindGroup,
    buffers: Vec<wgpu::Buffer>,
    grid: [u32; 3],
    /// Whether it ran already, for [`Broken::Once`].
    ran: AtomicBool,
}

impl SinglePass {
    /// Puts `operands`, the bytes of each storage binding in the shader's order, on the device.
    /// Each may be longer than the kernel needs: what it must not touch can be looked at after.
    ///
    /// # Errors
    /// `Error::Internal` where there is no such kernel, `Error::Usage` where an operand is shorter than
    /// `params` say (the kernels run without bounds checks), `Error::OutOfMemory` where the
    /// device has too little memory.
    pub async fn new(
        device: &Arc<Device>,
        pass: Pass,
        elements: Precision,
        params: Params,
        operands: &[Vec<u8>],
    ) -> Result<Self> {
        let needed = operand_bytes(pass, elements, params);
        let lengths = operands.iter().map(|bytes| bytes.len() as u64);
        if lengths.len() != needed.len() || lengths.zip(&needed).any(|(have, &need)| have < need) {
            let kernel = format!("{pass:?}");
            return Err(Error::Usage(UsageError::OperandsTooShort {
                kernel,
                needed,
            }));
        }
        let pipeline = device.pipeline(pass, elements).await?;
        Self::with_pipeline(device, pipeline, pass, params, operands)
    }

    pub(super) fn with_pipeline(
        device: &Arc<Device>,
        pipeline: Arc<Pipeline>,
        pass: Pass,
        params: Params,
        operands: &[Vec<u8>],
    ) -> Result<Self> {
        use wgpu::BufferUsages as Usage;
        let uniform = device.filled("params", bytemuck::bytes_of(&params), Usage::UNIFORM);
        let storage = Usage::STORAGE | Usage::COPY_SRC;
        let buffers: Vec<wgpu::Buffer> = operands
            .iter()
            .map(|bytes| {
                let mut bytes = bytes.clone();
                bytes.resize(bytes.len().next_multiple_of(4), 0);
                device.filled("operand", &bytes, storage)
            })
            .collect();
        let bind_group = bind_group(
            device,
            &pipeline,
            &uniform,
            &buffers.iter().map(whole).collect::<Vec<_>>(),
        );
        device.check("making a single pass")?;
        Ok(Self {
            grid: grid(pass, params, device.limits().workgroups),
            device: Arc::clone(device),
            pipeline,
            bind_group,
            buffers,
            ran: AtomicBool::new(false),
        })
    }

    /// Runs the kernel `times` times in one submit and waits; gives the wall time of it all.
    ///
    /// # Errors
    /// Those of the device.
    #[expect(clippy::unused_async, reason = "waiting is asynchronous on the web")]
    pub async fn run(&self, times: usize) -> Result<Duration> {
        let mut encoder = self
            .device
            .device
            .create_command_encoder(&Default::default());
        self.record(&mut encoder, times);
        let start = Instant::now();
        self.device.queue.submit([encoder.finish()]);
        self.device.wait("running a single pass")?;
        Ok(start.elapsed())
    }

    /// Runs the kernel `times` times in one submit; gives the bytes that it left in operands each time, one
    /// operand behind the other. Each of `written`, an operand and its first bytes, is put back before each run, so
    /// that a run that leaves it alone is seen.
    ///
    /// # Errors
    /// Those of [`SinglePass::read`].
    pub async fn repeat(&self, written: &[(usize, &[u8])], times: usize) -> Result<Vec<Vec<u8>>> {
        let during = "repeating a single pass";
        let mut operands = Vec::new();
        for &(operand, first) in written {
            let missing = || Error::missing(format!("operand {operand}"));
            let buffer = self.buffers.get(operand).ok_or_else(missing)?;
            let mut first = first.to_vec();
            first.resize(buffer.size() as usize, 0);
            let usage = wgpu::BufferUsages::COPY_SRC;
            operands.push((buffer, self.device.filled(during, &first, usage)));
        }
        let size: u64 = operands.iter().map(|(buffer, _)| buffer.size()).sum();
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let target = self.device.buffer(during, size * times as u64, usage);
        let mut encoder = self
            .device
            .device
            .create_command_encoder(&Default::default());
        let mut at = 0;
        for _ in 0..times {
            for (buffer, first) in &operands {
                encoder.copy_buffer_to_buffer(first, 0, buffer, 0, buffer.size());
            }
            self.record(&mut encoder, 1);
            for (buffer, _) in &operands {
                encoder.copy_buffer_to_buffer(buffer, 0, &target, at, buffer.size());
                at += buffer.size();
            }
        }
        self.device.queue.submit([encoder.finish()]);
        let each = |bytes: &[u8]| {
            let each = bytes.chunks_exact(size as usize);
            each.map(<[u8]>::to_vec).collect()
        };
        self.device.read_mapped(&target, at, during, each).await
    }

    fn record(&self, encoder: &mut wgpu::CommandEncoder, times: usize) {
        let ran = self.ran.swap(true, Ordering::Relaxed);
        if self.device.injector.skips(ran) {
            return;
        }
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&self.pipeline.pipeline);
        pass.set_bind_group(0, &self.bind_group, &[]);
        for _ in 0..times {
            let [x, y, z] = self.grid;
            pass.dispatch_workgroups(x, y, z);
        }
    }

    /// The bytes of an operand as they are now.
    ///
    /// # Errors
    /// Those of the device, and `Error::Internal` where there is no such operand.
    pub async fn read(&self, operand: usize) -> Result<Vec<u8>> {
        let missing = || Error::missing(format!("operand {operand}"));
        let source = self.buffers.get(operand).ok_or_else(missing)?;
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let target = self
            .device
            .buffer("operand read-back", source.size(), usage);
        let mut encoder = self
            .device
            .device
            .create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(source, 0, &target, 0, source.size());
        self.device.queue.submit([encoder.finish()]);
        self.device
            .read_mapped(&target, source.size(), "reading an operand", <[u8]>::to_vec)
            .await
    }
}

/// All of a buffer.
pub(super) fn whole(buffer: &wgpu::Buffer) -> wgpu::BufferBinding<'_> {
    buffer.as_entire_buffer_binding()
}

/// Binds the uniform and the storage buffers in the shader's order.
pub(super) fn bind_group(
    device: &Device,
    pipeline: &Pipeline,
    uniform: &wgpu::Buffer,
    buffers: &[wgpu::BufferBinding<'_>],
) -> wgpu::BindGroup {
    let entries: Vec<wgpu::BindGroupEntry<'_>> = std::iter::once(whole(uniform))
        .chain(buffers.iter().cloned())
        .enumerate()
        .map(|(binding, buffer)| wgpu::BindGroupEntry {
            binding: binding as u32,
            resource: wgpu::BindingResource::Buffer(buffer),
        })
        .collect();
    device.device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &pipeline.layout,
        entries: &entries,
    })
}
