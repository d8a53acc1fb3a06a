//! What a benchmark measures, and for how long.

use std::time::Duration;

use super::slowdown::Slowdown;

use crate::Precision;
use crate::mode::Mode;
use crate::quantize::{Recipe, Sample};
use crate::tune::Tuning;

/// The fewest samples by default.
pub(super) const FEWEST: usize = 10;

/// What is measured, and how long.
#[derive(Clone, Debug)]
pub struct BenchOptions {
    /// The modes that the model runs in, in the order of the rows.
    pub modes: Vec<Mode>,
    /// Whether the user named each mode. Then a mode that cannot run is an error; otherwise its row says so.
    pub named: bool,
    /// Batch sizes. A batch larger than the data set is the whole data set.
    pub batches: Vec<usize>,
    /// Samples of each mode; as many as `min_time` needs where none is given.
    pub runs: Option<usize>,
    /// Passes before the first sample.
    pub warmup: usize,
    /// The time of each mode's samples, with what is done around them. Up to [`TIME_TO_COMPARE`], about 1,000 samples
    /// of it are kept, spread over the whole time.
    pub min_time: Duration,
    /// The time of the whole benchmark, [`MAX_TIME`] by default. Samples are taken until the observer calls the result
    /// settled, or until this has passed. If it is given, it also ends the samples that `min_time` asks for, except the
    /// fewest.
    pub max_time: Option<Duration>,
    /// The fewest samples of each mode, whatever `min_time`. At most 10 are required where one takes longer than 0.2
    /// seconds, and 5 where one takes longer than a second.
    pub fewest: usize,
    /// How much is tuned before anything is measured.
    pub tuning: Tuning,
    /// Whether each batch is also broken down with the unfused kernels.
    pub breakdown: bool,
    /// Makes every sample longer by this share of itself, by idle work. It tests whether a comparison sees a slowdown
    /// of a known size. The result is marked.
    pub slowdown: Slowdown,
    /// The most bytes of all buffers, by plan. Each mode is then also measured at the largest batch that
    /// fits.
    pub memory_limit: Option<u64>,
    /// How the model is quantized.
    pub recipe: Recipe,
    /// The images that quantization is calibrated on; those inside the program where none are given.
    pub calibration: Option<Sample>,
    /// The most images in a batch.
    pub batch_limit: Option<usize>,
    /// The operations for an image that the control workload is made for; those of the model where none are given. Two
    /// models whose times are compared have the same control workload.
    pub control_operations: Option<u64>,
}

/// A `min_time` for results that are compared with other runs. A slow spell of a machine lasts tenths of a second, and
/// must not fill a whole run.
pub const TIME_TO_COMPARE: Duration = Duration::from_secs(2);

/// The time of a whole benchmark by default.
pub const MAX_TIME: Duration = Duration::from_secs(30);

impl BenchOptions {
    /// How long the whole benchmark of so many rows may take until its result is settled: [`MAX_TIME`], or that beside
    /// the samples of `min_time` where these need much of it, unless `max_time` says.
    #[must_use]
    pub fn time_limit(&self, rows: usize) -> Duration {
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        let samples = self.min_time.saturating_mul(rows);
        self.max_time.unwrap_or(if samples > MAX_TIME / 2 {
            samples.saturating_add(MAX_TIME)
        } else {
            MAX_TIME
        })
    }

    /// The batch sizes of `batches`, none larger than `batch_limit`.
    #[must_use]
    pub fn listed(&self) -> Vec<usize> {
        let most = self.batch_limit.unwrap_or(usize::MAX);
        let batches = self.batches.iter();
        batches.map(|&batch| batch.min(most)).collect()
    }
}

impl Default for BenchOptions {
    fn default() -> Self {
        Self {
            modes: Precision::ALL.map(Mode::from).to_vec(),
            named: false,
            batches: vec![1, 32, 1000],
            runs: None,
            warmup: 3,
            min_time: Duration::from_millis(300),
            max_time: None,
            fewest: FEWEST,
            tuning: Tuning::Quick,
            breakdown: false,
            slowdown: Slowdown::default(),
            memory_limit: None,
            recipe: Recipe::default(),
            calibration: None,
            batch_limit: None,
            control_operations: None,
        }
    }
}
