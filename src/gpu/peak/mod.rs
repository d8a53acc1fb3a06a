//! Measuring the ceilings of an adapter: the highest rate of one operation.
//!
//! A microkernel keeps everything in registers and does only this operation, so no real kernel can be faster at it. A
//! copy does the same for memory. The fastest way to write it differs between adapters, so a few [`ProbeShape`]s are tried and
//! the best one is sampled. The host checks the results of each shape before it is timed.

mod probe;
mod table;
mod twin;

use std::sync::Arc;
use std::time::Instant;

pub use probe::ProbeParams;
pub use table::ProbeShape;

use super::device::Device;
use crate::error::{Error, Result};
use crate::peak::{Ceiling, PeakEffort};
use probe::Probe;

/// The measurement of one ceiling of an adapter.
pub type Peak = crate::peak::Peak<ProbeShape>;

/// How many samples of each shape decide which one is the fastest.
const TRIAL: usize = 3;

/// The ceilings of an adapter. `None` is one that was not measured or that the adapter lacks.
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
    /// The measurement of a ceiling.
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

    /// Keeps the faster measurement of each ceiling, this one or that of `other`. On a busy machine the faster one of two
    /// measurements is nearer the truth.
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
/// `Error::CheckFailed` where a microkernel computes something else than it must; those of the device.
pub async fn measure(
    device: &Arc<Device>,
    ceilings: &[Ceiling],
    effort: PeakEffort,
) -> Result<Peaks> {
    let mut peaks = Peaks::default();
    for &ceiling in ceilings {
        // Matrix units have to be requested when a device is opened.
        let closed = ceiling == Ceiling::Matrix && device.limits().matrix_units.is_none();
        if closed || ceiling.lacks(device.info()).is_some() {
            continue;
        }
        peaks.put(ceiling, measure_one(device, ceiling, effort).await?);
    }
    Ok(peaks)
}

/// Runs one shape once and checks its results, as [`measure`] does before it times a shape.
///
/// # Errors
/// Those of [`measure`].
pub async fn check(device: &Arc<Device>, shape: ProbeShape) -> Result<()> {
    let operands = probe::operands(device, shape.ceiling());
    Probe::new(device, shape, &operands).await.map(drop)
}

async fn measure_one(device: &Arc<Device>, ceiling: Ceiling, effort: PeakEffort) -> Result<Peak> {
    let start = Instant::now();
    let operands = probe::operands(device, ceiling);
    let mut best: Option<(Probe, Peak)> = None;
    for shape in ProbeShape::all(ceiling, device.limits().matrix_units) {
        // The other half of the time is for the samples.
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
    fn the_faster_of_two_measurements_is_kept() {
        let peak = |shape, best| Peak {
            shape,
            samples: vec![best, 1.0],
        };
        let slower = peak(ProbeShape::CopyShader, 9.0);
        let faster = peak(ProbeShape::CopyCommand, 10.0);
        let mut peaks = Peaks::default();
        for (found, best) in [(&slower, 9.0), (&faster, 10.0), (&slower, 10.0)] {
            peaks.merge(Peaks {
                copy: Some(found.clone()),
                ..Peaks::default()
            });
            assert_eq!(peaks.get(Ceiling::Copy).map(Peak::best), Some(best));
        }
    }
}
