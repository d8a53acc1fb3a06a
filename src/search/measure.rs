//! Measuring assignments on an engine: what they answer, and how long they take beside f32.

use std::time::{Duration, Instant};

use super::options::SearchOptions;
use super::result::Measured;
use crate::dataset::Dataset;
use crate::engine::{Engine, Session, labels};
use crate::error::Result;
use crate::quantize::QuantizedNetwork;
use crate::reference;
use crate::tune::Tuner;

/// Images at a time when answers are collected, on which they do not depend.
const ANSWERED_AT_ONCE: usize = 1_000;

/// The rounds, each one run of either, in which an assignment is timed beside f32 while others are still to
/// be tried; and the time after which three of them are enough.
const ROUNDS: usize = 15;
const PATIENCE: Duration = Duration::from_millis(500);

/// The blocks of the comparison that decides, the most where the order stays open, and the fewest rounds in each.
const FINAL_BLOCKS: u32 = 6;
const MOST_BLOCKS: u32 = 24;
const FINAL_ROUNDS: usize = 3;

/// The times of batches of one network in nanoseconds, by block.
pub(super) type Blocks = Vec<Vec<u64>>;

/// f32 on an engine, beside which everything else is measured.
pub(super) struct Bench<'a> {
    engine: &'a Engine,
    data: &'a Dataset,
    options: &'a SearchOptions,
    f32: Session,
    outputs: Vec<f32>,
    labels: Vec<usize>,
    width: usize,
}

impl<'a> Bench<'a> {
    pub async fn new(
        engine: &'a Engine,
        data: &'a Dataset,
        options: &'a SearchOptions,
        f32: &QuantizedNetwork,
    ) -> Result<Self> {
        let width = f32.architecture().outputs();
        let mut network = engine.load(f32).await?;
        let outputs = answers(&mut network, data).await?;
        let labels = labels(&outputs, width);
        Ok(Self {
            engine,
            data,
            options,
            f32: network,
            outputs,
            labels,
            width,
        })
    }

    /// What a quantized network answers, and how long it takes.
    pub async fn measure(&mut self, quantized: &QuantizedNetwork) -> Result<Measured> {
        let mut network = self.engine.load(quantized).await?;
        let outputs = answers(&mut network, self.data).await?;
        let found = labels(&outputs, self.width);
        let truth = self.data.labels()?;
        let changes = found.iter().zip(&self.labels).filter(|(a, b)| a != b);
        let square = |(a, b): (&f32, &f32)| f64::from(a - b).powi(2);
        let sum: f64 = outputs.iter().zip(&self.outputs).map(square).sum();
        let error = sum / outputs.len() as f64;
        let finite =
            outputs.iter().all(|output| output.is_finite()) && !self.overflows(quantized)?;
        // An answer outside the range of its type is none.
        let right = |label: &usize, truth: &u8| finite && *label == usize::from(*truth);
        let (mut correct, mut only_f32, mut only_this) = (0, 0, 0);
        for ((own, f32), truth) in found.iter().zip(&self.labels).zip(truth) {
            let (own, f32) = (right(own, truth), *f32 == usize::from(*truth));
            correct += usize::from(own);
            only_f32 += usize::from(f32 && !own);
            only_this += usize::from(own && !f32);
        }
        Ok(Measured {
            accuracy: correct as f64 / found.len() as f64,
            only_f32,
            only_this,
            label_changes: changes.count(),
            output_error: if finite { error } else { f64::MAX },
            relative_time: self.relative_time(&mut network).await?,
            parameter_bytes: quantized.parameter_bytes(),
        })
    }

    /// Whether values leave the range of their type on any image, which an activation behind them may hide.
    fn overflows(&self, quantized: &QuantizedNetwork) -> Result<bool> {
        let found = reference::out_of_range(quantized, &self.data.images.pixels, 1)?;
        Ok(found.is_some())
    }

    /// The median time of a batch over f32's, taken in turn.
    async fn relative_time(&mut self, network: &mut Session) -> Result<f64> {
        let pixels = batch(self.data, self.options.batch);
        let start = Instant::now();
        let mut times = [Vec::new(), Vec::new()];
        for round in 0..=ROUNDS {
            for (network, times) in [&mut self.f32, &mut *network].into_iter().zip(&mut times) {
                let time = once(network, pixels).await?;
                // The first is for warming up.
                if round > 0 {
                    times.push(time);
                }
            }
            if round >= 3 && start.elapsed() > PATIENCE {
                break;
            }
        }
        let [f32, own] = times.map(median);
        Ok(own.as_secs_f64() / f32.as_secs_f64().max(1e-9))
    }

    /// The times of batches of each of `models` in nanoseconds, all in turn, each with the kernels that are fastest. They
    /// are in blocks, before each of which the networks are loaded anew. There are more blocks until the order is decided.
    pub async fn compare(
        &self,
        models: &[QuantizedNetwork],
        is_decided: &dyn Fn(&[Blocks]) -> bool,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<Blocks>> {
        let pixels = batch(self.data, self.options.batch);
        let mut networks = Vec::new();
        let mut tuner = Tuner::new(self.options.tuning);
        for model in models {
            let mut network = self.engine.load(model).await?;
            // What one took is not taken from the others: a comparison of kernels is none of precisions.
            tuner.renew();
            tuner.tune(&mut network, pixels).await?;
            networks.push(network);
        }
        let mut blocks = vec![Vec::new(); networks.len()];
        let all = self.options.min_time * u32::try_from(networks.len()).unwrap_or(u32::MAX);
        let start = Instant::now();
        for block in 1..=MOST_BLOCKS {
            if block > FINAL_BLOCKS && is_decided(&blocks) {
                break;
            }
            for (network, model) in networks.iter_mut().zip(models) {
                *network = self.engine.reload(network, model).await?;
                once(network, pixels).await?;
            }
            let mut times = vec![Vec::new(); networks.len()];
            let end = all * block / FINAL_BLOCKS;
            let mut rounds = 0;
            while rounds < FINAL_ROUNDS || start.elapsed() < end {
                for (network, times) in networks.iter_mut().zip(&mut times) {
                    let time = once(network, pixels).await?.as_nanos();
                    times.push(u64::try_from(time).unwrap_or(u64::MAX));
                }
                rounds += 1;
                let done = start.elapsed().min(all).as_millis() as usize;
                progress(done, all.as_millis() as usize);
            }
            for (blocks, times) in blocks.iter_mut().zip(times) {
                blocks.push(times);
            }
        }
        Ok(blocks)
    }
}

/// The outputs for all images.
pub(super) async fn answers(network: &mut Session, data: &Dataset) -> Result<Vec<f32>> {
    let at_once = ANSWERED_AT_ONCE.min(data.len());
    network
        .infer(&data.images.pixels, at_once, &mut |_| ())
        .await
}

/// The first images, as many as a batch has, or all.
fn batch(data: &Dataset, size: usize) -> &[u8] {
    data.images.range(0, size.min(data.len()))
}

/// The time of one run, from pixels on the device to outputs in host memory.
async fn once(network: &mut Session, pixels: &[u8]) -> Result<Duration> {
    network.upload(pixels).await?;
    let start = Instant::now();
    network.run().await?;
    Ok(start.elapsed())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
