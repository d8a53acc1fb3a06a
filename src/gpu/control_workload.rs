//! The adapter's control workload: fixed dispatches, with an upload and a read-back of their own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::device::Device;
use super::kernel::Binding;
use super::pipeline::Pipeline;
use super::single::{bind_group, whole};
use crate::error::{CheckError, Error, Result};

/// Bytes of an image, and sums of each.
const INPUTS: usize = 784;
const SUMS: usize = 16;

/// Images of a workgroup, as the shader has them.
const TOGETHER: usize = 4;

/// Dispatches, each of which waits for the one before. Networks have one or several, and the machine's state affects the
/// step from one dispatch to the next more than the work inside.
const DISPATCHES: usize = 2;

/// Operations of a network per word of an image. With it, the control workload takes about as long as a small network.
const OPERATIONS_PER_WORD: u64 = 5_000;

/// The text of its shader.
pub const CONTROL_WORKLOAD_SOURCE: &str = include_str!("../../shaders/control_workload.wgsl");

/// The storage buffers of its shader, from binding 1 on.
pub const CONTROL_WORKLOAD_BINDINGS: &[Binding] = &[Binding::Read, Binding::Read, Binding::Write];

/// The most images. A larger batch is not disturbed differently.
const MOST: usize = 4_096;

/// Fixed work on the device: the images of a batch are uploaded and multiplied with fixed weights, and their sums are
/// read back. It takes the same steps as a batch of a network, with as many bytes, and shares no kernel with one.
#[derive(Debug)]
pub struct ControlWorkload {
    device: Arc<Device>,
    pipeline: Pipeline,
    bound: wgpu::BindGroup,
    images: usize,
    words: usize,
    pixels: Vec<u8>,
    target: wgpu::Buffer,
    sums: wgpu::Buffer,
    read_back: wgpu::Buffer,
}

impl ControlWorkload {
    /// A control workload of `images`, 1 to 4,096, beside a network of `operations` for each. Its sums are compared with
    /// those of the host.
    ///
    /// # Errors
    /// Those of the device; `Error::CheckFailed` where it computes something else.
    pub async fn new(device: &Arc<Device>, images: usize, operations: u64) -> Result<Self> {
        use wgpu::BufferUsages as Usage;
        let images = images.clamp(1, MOST);
        let words = (operations / OPERATIONS_PER_WORD).clamp(1, (INPUTS / 4) as u64) as usize;
        let label = "control workload";
        let pipeline = device.compile_source(
            label,
            CONTROL_WORKLOAD_SOURCE.to_owned(),
            CONTROL_WORKLOAD_BINDINGS,
        )?;
        let pixels: Vec<u8> = (0..images * INPUTS).map(pixel).collect();
        let weights: Vec<f32> = (0..INPUTS * SUMS).map(weight).collect();
        let uniform = [images as u32, words as u32, 0, 0];
        let uniform = device.filled(label, bytemuck::bytes_of(&uniform), Usage::UNIFORM);
        let weights = device.filled(label, bytemuck::cast_slice(&weights), Usage::STORAGE);
        let target = device.filled(label, &pixels, Usage::STORAGE);
        let bytes = (4 * images * SUMS) as u64;
        let sums = device.buffer(label, bytes, Usage::STORAGE | Usage::COPY_SRC);
        let read_back = device.buffer(label, bytes, Usage::MAP_READ | Usage::COPY_DST);
        let buffers = [whole(&target), whole(&weights), whole(&sums)];
        let bound = bind_group(device, &pipeline, &uniform, &buffers);
        device.check("making the control workload")?;
        let control_workload = Self {
            device: Arc::clone(device),
            pipeline,
            bound,
            images,
            words,
            pixels,
            target,
            sums,
            read_back,
        };
        control_workload.check().await?;
        Ok(control_workload)
    }

    /// What it does, in words. Two results with the same words measured the same work.
    #[must_use]
    pub fn work(&self) -> String {
        format!(
            "sums of {} bytes × {SUMS} in f32, {DISPATCHES} times, version 2, images: {}",
            4 * self.words,
            self.images
        )
    }

    /// Does the work; gives the time from the bytes on the host to the sums on the host.
    ///
    /// # Errors
    /// Those of the device.
    pub async fn run(&self) -> Result<Duration> {
        let first = |bytes: &[u8]| bytes.first().copied();
        // Once untimed: a device that was idle for a moment is slower at first.
        std::hint::black_box(self.once(first).await?);
        let start = Instant::now();
        let sums = self.once(first).await?;
        std::hint::black_box(sums);
        Ok(start.elapsed())
    }

    async fn once<T>(&self, read: impl FnOnce(&[u8]) -> T) -> Result<T> {
        let device = &self.device;
        device.queue.write_buffer(&self.target, 0, &self.pixels);
        device.queue.submit([]);
        device.wait("uploading the control workload's bytes")?;
        let mut encoder = device.device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(&self.pipeline.pipeline);
            pass.set_bind_group(0, &self.bound, &[]);
            for _ in 0..DISPATCHES {
                pass.dispatch_workgroups(self.images.div_ceil(TOGETHER) as u32, 1, 1);
            }
        }
        let bytes = self.sums.size();
        encoder.copy_buffer_to_buffer(&self.sums, 0, &self.read_back, 0, bytes);
        device.queue.submit([encoder.finish()]);
        device
            .read_mapped(&self.read_back, bytes, "running the control workload", read)
            .await
    }

    async fn check(&self) -> Result<()> {
        let all = |bytes: &[u8]| bytemuck::pod_collect_to_vec::<u8, f32>(bytes);
        let got = self.once(all).await?;
        // Bytes and weights are small multiples of 1/256, so that f32 sums are exact in any order.
        let bytes = 4 * self.words;
        let mut sums = (0..self.images)
            .flat_map(|image| (0..SUMS).map(move |column| sum(image, column, bytes)));
        let right =
            got.len() == self.images * SUMS && got.iter().all(|&value| sums.next() == Some(value));
        if right {
            return Ok(());
        }
        Err(Error::CheckFailed(CheckError::WrongResult {
            what: "the control workload".into(),
            device: self.device.info().to_string(),
            problem: "its sums differ from the exact ones".into(),
        }))
    }
}

/// The bytes of the images, one after the other.
fn pixel(at: usize) -> u8 {
    (at * 37 % 256) as u8
}

/// The weights `[784, 16]`: multiples of 1/256 from -1/4 on, below 1/4.
fn weight(at: usize) -> f32 {
    (at * 29 % 128) as f32 / 256.0 - 0.25
}

/// The sum of an image's first bytes and a column.
fn sum(image: usize, column: usize, bytes: usize) -> f32 {
    let term =
        |input: usize| f32::from(pixel(image * INPUTS + input)) * weight(input * SUMS + column);
    (0..bytes).map(term).sum()
}
