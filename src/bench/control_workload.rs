//! Measuring the control workload beside every round of samples.

use std::time::Duration;

use super::engines::Engines;
use crate::engine::{Place, Session};
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
    /// Whether another engine runs between its samples: see [`super::sample::SampledMode::shares_caches`].
    shares_caches: bool,
    samples: Vec<Duration>,
}

#[derive(Debug)]
enum Workload {
    Adapter(Box<gpu::ControlWorkload>),
    Processor(cpu::ControlWorkload),
}

impl ControlWorkloads {
    /// Makes them for a batch of `images`, beside networks of these engines that take `operations` for each image.
    ///
    /// # Errors
    /// Those of the device.
    pub(super) async fn beside(
        engines: Engines<'_>,
        networks: impl Iterator<Item = (usize, &Session)>,
        images: usize,
        operations: u64,
    ) -> Result<Self> {
        let mut all: Vec<SampledWorkload> = Vec::new();
        for (engine, network) in networks {
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
                    shares_caches: engines.are_several() && place == Place::Cpu,
                    samples: Vec::new(),
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
                Workload::Processor(work) => {
                    if one.shares_caches {
                        let _warm = work.run();
                    }
                    work.run()
                }
            };
            if keep {
                one.samples.push(sample);
            }
        }
        Ok(())
    }

    /// Drops every second sample.
    pub(super) fn thin(&mut self) {
        for one in &mut self.0 {
            thin(&mut one.samples);
        }
    }

    /// What was measured beside batches of this size.
    pub(super) fn measured(self, batch: usize) -> Vec<ControlWorkload> {
        let measured = |one: SampledWorkload| {
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
        self.0.into_iter().filter_map(measured).collect()
    }
}

/// Drops every second sample.
pub(super) fn thin(samples: &mut Vec<Duration>) {
    let mut at = 0;
    samples.retain(|_| {
        at += 1;
        at % 2 == 1
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_second_sample_is_dropped() {
        let seconds = |list: &[u64]| list.iter().map(|&s| Duration::from_secs(s)).collect();
        let mut samples: Vec<Duration> = seconds(&[1, 2, 3, 4, 5]);
        thin(&mut samples);
        assert_eq!(samples, seconds(&[1, 3, 5]) as Vec<Duration>);
    }
}
