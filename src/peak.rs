//! Ceilings as plain data: what is measured, for how long, and the result. Each executor measures its own, in its
//! module `peak`.

use std::fmt;
use std::time::Duration;

use crate::adapter::{AdapterInfo, Feature};

/// An operation whose highest rate on an adapter is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ceiling {
    /// Multiply-add in f32: 2 operations.
    F32,
    /// Multiply-add in native 16-bit floats: 2 operations. It needs `shader-f16`.
    F16,
    /// Multiply-add of f16 matrices on matrix units, with f32 sums: 2 operations for each product.
    Matrix,
    /// The dot product of four int8 values, added to a sum: 8 operations.
    Int8Dot,
    /// A copy of memory: all bytes read and written.
    Copy,
}

impl Ceiling {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::F32,
        Self::F16,
        Self::Matrix,
        Self::Int8Dot,
        Self::Copy,
    ];

    /// The name in every output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Matrix => "f16-matrix",
            Self::Int8Dot => "int8-dot",
            Self::Copy => "copy",
        }
    }

    /// What is counted.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::F32 | Self::F16 | Self::Matrix | Self::Int8Dot => "operations",
            Self::Copy => "bytes",
        }
    }

    /// Why an adapter cannot do it. `None` where it can.
    #[must_use]
    pub fn lacks(self, info: &AdapterInfo) -> Option<&'static str> {
        let lacks_f16 = self == Self::F16 && !info.has(Feature::ShaderF16);
        match self {
            Self::Matrix => info.lacks_matrix_units(),
            _ => lacks_f16.then_some("the adapter has no shader-f16"),
        }
    }
}

impl fmt::Display for Ceiling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// An operation whose highest rate on the processor is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProcessorCeiling {
    /// Multiply-add in f32: 2 operations. The CPU path computes f16 with it too.
    F32,
    /// Products of int8 values, summed in int32: 2 operations each.
    Int8,
}

impl ProcessorCeiling {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::F32, Self::Int8];

    /// The name in every output, the same as that of an adapter's ceiling.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Int8 => "int8-dot",
        }
    }
}

impl fmt::Display for ProcessorCeiling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How long a ceiling is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeakEffort {
    /// The time that one sample takes. Other work on the machine disturbs short samples less often.
    pub sample: Duration,
    /// The time that one ceiling takes in all, compilation included.
    pub total: Duration,
    /// The fewest samples, however long they take.
    pub fewest: usize,
}

impl PeakEffort {
    /// About a quarter of a second for each ceiling on two processor cores.
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

/// The measurement of one ceiling.
#[derive(Clone, Debug, PartialEq)]
pub struct Peak<S> {
    /// The fastest shape. The CPU path has one shape for each instruction set.
    pub shape: S,
    /// Its samples in operations or bytes per second, in the order of measurement.
    pub samples: Vec<f64>,
}

impl<S> Peak<S> {
    /// The ceiling: the fastest sample. What slows down the other samples does not limit the adapter.
    #[must_use]
    pub fn best(&self) -> f64 {
        self.samples.iter().copied().fold(0.0, f64::max)
    }

    /// The middle sample, or the mean of the two middle samples.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_is_the_fastest_sample() {
        let mut peak = Peak {
            shape: (),
            samples: vec![4.0, 10.0, 2.0],
        };
        assert_eq!((peak.best(), peak.median()), (10.0, 4.0));
        // Deviations -4/3, 14/3, -10/3: 104/3 over n - 1 = 2.
        let stddev = (52.0_f64 / 3.0).sqrt();
        assert!((peak.spread() - stddev / (16.0 / 3.0)).abs() <= 1e-12);
        peak.samples.push(6.0);
        assert_eq!(peak.median(), 5.0);
        peak.samples.truncate(1);
        assert_eq!((peak.best(), peak.median(), peak.spread()), (4.0, 4.0, 0.0));
    }
}
