//! Measuring the control workload beside every round of samples.

use std::time::Duration;

use super::engines::Engines;
use super::sample::thin;
use crate::engine::{Engine, Place, Session};
use crate::error::Result;
use crate::results::ControlWorkload;
use crate::stats::Samples;
use crate::{cpu, gpu};

/// The control workloads beside some networks: one for each device and number of threads that they use.
#[derive(Debug, Default)]
pub(super) struct ControlWorkloads(Vec<SampledWorkload>);

#[derive(Debug)]
struct SampledWorkload {
    place: Place,
    /// Its place in the result's list of adapters.
    adapter: usize,
    threads: Option<usize>,
    work: Workload,
    images: usize,
    operations: u64,
    samples: Vec<Duration>,
    /// Where the present block of the samples begins.
    block_start: usize,
}

#[derive(Debug)]
enum Workload {
    Adapter(Box<gpu::ControlWorkload>),
    Processor(cpu::ControlWorkload),
}

impl ControlWorkloads {
    /// Makes them for a batch of `images`, beside networks of this engine that take `operations` for each image.
    ///
    /// # Errors
    /// Those of the device.
    pub(super) async fn beside(
        engines: Engines<'_>,
        engine: usize,
        networks: impl Iterator<Item = &Session>,
        images: usize,
        operations: u64,
    ) -> Result<Self> {
        let mut all: Vec<SampledWorkload> = Vec::new();
        for network in networks {
            let (place, threads) = (network.placement().place, network.threads());
            let adapter = engines.adapter_of(engine, place);
            // Beside several threads one thread as well: its time does not depend on how soon threads meet.
            let single = threads.filter(|&threads| threads > 1).map(|_| Some(1));
            for threads in single.into_iter().chain([threads]) {
                if all
                    .iter()
                    .any(|one| (one.adapter, one.threads) == (adapter, threads))
                {
                    continue;
                }
                let work = match (place, engines.get(engine).device()) {
                    (Place::Gpu, Some(device)) => {
                        let work = gpu::ControlWorkload::new(device, images, operations).await?;
                        Workload::Adapter(Box::new(work))
                    }
                    _ => {
                        let (processor, threads) = (engines.processor(), threads.unwrap_or(1));
                        let work =
                            cpu::ControlWorkload::new(processor, threads, images, operations);
                        Workload::Processor(work)
                    }
                };
                all.push(SampledWorkload {
                    place,
                    adapter,
                    threads,
                    work,
                    images,
                    operations,
                    samples: Vec::new(),
                    block_start: 0,
                });
            }
        }
        Ok(Self(all))
    }

    /// Does each work once. Its time is kept unless this is a warm-up.
    ///
    /// # Errors
    /// Those of the device.
    pub(super) async fn round(&mut self, keep: bool) -> Result<()> {
        for one in &mut self.0 {
            let sample = match &mut one.work {
                Workload::Adapter(work) => work.run().await?,
                Workload::Processor(work) => work.run(),
            };
            if keep {
                one.samples.push(sample);
            }
        }
        Ok(())
    }

    /// Makes the work of an adapter anew, on a device that was opened again. After an error it is as it was.
    ///
    /// # Errors
    /// Those of the device.
    pub(super) async fn restart(&mut self, engine: &Engine) -> Result<()> {
        let Some(device) = engine.device() else {
            return Ok(());
        };
        let on_adapter = |one: &&mut SampledWorkload| matches!(one.work, Workload::Adapter(_));
        let mut made = Vec::new();
        for one in self.0.iter_mut().filter(on_adapter) {
            made.push(gpu::ControlWorkload::new(device, one.images, one.operations).await?);
        }
        for (one, work) in self.0.iter_mut().filter(on_adapter).zip(made) {
            one.work = Workload::Adapter(Box::new(work));
        }
        Ok(())
    }

    /// Drops every second sample of the present block.
    pub(super) fn thin(&mut self) {
        for one in &mut self.0 {
            thin(&mut one.samples, one.block_start);
        }
    }

    /// Ends the present block.
    pub(super) fn end_block(&mut self) {
        for one in &mut self.0 {
            one.block_start = one.samples.len();
        }
    }

    /// What was measured beside batches of this size.
    pub(super) fn measured(&self, batch: usize) -> Vec<ControlWorkload> {
        let measured = |one: &SampledWorkload| {
            Some(ControlWorkload {
                batch,
                device: one.place,
                adapter: one.adapter,
                threads: one.threads,
                work: match &one.work {
                    Workload::Adapter(work) => work.work(),
                    Workload::Processor(work) => work.work(),
                },
                wall_ns: Samples::new(&one.samples)?,
            })
        };
        self.0.iter().filter_map(measured).collect()
    }
}
