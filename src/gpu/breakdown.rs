//! Where the time of a batch goes: a timestamp before and after every dispatch.

use std::time::{Duration, Instant};

use super::kernel;
use super::session::Session;
use crate::adapter::Feature;
use crate::error::Result;
use crate::plan::Step;

/// The parts of the time of one batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Parts {
    /// Each dispatch, in order: its layer and shader, and its time by the device's clock.
    pub kernels: Vec<(String, Duration)>,
    /// Between the dispatches, by the device's clock.
    pub gaps: Duration,
    /// Everything else up to the outputs in host memory: recording, submitting, waiting, reading back.
    pub host: Duration,
}

/// A set of queries holds no more.
const MOST_DISPATCHES: usize = wgpu::QUERY_SET_MAX_QUERIES as usize / 2;

impl Session {
    /// Runs the batch uploaded last once, with a timestamp round each dispatch, which takes longer
    /// than a plain run. None where the adapter has no timestamps, or the batch takes too many
    /// dispatches.
    ///
    /// # Errors
    /// Those of the device.
    pub async fn run_with_breakdown(&self) -> Result<Option<Parts>> {
        use wgpu::BufferUsages as Usage;
        let device = self.device();
        let Some(prepared) = self.prepared() else {
            return Ok(None);
        };
        let steps = &prepared.plan.steps;
        if !device.info().has(Feature::TimestampQuery) || steps.len() > MOST_DISPATCHES {
            return Ok(None);
        }
        let count = 2 * steps.len() as u32;
        let bytes = 8 * u64::from(count);
        let queries = device.device.create_query_set(&wgpu::QuerySetDescriptor {
            label: None,
            ty: wgpu::QueryType::Timestamp,
            count,
        });
        let resolved = device.buffer(
            "all timestamps",
            bytes,
            Usage::QUERY_RESOLVE | Usage::COPY_SRC,
        );
        let times = device.buffer("read-back", bytes, Usage::COPY_DST | Usage::MAP_READ);

        let start = Instant::now();
        prepared.submit_parts(
            device,
            |encoder, steps| prepared.record_each(encoder, steps, &queries),
            |encoder| {
                encoder.resolve_query_set(&queries, 0..count, &resolved, 0);
                encoder.copy_buffer_to_buffer(&resolved, 0, &times, 0, bytes);
            },
        )?;
        prepared.read_outputs(device).await?;
        let wall = start.elapsed();

        let ticks = |bytes: &[u8]| bytemuck::pod_collect_to_vec::<u8, u64>(bytes);
        let ticks = device
            .read_mapped(&times, bytes, "reading timestamps", ticks)
            .await?;
        let period = f64::from(device.queue.get_timestamp_period());
        let between = |from: u64, to: u64| {
            Duration::from_nanos((to.saturating_sub(from) as f64 * period) as u64)
        };
        let kernels: Vec<(String, Duration)> = steps
            .iter()
            .zip(ticks.chunks_exact(2))
            .map(|(step, pair)| (name(step), between(pair[0], pair[1])))
            .collect();
        let gaps = ticks[1..]
            .chunks_exact(2)
            .map(|pair| between(pair[0], pair[1]))
            .sum();
        let busy: Duration = kernels.iter().map(|(_, time)| *time).sum();
        Ok(Some(Parts {
            host: wall.saturating_sub(busy).saturating_sub(gaps),
            kernels,
            gaps,
        }))
    }
}

/// `layers.0 broadcast`; the chunk's number behind it where there are several.
fn name(step: &Step) -> String {
    let shader = kernel::name(step.pass, step.elements);
    let mut name = match step.layer {
        Some(layer) => format!("layers.{layer} {shader}"),
        None => shader.to_owned(),
    };
    if step.chunk > 0 {
        name.push_str(&format!(" chunk {}", step.chunk));
    }
    name
}
