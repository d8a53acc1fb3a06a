//! A plan made ready to run again and again: buffers, compiled kernels, bind groups.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use half::f16;

use super::device::Device;
use super::pipeline::Pipeline;
use super::planned::{TIMESTAMP_BYTES, visible_buffers};
use super::single::{bind_group, whole};
use super::transfer::{Upload, usage};
use super::weights::DeviceWeights;
use crate::adapter::Feature;
use crate::error::Result;
use crate::plan::{Operand, Plan, groups};

/// A plan with its buffers, pipelines and bind groups.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) plan: Plan,
    pub(super) chunks: Vec<Vec<(Operand, wgpu::Buffer)>>,
    maxima: wgpu::Buffer,
    pub(super) dispatches: Vec<Dispatch>,
    /// How pixels come into the chunks' buffers.
    upload: Upload,
    /// Where the host reads each chunk's outputs. None where it reads the kernels' own buffer.
    read_backs: Vec<Option<wgpu::Buffer>>,
    /// The commands of the next run.
    next: Option<wgpu::CommandBuffer>,
    pub(super) timestamps: Option<Timestamps>,
}

#[derive(Debug)]
pub(super) struct Dispatch {
    pipeline: Arc<Pipeline>,
    bind_group: wgpu::BindGroup,
    uniform: wgpu::Buffer,
    grid: [u32; 3],
}

#[derive(Debug)]
pub(super) struct Timestamps {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    read_back: wgpu::Buffer,
}

impl Prepared {
    pub(super) async fn new(
        device: &Arc<Device>,
        weights: &DeviceWeights,
        plan: Plan,
    ) -> Result<Self> {
        use wgpu::BufferUsages as Usage;
        let storage = Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST;
        let visible = device.host_visible().await?;
        let [inputs_visible, outputs_visible] = visible_buffers(&plan, visible);
        let chunks: Vec<Vec<(Operand, wgpu::Buffer)>> = plan
            .chunks
            .iter()
            .map(|range| {
                let make = |&(operand, bytes): &(Operand, u64)| {
                    let usage = match operand {
                        Operand::Pixels => usage(Usage::MAP_WRITE, inputs_visible),
                        Operand::Outputs => usage(Usage::MAP_READ, outputs_visible),
                        _ => storage,
                    };
                    let bytes = bytes * range.len() as u64;
                    let label = format!("{operand:?}");
                    (operand, device.buffer(&label, bytes, usage))
                };
                plan.buffers.iter().map(make).collect()
            })
            .collect();
        let maxima = device.buffer("maxima", 4 * u64::from(plan.slots), storage);
        device.check("allocating a batch")?;

        let mut dispatches = Vec::with_capacity(plan.steps.len());
        for step in &plan.steps {
            let mut params = step.params;
            if let Some(layer) = step.layer {
                params.weight_scale = weights.layers[layer].scale;
            }
            if let Some(taker) = step.quantized_for {
                let quantized = weights.layers[taker].input;
                (params.out_inverse, params.out_zero) = (quantized.inverse, quantized.zero);
            }
            let find = |&operand: &Operand| match operand {
                Operand::Maxima => whole(&maxima),
                _ => weights
                    .binding(operand)
                    .unwrap_or_else(|| whole(buffer(&chunks[step.chunk], operand))),
            };
            let buffers: Vec<wgpu::BufferBinding<'_>> = step.operands.iter().map(find).collect();
            let uniform = device.filled("params", bytemuck::bytes_of(&params), Usage::UNIFORM);
            let pipeline = device.pipeline(step.pass, step.elements).await?;
            dispatches.push(Dispatch {
                bind_group: bind_group(device, &pipeline, &uniform, &buffers),
                pipeline,
                uniform,
                grid: step.grid,
            });
        }
        let timestamps = device
            .info()
            .has(Feature::TimestampQuery)
            .then(|| Timestamps::new(device));
        let read_back = |buffers: &Vec<(Operand, wgpu::Buffer)>| {
            let bytes = buffer(buffers, Operand::Outputs).size();
            let usage = Usage::COPY_DST | Usage::MAP_READ;
            (!outputs_visible).then(|| device.buffer("read-back", bytes, usage))
        };
        let read_backs = chunks.iter().map(read_back).collect();
        let upload = Upload::new(
            device,
            inputs_visible,
            plan.chunk_bytes(Operand::Pixels).sum(),
        );
        device.check("preparing a batch")?;
        Ok(Self {
            plan,
            chunks,
            maxima,
            dispatches,
            upload,
            read_backs,
            next: None,
            timestamps,
        })
    }

    /// Brings a batch's pixels to the device, in padded rows, and waits until they are there.
    pub(super) async fn upload(&self, device: &Device, pixels: &[u8]) -> Result<()> {
        let row = self.plan.row_bytes(Operand::Pixels) as usize;
        let chunks = self.plan.chunks.iter().zip(&self.chunks);
        let uploads = chunks.map(|(range, buffers)| {
            let bytes = &pixels[range.start * row..range.end * row];
            (buffer(buffers, Operand::Pixels), bytes)
        });
        self.upload.run(device, uploads, "uploading a batch").await
    }

    /// Submits a pass over the batch, without its time. A batch that one submit runs is recorded while the device is busy
    /// with the one before.
    pub(super) fn submit(&mut self, device: &Device) -> Result<()> {
        if self.plan.submits.len() > 1 {
            let record = |encoder: &mut _, steps| self.record(encoder, steps, false);
            return self.submit_parts(device, record, |_| ());
        }
        let record = |prepared: &Self| {
            let mut encoder = device.device.create_command_encoder(&Default::default());
            prepared.record(&mut encoder, 0..prepared.dispatches.len(), false);
            prepared.record_read_back(&mut encoder);
            encoder.finish()
        };
        let recorded = self.next.take().unwrap_or_else(|| record(self));
        device.queue.submit([recorded]);
        self.next = Some(record(self));
        Ok(())
    }

    /// Submits a pass over the batch in as many parts as the plan wants. `record` records a range of the steps; `end` adds
    /// to the last part, after the outputs.
    pub(super) fn submit_parts(
        &self,
        device: &Device,
        record: impl Fn(&mut wgpu::CommandEncoder, Range<usize>),
        end: impl FnOnce(&mut wgpu::CommandEncoder),
    ) -> Result<()> {
        let mut encoder = device.device.create_command_encoder(&Default::default());
        for (index, steps) in self.plan.submits.iter().enumerate() {
            if index > 0 {
                device.queue.submit([encoder.finish()]);
                device.wait("running a part of a batch")?;
                encoder = device.device.create_command_encoder(&Default::default());
            }
            record(&mut encoder, steps.clone());
        }
        self.record_read_back(&mut encoder);
        end(&mut encoder);
        device.queue.submit([encoder.finish()]);
        Ok(())
    }

    /// Submits a pass over the batch with its time, where the adapter has timestamps.
    pub(super) fn submit_timed(&self, device: &Device) -> Result<()> {
        let record = |encoder: &mut _, steps| self.record(encoder, steps, true);
        self.submit_parts(device, record, |encoder| {
            if let Some(timestamps) = &self.timestamps {
                timestamps.record_read_back(encoder);
            }
        })
    }

    /// Records what brings the outputs of all chunks to where the host reads them.
    fn record_read_back(&self, encoder: &mut wgpu::CommandEncoder) {
        for (buffers, read_back) in self.chunks.iter().zip(&self.read_backs) {
            if let Some(read_back) = read_back {
                let outputs = buffer(buffers, Operand::Outputs);
                encoder.copy_buffer_to_buffer(outputs, 0, read_back, 0, outputs.size());
            }
        }
    }

    /// Waits for everything submitted; gives the outputs `[rows, out]` of all chunks.
    pub(super) async fn read_outputs(&self, device: &Device) -> Result<Vec<f32>> {
        let plan = &self.plan;
        let mut values = Vec::with_capacity(plan.batch * plan.batches * plan.output_cols);
        for (buffers, read_back) in self.chunks.iter().zip(&self.read_backs) {
            let outputs = buffer(buffers, Operand::Outputs);
            let from = read_back.as_ref().unwrap_or(outputs);
            let read = |bytes: &[u8]| plan.decode(bytes, &mut values);
            let during = "running a batch";
            device
                .read_mapped(from, outputs.size(), during, read)
                .await?;
        }
        Ok(values)
    }

    /// Records a range of the steps; from the first to the last of them they are a pass over the
    /// batch, whose time is taken where `timed`.
    pub(super) fn record(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        steps: Range<usize>,
        timed: bool,
    ) {
        let (first, last) = (steps.start == 0, steps.end == self.dispatches.len());
        if first && self.plan.slots > 0 {
            encoder.clear_buffer(&self.maxima, 0, None);
        }
        let timestamps = self
            .timestamps
            .as_ref()
            .filter(|_| timed && (first || last));
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: None,
            timestamp_writes: timestamps.map(|timestamps| wgpu::ComputePassTimestampWrites {
                query_set: &timestamps.queries,
                beginning_of_pass_write_index: first.then_some(0),
                end_of_pass_write_index: last.then_some(1),
            }),
        });
        for dispatch in &self.dispatches[steps] {
            let [x, y, z] = dispatch.grid;
            pass.set_pipeline(&dispatch.pipeline.pipeline);
            pass.set_bind_group(0, &dispatch.bind_group, &[]);
            pass.dispatch_workgroups(x, y, z);
        }
    }

    /// Records a range of the steps with a timestamp before and after each: queries 2i and 2i + 1.
    pub(super) fn record_each(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        steps: Range<usize>,
        queries: &wgpu::QuerySet,
    ) {
        if steps.start == 0 && self.plan.slots > 0 {
            encoder.clear_buffer(&self.maxima, 0, None);
        }
        for index in steps {
            let dispatch = &self.dispatches[index];
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: None,
                timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                    query_set: queries,
                    beginning_of_pass_write_index: Some(2 * index as u32),
                    end_of_pass_write_index: Some(2 * index as u32 + 1),
                }),
            });
            let [x, y, z] = dispatch.grid;
            pass.set_pipeline(&dispatch.pipeline.pipeline);
            pass.set_bind_group(0, &dispatch.bind_group, &[]);
            pass.dispatch_workgroups(x, y, z);
        }
    }

    /// Bytes of all buffers that were made.
    pub(super) fn bytes(&self) -> u64 {
        let chunks: u64 = self
            .chunks
            .iter()
            .flatten()
            .map(|(_, buffer)| buffer.size())
            .sum();
        let uniforms: u64 = self.dispatches.iter().map(|d| d.uniform.size()).sum();
        let times = self.timestamps.as_ref().map_or(0, |_| 2 * TIMESTAMP_BYTES);
        let read_backs = self.read_backs.iter().flatten().map(wgpu::Buffer::size);
        let transfers = self.upload.bytes() + read_backs.sum::<u64>();
        chunks + uniforms + times + self.maxima.size() + transfers
    }
}

impl Timestamps {
    fn new(device: &Device) -> Self {
        use wgpu::BufferUsages as Usage;
        let buffer = |usage| device.buffer("timestamps", TIMESTAMP_BYTES, usage);
        Self {
            queries: device.device.create_query_set(&wgpu::QuerySetDescriptor {
                label: None,
                ty: wgpu::QueryType::Timestamp,
                count: 2,
            }),
            resolved: buffer(Usage::QUERY_RESOLVE | Usage::COPY_SRC),
            read_back: buffer(Usage::COPY_DST | Usage::MAP_READ),
        }
    }

    /// Records what brings the two timestamps to the host.
    fn record_read_back(&self, encoder: &mut wgpu::CommandEncoder) {
        encoder.resolve_query_set(&self.queries, 0..2, &self.resolved, 0);
        encoder.copy_buffer_to_buffer(&self.resolved, 0, &self.read_back, 0, TIMESTAMP_BYTES);
    }

    /// Waits for everything submitted; gives the time between the two.
    pub(super) async fn read(&self, device: &Device) -> Result<Duration> {
        let period = device.queue.get_timestamp_period();
        let read = |bytes: &[u8]| elapsed(bytes, period);
        device
            .read_mapped(&self.read_back, TIMESTAMP_BYTES, "reading timestamps", read)
            .await
    }
}

/// A chunk's buffer for an operand. The plan names every operand that its steps use, so it is there.
pub(super) fn buffer(buffers: &[(Operand, wgpu::Buffer)], operand: Operand) -> &wgpu::Buffer {
    let found = buffers.iter().find(|(of, _)| *of == operand);
    let Some((_, buffer)) = found else {
        unreachable!("the plan has no buffer for {operand:?}")
    };
    buffer
}

/// The time between two timestamps, in ticks of `period` nanoseconds.
fn elapsed(bytes: &[u8], period: f32) -> Duration {
    let tick = |bytes: &[u8]| bytemuck::pod_read_unaligned::<u64>(bytes);
    let ticks = tick(&bytes[8..16]).saturating_sub(tick(&bytes[..8]));
    Duration::from_nanos((ticks as f64 * f64::from(period)) as u64)
}

impl Plan {
    /// Adds the outputs `[rows, out]`, in f32, that the bytes of an outputs buffer stand for.
    pub(super) fn decode(&self, bytes: &[u8], outputs: &mut Vec<f32>) {
        let stride = 4 * groups(self.output_cols) * self.output_bytes as usize;
        let kept = self.output_cols * self.output_bytes as usize;
        let rows = bytes.chunks_exact(stride).map(|row| &row[..kept]);
        if self.output_bytes == 2 {
            let values = rows.flat_map(|row| row.chunks_exact(2));
            outputs.extend(values.map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()));
        } else {
            let values = rows.flat_map(|row| row.chunks_exact(4));
            outputs.extend(values.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
        }
    }
}
