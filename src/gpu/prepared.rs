//! A plan made ready to run again and again: buffers, compiled kernels, bind groups.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use half::f16;

use super::device::Device;
use super::pipeline::Pipeline;
use super::single::{bind_group, whole};
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
    /// A chunk's outputs in host memory; behind the last ones the timestamps.
    pub(super) read_backs: Vec<wgpu::Buffer>,
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
    pub(super) queries: wgpu::QuerySet,
    pub(super) resolved: wgpu::Buffer,
}

/// Two timestamps of eight bytes.
pub(super) const TIMESTAMP_BYTES: u64 = 16;

impl Prepared {
    pub(super) async fn new(
        device: &Arc<Device>,
        weights: &DeviceWeights,
        plan: Plan,
    ) -> Result<Self> {
        use wgpu::BufferUsages as Usage;
        let storage = Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST;
        let chunks: Vec<Vec<(Operand, wgpu::Buffer)>> = plan
            .chunks
            .iter()
            .map(|range| {
                let make = |&(operand, bytes): &(Operand, u64)| {
                    let bytes = bytes * range.len() as u64;
                    (
                        operand,
                        device.buffer(&format!("{operand:?}"), bytes, storage),
                    )
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
        let last = chunks.len() - 1;
        let read_backs = chunks.iter().enumerate().map(|(index, buffers)| {
            let timed = index == last && timestamps.is_some();
            let times = if timed { TIMESTAMP_BYTES } else { 0 };
            let bytes = buffer(buffers, Operand::Outputs).size() + times;
            device.buffer("read-back", bytes, Usage::COPY_DST | Usage::MAP_READ)
        });
        let read_backs = read_backs.collect();
        device.check("preparing a batch")?;
        Ok(Self {
            plan,
            chunks,
            maxima,
            dispatches,
            read_backs,
            timestamps,
        })
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

    pub(super) fn bytes(&self) -> u64 {
        let chunks: u64 = self
            .chunks
            .iter()
            .flatten()
            .map(|(_, buffer)| buffer.size())
            .sum();
        let uniforms: u64 = self.dispatches.iter().map(|d| d.uniform.size()).sum();
        let times = self.timestamps.as_ref().map_or(0, |t| t.resolved.size());
        let read_backs: u64 = self.read_backs.iter().map(wgpu::Buffer::size).sum();
        chunks + uniforms + times + self.maxima.size() + read_backs
    }
}

impl Timestamps {
    fn new(device: &Device) -> Self {
        Self {
            queries: device.device.create_query_set(&wgpu::QuerySetDescriptor {
                label: None,
                ty: wgpu::QueryType::Timestamp,
                count: 2,
            }),
            resolved: device.buffer(
                "timestamps",
                TIMESTAMP_BYTES,
                wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            ),
        }
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
pub(super) fn elapsed(bytes: &[u8], period: f32) -> Duration {
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
