//! Ceilings: the most that an adapter does of one thing, measured on it, in this run.
//!
//! A microkernel keeps everything in registers and does nothing but the operation in question, so
//! that no real kernel can be faster at it; a copy does the same for memory. Which way of writing
//! it is the fastest differs between adapters, so a few [`Shape`]s are tried and the best is
//! sampled. What each of them computes is checked on the host before it is timed.

mod probe;
mod table;
mod twin;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use probe::Params;
pub use table::{Ceiling, Shape};

use super::device::Device;
use crate::error::{Error, Result};
use probe::Probe;

/// Samples of a shape that are taken to tell whether it is the fastest.
const TRIAL: usize = 3;

/// How long a ceiling is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// How long one sample is to take. Short ones are less often disturbed by what else runs.
    pub sample: Duration,
    /// How long all of it is to take, compilation included, for each ceiling.
    pub total: Duration,
    /// The fewest samples, whatever the time.
    pub fewest: usize,
}

impl Effort {
    /// A glance, of about a quarter of a second for each ceiling on two processor cores.
    #[must_use]
    pub fn quick() -> Self {
        Self {
            sample: Duration::from_millis(5),
            total: Duration::from_millis(200),
            fewest: 3,
        }
    }

    /// About a second for each ceiling.
    #[must_use]
    pub fn full() -> Self {
        Self {
            sample: Duration::from_millis(10),
            total: Duration::from_secs(1),
            fewest: 10,
        }
    }
}

/// What was measured of one ceiling.
#[derive(Clone, Debug, PartialEq)]
pub struct Peak<S = Shape> {
    /// The shape that was the fastest; the CPU path's has one for each instruction set.
    pub shape: S,
    /// Its samples, operations or bytes per second, in the order in which they were taken.
    pub samples: Vec<f64>,
}

impl<S> Peak<S> {
    /// The ceiling: the fastest sample. What slows the others down is no part of what an adapter
    /// can do.
    #[must_use]
    pub fn best(&self) -> f64 {
        self.samples.iter().copied().fold(0.0, f64::max)
    }

    /// The middle sample, or the mean of the two middle ones.
    #[must_use]
    pub fn median(&self) -> f64 {
        let mut sorted = self.samples.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(0.0);
        f64::midpoint(at(sorted.len().saturating_sub(1) / 2), at(sorted.len() / 2))
    }

    /// The standard deviation (n - 1) of the samples over their mean.
    #[must_use]
    pub fn spread(&self) -> f64 {
        let count = self.samples.len() as f64;
        if count < 2.0 {
            return 0.0;
        }
        let mean = self.samples.iter().sum::<f64>() / count;
        let squares: f64 = self.samples.iter().map(|s| (s - mean).powi(2)).sum();
        (squares / (count - 1.0)).sqrt() / mean
    }
}

/// The ceilings of an adapter. None is one that was not asked for, or that the adapter lacks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Peaks {
    /// Multiply-adds in f32: operations per second, two for each.
    pub f32: Option<Peak>,
    /// Multiply-adds in native 16-bit floats: operations per second, two for each.
    pub f16: Option<Peak>,
    /// Multiply-adds of matrices of f16 by matrix units: operations per second, two for each product.
    pub matrix: Option<Peak>,
    /// Packed int8 dot products: operations per second, four products and four sums for each.
    pub int8_dot: Option<Peak>,
    /// A copy of memory: bytes per second, those read and those written.
    pub copy: Option<Peak>,
}

impl Peaks {
    /// What was measured of a ceiling.
    #[must_use]
    pub fn get(&self, ceiling: Ceiling) -> Option<&Peak> {
        match ceiling {
            Ceiling::F32 => self.f32.as_ref(),
            Ceiling::F16 => self.f16.as_ref(),
            Ceiling::Matrix => self.matrix.as_ref(),
            Ceiling::Int8Dot => self.int8_dot.as_ref(),
            Ceiling::Copy => self.copy.as_ref(),
        }
    }

    /// Keeps of each ceiling what was faster, here or in `other`: where something else takes the
    /// machine's time now and then, a ceiling that was looked for twice is nearer the truth.
    pub fn merge(&mut self, other: Self) {
        let Self {
            f32,
            f16,
            matrix,
            int8_dot,
            copy,
        } = other;
        let others = [f32, f16, matrix, int8_dot, copy];
        for (ceiling, other) in Ceiling::ALL.into_iter().zip(others) {
            if let Some(other) = other
                && self
                    .get(ceiling)
                    .is_none_or(|peak| peak.best() < other.best())
            {
                self.put(ceiling, other);
            }
        }
    }

    fn put(&mut self, ceiling: Ceiling, peak: Peak) {
        let place = match ceiling {
            Ceiling::F32 => &mut self.f32,
            Ceiling::F16 => &mut self.f16,
            Ceiling::Matrix => &mut self.matrix,
            Ceiling::Int8Dot => &mut self.int8_dot,
            Ceiling::Copy => &mut self.copy,
        };
        *place = Some(peak);
    }
}

/// Measures the `ceilings` that the adapter has.
///
/// # Errors
/// `Error::CheckFailed` where a microkernel does not compute what it must; those of the device.
pub async fn measure(device: &Arc<Device>, ceilings: &[Ceiling], effort: Effort) -> Result<Peaks> {
    let mut peaks = Peaks::default();
    for &ceiling in ceilings {
        // Matrix units have to be asked for when a device is opened.
        let closed = ceiling == Ceiling::Matrix && device.limits().matrix_units.is_none();
        if closed || ceiling.lacks(device.info()).is_some() {
            continue;
        }
        peaks.put(ceiling, measure_one(device, ceiling, effort).await?);
    }
    Ok(peaks)
}

/// Runs one shape once and checks what it gives, as [`measure`] does before it times it.
///
/// # Errors
/// Those of [`measure`].
pub async fn check(device: &Arc<Device>, shape: Shape) -> Result<()> {
    let operands = probe::operands(device, shape.ceiling());
    Probe::new(device, shape, &operands).await.map(drop)
}

async fn measure_one(device: &Arc<Device>, ceiling: Ceiling, effort: Effort) -> Result<Peak> {
    let start = Instant::now();
    let operands = probe::operands(device, ceiling);
    let mut best: Option<(Probe, Peak)> = None;
    for shape in ceiling.shapes(device.limits().matrix_units) {
        // The rest of the time is for the samples.
        if best.is_some() && start.elapsed() >= effort.total / 2 {
            break;
        }
        let mut probe = Probe::new(device, shape, &operands).await?;
        probe.calibrate(effort.sample)?;
        let samples: Result<Vec<f64>> = (0..TRIAL).map(|_| probe.sample()).collect();
        let samples = samples?;
        let peak = Peak { shape, samples };
        if best
            .as_ref()
            .is_none_or(|(_, best)| best.best() < peak.best())
        {
            best = Some((probe, peak));
        }
    }
    let nothing = || Error::missing(format!("microkernel for {ceiling}"));
    let (probe, mut peak) = best.ok_or_else(nothing)?;
    while peak.samples.len() < effort.fewest || start.elapsed() < effort.total {
        peak.samples.push(probe.sample()?);
    }
    Ok(peak)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_is_the_fastest_sample() {
        let mut peak = Peak {
            shape: Shape::CopyCommand,
            samples: vec![4.0, 10.0, 2.0],
        };
        assert_eq!((peak.best(), peak.median()), (10.0, 4.0));
        // Deviations -4/3, 14/3, -10/3: 104/3 over n - 1 = 2.
        let stddev = (52.0_f64 / 3.0).sqrt();
        assert!((peak.spread() - stddev / (16.0 / 3.0)).abs() <= 1e-12);
        peak.samples.push(6.0);
        assert_eq!(peak.median(), 5.0);
        let slower = Peak {
            shape: Shape::CopyShader,
            samples: vec![9.0],
        };
        let mut peaks = Peaks::default();
        for (found, best) in [(&slower, 9.0), (&peak, 10.0), (&slower, 10.0)] {
            peaks.merge(Peaks {
                copy: Some(found.clone()),
                ..Peaks::default()
            });
            assert_eq!(peaks.get(Ceiling::Copy).map(Peak::best), Some(best));
        }
        peak.samples.truncate(1);
        assert_eq!((peak.best(), peak.median(), peak.spread()), (4.0, 4.0, 0.0));
    }
}
