//! The yardstick: fixed work, timed beside every round of samples, so that what the machine's speed did
//! meanwhile can be told from what the program did.

use std::time::Duration;

use serde::Serialize;

use super::Samples;
use super::sample::thin;
use crate::engine::{Engine, Network, Place};
use crate::error::Result;
use crate::{cpu, gpu};

/// The yardstick's samples beside the rows of one batch size that ran on the same device and threads.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Yardstick {
    /// Images in a batch of those rows.
    pub batch: usize,
    /// Where it ran.
    pub device: Place,
    /// The threads of the CPU path that it ran on; none on the adapter.
    pub threads: Option<usize>,
    /// What it did, in words.
    pub work: String,
    /// One sample for each round, in their order.
    pub wall_ns: Samples,
}

/// The fixed work that runs beside some networks, on each device and number of threads that they use.
#[derive(Debug, Default)]
pub(super) struct Yardsticks {
    all: Vec<(Place, Option<usize>, Work, Vec<Duration>)>,
}

#[derive(Debug)]
enum Work {
    Adapter(Box<gpu::Yardstick>),
    Processor(cpu::Yardstick),
}

impl Yardsticks {
    /// Those for a batch of so many images, beside networks that it was uploaded to and that take so many
    /// operations for each.
    ///
    /// # Errors
    /// Those of the device.
    pub(super) async fn beside(
        engine: &Engine,
        networks: impl Iterator<Item = &Network>,
        images: usize,
        operations: u64,
    ) -> Result<Self> {
        let mut yardsticks = Self::default();
        for network in networks {
            let (place, threads) = (network.placement().place, network.threads());
            // Beside more threads one alone too, which does not feel how soon they meet.
            let alone = threads.filter(|&threads| threads > 1).map(|_| Some(1));
            for threads in alone.into_iter().chain([threads]) {
                let known =
                    |(other, count, ..): &(_, _, _, _)| (*other, *count) == (place, threads);
                if yardsticks.all.iter().any(known) {
                    continue;
                }
                let work = match (place, engine.device()) {
                    (Place::Gpu, Some(device)) => {
                        let yardstick = gpu::Yardstick::new(device, images, operations).await?;
                        Work::Adapter(Box::new(yardstick))
                    }
                    _ => {
                        let (processor, threads) = (engine.processor(), threads.unwrap_or(1));
                        let yardstick = cpu::Yardstick::new(processor, threads, images, operations);
                        Work::Processor(yardstick)
                    }
                };
                yardsticks.all.push((place, threads, work, Vec::new()));
            }
        }
        Ok(yardsticks)
    }

    /// Does each work once; its time is kept unless this is to warm up.
    ///
    /// # Errors
    /// Those of the device.
    pub(super) async fn round(&mut self, keep: bool) -> Result<()> {
        for (_, _, work, samples) in &mut self.all {
            let sample = match work {
                Work::Adapter(yardstick) => yardstick.run().await?,
                Work::Processor(yardstick) => yardstick.run(),
            };
            if keep {
                samples.push(sample);
            }
        }
        Ok(())
    }

    /// Leaves every second sample out.
    pub(super) fn thin(&mut self) {
        for (_, _, _, samples) in &mut self.all {
            thin(samples);
        }
    }

    /// What was measured beside batches of this size.
    pub(super) fn measured(self, batch: usize) -> Vec<Yardstick> {
        let measured = |(device, threads, work, samples): (_, _, Work, Vec<Duration>)| {
            Some(Yardstick {
                batch,
                device,
                threads,
                work: match &work {
                    Work::Adapter(yardstick) => yardstick.work(),
                    Work::Processor(yardstick) => yardstick.work(),
                },
                wall_ns: Samples::new(&samples)?,
            })
        };
        self.all.into_iter().filter_map(measured).collect()
    }
}
