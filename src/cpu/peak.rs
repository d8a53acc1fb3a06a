//! Measuring the ceilings of the processor: the highest rate of one operation, on all threads that the CPU path uses, with
//! the instruction set of its kernels.
//!
//! A loop keeps everything in registers and does only this operation. Its results are checked before it is timed.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::processor::{Lanes, Processor};
use super::simd::{Simd, Work};
use crate::adapter::ProcessorInfo;
use crate::error::{CheckError, Error, Result};
use crate::peak::{Peak, PeakEffort, ProcessorCeiling};

/// The fewest and the most steps of one sample. The check takes the fewest.
const STEPS: (usize, usize) = (64, 1 << 30);

/// The time of one sample. During it each thread needs a processor of its own, which is likely for less than a time slice
/// of the scheduler. Waking the threads takes a hundredth of it.
const SAMPLE: Duration = Duration::from_micros(300);

/// The fewest samples. They are short, and a busy machine disturbs most of them.
const FEWEST: usize = 20;

/// The pieces of a sample for each thread.
const PIECES: usize = 16;

/// How often one number of steps is timed. Other work on the machine makes some of them slow, but not all.
const TRIES: usize = 5;

/// Measures a ceiling. Of `effort` it uses the total time and the fewest samples.
///
/// # Errors
/// `Error::CheckFailed` where the loop gives other results than expected.
pub fn measure(
    processor: &Processor,
    ceiling: ProcessorCeiling,
    effort: PeakEffort,
) -> Result<Peak<ProcessorInfo>> {
    let start = Instant::now();
    check(processor, ceiling)?;
    let mut steps = STEPS.0;
    let elapsed = |steps| (0..TRIES).map(|_| run(processor, ceiling, steps).1).min();
    while elapsed(steps) < Some(SAMPLE) && steps < STEPS.1 {
        steps *= 2;
    }
    let mut samples = Vec::new();
    let fewest = effort.fewest.max(FEWEST);
    while samples.len() < fewest || start.elapsed() < effort.total {
        let (operations, elapsed) = run(processor, ceiling, steps);
        samples.push(operations as f64 / elapsed.as_secs_f64());
    }
    Ok(Peak {
        shape: processor.info(),
        samples,
    })
}

/// Runs [`PIECES`] times `steps` for each thread. The threads claim the pieces one by one, as they do a batch's blocks.
/// Gives the operations of all threads and the time.
fn run(processor: &Processor, ceiling: ProcessorCeiling, steps: usize) -> (u64, Duration) {
    let threads = processor.info().threads;
    let pieces = AtomicUsize::new(PIECES * threads);
    let total = AtomicU64::new(0);
    let claim = || {
        pieces.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            left.checked_sub(1)
        })
    };
    let start = Instant::now();
    processor.on_threads(threads, &|isa, _| {
        while claim().is_ok() {
            let operations = match ceiling {
                ProcessorCeiling::F32 => isa.run(MultiplyAdds { steps }).operations,
                ProcessorCeiling::Int8 => isa.run(Products { steps }).operations,
            };
            total.fetch_add(operations, Ordering::Relaxed);
        }
    });
    (total.into_inner(), start.elapsed())
}

/// The values that one step computes side by side: enough to hide the latency of one operation, and few enough for
/// sixteen registers.
const CHAINS: usize = 12;

/// The work and the results of a loop.
struct Loop<T> {
    /// The operations of one thread.
    operations: u64,
    /// The sum of each chain's lanes.
    values: [T; CHAINS],
}

/// The most lanes of a vector. Each lane starts with another value, so that a compiler cannot compute one from another.
const LANES: usize = 16;

/// The factor and the term of each step. Chains settle at −0.4, far from denormal numbers.
const FACTOR: f32 = -0.875;
const TERM: f32 = -0.75;

fn start_f32(chain: usize, lane: usize) -> f32 {
    (chain * LANES + lane) as f32 / 256.0
}

struct MultiplyAdds {
    steps: usize,
}

#[expect(unsafe_code, reason = "computed with vectors")]
impl Work for MultiplyAdds {
    type Output = Loop<f32>;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> Loop<f32> {
        // SAFETY: the caller's promise; the buffer holds a vector.
        unsafe {
            let (factor, term) = (S::splat(FACTOR), S::splat(TERM));
            let mut chains: [S::F; CHAINS] = std::array::from_fn(|chain| {
                let lanes: [f32; LANES] = std::array::from_fn(|lane| start_f32(chain, lane));
                S::load(lanes.as_ptr())
            });
            for _ in 0..self.steps {
                for chain in &mut chains {
                    *chain = S::mul_add(*chain, factor, term);
                }
            }
            Loop {
                operations: (2 * S::LANES * CHAINS * self.steps) as u64,
                values: chains.map(|chain| S::reduce_add(chain)),
            }
        }
    }
}

/// The quantized weights of a group. Kernels with values of 16 bits take the first two.
const WEIGHTS: [i8; 4] = [3, -7, 11, -5];

fn start_i32(chain: usize, lane: usize) -> i32 {
    ((chain * LANES + lane) as i32 + 1).wrapping_mul(0x0305_0b11)
}

struct Products {
    steps: usize,
}

#[expect(unsafe_code, reason = "computed with vectors")]
impl Work for Products {
    type Output = Loop<i32>;

    /// Each sum takes the next sum as its values, so no product occurs twice and the compiler can move none out of the
    /// loop.
    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> Loop<i32> {
        let mut weights = [0; 64];
        for (at, weight) in weights.iter_mut().enumerate() {
            *weight = WEIGHTS[at % S::GROUP];
        }
        // SAFETY: the caller's promise; 64 bytes hold a vector of weights.
        unsafe {
            let weights = S::load_weights(weights.as_ptr());
            let mut sums: [S::I; CHAINS] = std::array::from_fn(|chain| {
                let lanes: [i32; LANES] = std::array::from_fn(|lane| start_i32(chain, lane));
                S::load_i32(lanes.as_ptr())
            });
            for _ in 0..self.steps {
                for chain in 0..CHAINS {
                    sums[chain] = S::dot(sums[chain], sums[(chain + 1) % CHAINS], weights);
                }
            }
            Loop {
                operations: (2 * S::LANES * S::GROUP * CHAINS * self.steps) as u64,
                values: sums.map(|sum| {
                    let mut lanes = [0; LANES];
                    S::store_i32(lanes.as_mut_ptr(), sum);
                    lanes.into_iter().fold(0, i32::wrapping_add)
                }),
            }
        }
    }
}

/// Compares the loops' results with the same recurrence, computed one number at a time.
fn check(processor: &Processor, ceiling: ProcessorCeiling) -> Result<()> {
    let steps = STEPS.0;
    let Lanes { lanes, group, .. } = processor.lanes();
    let right = match ceiling {
        ProcessorCeiling::F32 => {
            let got = processor.isa().run(MultiplyAdds { steps }).values;
            // As on an adapter, each later step shrinks the rounding errors of earlier ones by the factor.
            let tolerance = 8.0 * f64::from(f32::EPSILON) * lanes as f64;
            let want = multiply_adds(lanes, steps);
            got.into_iter()
                .zip(want)
                .all(|(got, want)| (f64::from(got) - want).abs() <= tolerance)
        }
        ProcessorCeiling::Int8 => {
            processor.isa().run(Products { steps }).values == products(lanes, group, steps)
        }
    };
    if right {
        return Ok(());
    }
    Err(Error::CheckFailed(CheckError::WrongResult {
        what: format!("the loop that measures {ceiling}"),
        device: "the CPU".into(),
        problem: "its values differ from the expected ones".into(),
    }))
}

fn multiply_adds(lanes: usize, steps: usize) -> [f64; CHAINS] {
    let value = |chain, lane| {
        let start = f64::from(start_f32(chain, lane));
        (0..steps).fold(start, |x, _| x * f64::from(FACTOR) + f64::from(TERM))
    };
    std::array::from_fn(|chain| (0..lanes).map(|lane| value(chain, lane)).sum())
}

/// Quantized values are four unsigned bytes or two signed numbers of 16 bits.
fn products(lanes: usize, group: usize, steps: usize) -> [i32; CHAINS] {
    let dot = |quantized: i32| -> i32 {
        let bytes = quantized.to_le_bytes();
        let q = |at: usize| match group {
            4 => i32::from(bytes[at]),
            _ => i32::from(i16::from_le_bytes([bytes[2 * at], bytes[2 * at + 1]])),
        };
        (0..group).map(|at| q(at) * i32::from(WEIGHTS[at])).sum()
    };
    let mut totals = [0_i32; CHAINS];
    for lane in 0..lanes {
        let mut sums: [i32; CHAINS] = std::array::from_fn(|chain| start_i32(chain, lane));
        for _ in 0..steps {
            for chain in 0..CHAINS {
                sums[chain] = sums[chain].wrapping_add(dot(sums[(chain + 1) % CHAINS]));
            }
        }
        for (total, sum) in totals.iter_mut().zip(sums) {
            *total = total.wrapping_add(sum);
        }
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::{ProcessorOptions, Supported};

    #[test]
    fn what_is_timed_is_computed_and_counted() {
        for supported in Supported::all() {
            let options = ProcessorOptions {
                isa: Some(supported.isa()),
                threads: Some(2),
            };
            let processor = Processor::new(options).unwrap();
            let lanes = processor.lanes();
            for ceiling in ProcessorCeiling::ALL {
                check(&processor, ceiling).unwrap();
                let in_group = if ceiling == ProcessorCeiling::Int8 {
                    lanes.group
                } else {
                    1
                };
                let each = 2 * lanes.lanes * in_group * CHAINS * 100 * PIECES;
                assert_eq!(
                    run(&processor, ceiling, 100).0,
                    2 * each as u64,
                    "{supported:?}"
                );
            }
        }
    }

    #[test]
    fn skipped_work_would_be_seen() {
        for supported in Supported::all() {
            let processor = Processor::new(ProcessorOptions {
                isa: Some(supported.isa()),
                threads: Some(1),
            });
            let Lanes { lanes, group, .. } = processor.unwrap().lanes();
            for steps in [0, 1, STEPS.0 - 1, STEPS.0 + 1] {
                let got = supported.run(Products { steps }).values;
                assert_ne!(
                    got,
                    products(lanes, group, STEPS.0),
                    "{supported:?}, {steps} steps"
                );
                assert_eq!(
                    got,
                    products(lanes, group, steps),
                    "{supported:?}, {steps} steps"
                );
            }
        }
    }
}
