//! Taking samples of one mode.

use std::time::{Duration, Instant};

use super::options::BenchOptions;
use crate::engine::{Engine, Session};
use crate::error::{CheckError, Error, Result};
use crate::quantize::QuantizedNetwork;
use crate::stats::Samples;

/// What was measured of one mode.
pub(super) struct Taken {
    pub(super) wall: Samples,
    pub(super) gpu: Option<Samples>,
    pub(super) upload: Samples,
    /// How many samples each block has.
    pub(super) blocks: Vec<usize>,
}

/// A mode to measure on an engine.
pub(super) struct SampledMode<'a> {
    /// Its place among the entries.
    pub(super) entry: usize,
    pub(super) session: &'a mut Session,
    /// What the session was loaded from.
    pub(super) model: &'a QuantizedNetwork,
    /// The outputs that were checked.
    pub(super) outputs: &'a [f32],
}

impl SampledMode<'_> {
    /// The time of an upload and of a pass.
    pub(super) async fn sample(
        &mut self,
        pixels: &[u8],
        options: &BenchOptions,
    ) -> Result<[Duration; 2]> {
        bring_near(pixels);
        self.session.rouse();
        let start = Instant::now();
        self.session.upload(pixels).await?;
        let uploaded = Instant::now();
        let run = self.session.run().await?;
        let (upload, wall) = (uploaded - start, uploaded.elapsed());
        // After the clock was read: every sample comes from a run whose outputs are correct.
        check_repeats(&run.outputs, self.outputs)?;
        Ok(options.slowdown.stretch(start, [upload, wall]))
    }

    pub(super) async fn warm_up(&mut self, pixels: &[u8], passes: usize) -> Result<()> {
        for _ in 0..passes {
            self.session.upload(pixels).await?;
            check_repeats(&self.session.run().await?.outputs, self.outputs)?;
        }
        Ok(())
    }

    /// Loads the network anew, ready for a batch. After an error it is as it was.
    pub(super) async fn reload(&mut self, engine: &Engine, pixels: &[u8]) -> Result<()> {
        let mut loaded = engine.reload(self.session, self.model).await?;
        loaded.upload(pixels).await?;
        *self.session = loaded;
        Ok(())
    }
}

/// The durations of one mode so far.
#[derive(Debug, Default)]
pub(super) struct Durations {
    wall: Vec<Duration>,
    gpu: Vec<Duration>,
    upload: Vec<Duration>,
    /// How many samples the finished blocks have.
    blocks: Vec<usize>,
    /// The longest sample.
    longest: Duration,
}

impl Durations {
    pub(super) fn push(&mut self, [upload, wall]: [Duration; 2], keep: bool) {
        if keep {
            self.upload.push(upload);
            self.wall.push(wall);
        }
        self.longest = self.longest.max(wall);
    }

    pub(super) fn push_device_time(&mut self, time: Option<Duration>) {
        self.gpu.extend(time);
    }

    /// How many samples there are.
    pub(super) fn count(&self) -> usize {
        self.wall.len()
    }

    pub(super) fn longest(&self) -> Duration {
        self.longest
    }

    /// Where the present block begins.
    fn start(&self) -> usize {
        self.blocks.iter().sum()
    }

    /// How many samples the present block has.
    pub(super) fn in_block(&self) -> usize {
        self.count() - self.start()
    }

    /// Drops every second sample of the present block.
    pub(super) fn thin(&mut self) {
        let start = self.start();
        thin(&mut self.upload, start);
        thin(&mut self.wall, start);
    }

    /// Ends the present block.
    pub(super) fn end_block(&mut self) {
        let samples = self.in_block();
        self.blocks.extend((samples > 0).then_some(samples));
    }

    /// What was measured; none without a sample.
    pub(super) fn taken(&self) -> Option<Taken> {
        Some(Taken {
            wall: Samples::new(&self.wall)?,
            gpu: Samples::new(&self.gpu),
            upload: Samples::new(&self.upload)?,
            blocks: self.blocks.clone(),
        })
    }
}

/// Drops every second sample, from `start` on.
pub(super) fn thin(samples: &mut Vec<Duration>, start: usize) {
    let mut at = 0;
    samples.retain(|_| {
        at += 1;
        at <= start || (at - start) % 2 == 1
    });
}

/// Reads the batch, so that it is in the caches for the first mode of a round, which follows a control workload, as it is
/// for the modes that follow another mode's upload.
fn bring_near(pixels: &[u8]) {
    const CACHE_LINE: usize = 64;
    let lines = pixels.iter().step_by(CACHE_LINE);
    std::hint::black_box(lines.fold(0, |all, byte| all ^ byte));
}

/// Every timed run must repeat the checked outputs bit for bit.
fn check_repeats(got: &[f32], want: &[f32]) -> Result<()> {
    if bytemuck::cast_slice::<f32, u32>(got) == bytemuck::cast_slice::<f32, u32>(want) {
        return Ok(());
    }
    Err(Error::CheckFailed(CheckError::NotRepeatable))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_second_sample_of_the_present_block_is_dropped() {
        let mut durations = Durations::default();
        let mut push = |seconds: &[u64]| {
            for &s in seconds {
                durations.push([Duration::from_secs(s), Duration::from_secs(10 * s)], true);
            }
            durations.thin();
            durations.end_block();
            durations.blocks.clone()
        };
        assert_eq!(push(&[1, 2, 3]), [2]);
        assert_eq!(push(&[4, 5, 6, 7]), [2, 2]);
        let taken = durations.taken().unwrap();
        let second = 1_000_000_000;
        assert_eq!(taken.upload.samples, [1, 3, 4, 6].map(|s| s * second));
        assert_eq!(taken.wall.samples, [10, 30, 40, 60].map(|s| s * second));
    }
}
