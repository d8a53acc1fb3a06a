//! The processor's memory: how fast all threads together copy it.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::processor::Processor;
use crate::error::Result;
use crate::host;
use crate::peak::PeakEffort;

/// Bytes that all threads together read in one sample, and as many that they write: beyond any cache that a
/// network's weights could stay in.
const BYTES: usize = 64 << 20;

/// The most bytes a second, read and written together, as the adapter's ceiling `copy` counts them.
///
/// # Errors
/// `Error::HostMemory` where this machine does not have the memory to copy.
pub fn measure(processor: &Processor, effort: PeakEffort) -> Result<f64> {
    host::need("measuring how fast memory is copied", 2 * BYTES as u64)?;
    let threads = processor.info().threads;
    let share = (BYTES / threads).max(1);
    // Each page is touched before anything is timed. Whoever is free takes the next part.
    let part = || Mutex::new((vec![1_u8; share], vec![2_u8; share]));
    let parts: Vec<_> = (0..threads).map(|_| part()).collect();
    let (start, mut best, mut samples) = (Instant::now(), 0.0_f64, 0);
    while samples < effort.fewest || start.elapsed() < effort.total {
        let sample = Instant::now();
        let next = AtomicUsize::new(0);
        processor.on_threads(threads, &|_, _| {
            while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
                let (from, to) = &mut *part.lock().unwrap_or_else(PoisonError::into_inner);
                to.copy_from_slice(black_box(from));
                black_box(to);
            }
        });
        let seconds = sample.elapsed().as_secs_f64();
        best = best.max((2 * share * threads) as f64 / seconds);
        samples += 1;
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cpu::ProcessorOptions;

    #[test]
    fn a_copy_has_a_rate() {
        let processor = Processor::new(ProcessorOptions::default()).unwrap();
        let effort = PeakEffort {
            sample: Duration::ZERO,
            total: Duration::ZERO,
            fewest: 1,
        };
        let rate = measure(&processor, effort).unwrap();
        // No memory is slower than a kilobyte or faster than a petabyte a second.
        assert!((1e3..1e15).contains(&rate), "{rate}");
    }
}
