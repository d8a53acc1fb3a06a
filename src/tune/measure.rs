//! Times candidates.

use std::time::{Duration, Instant};

use crate::error::Result;
use crate::gpu;
use crate::plan::{ChosenBy, KernelVariant};

/// Candidates that are timed whatever it takes: a single one has nothing to win against.
const FEWEST: usize = 2;

/// Timed runs of a candidate, and the time after which they are enough; a loser gets fewer.
const RUNS: usize = 5;
const ENOUGH: Duration = Duration::from_millis(60);

/// A candidate this much slower than the best is a loser at first sight.
const LOSES: f64 = 1.3;

/// The fastest of `candidates`, and those that were not timed because time ran out. Stops after `limit`, but not before it has
/// timed two, and one with matrix units and one without if there are both. If none of them runs, there is no fastest; the
/// default kernel then runs untuned, and its error says why.
pub(super) async fn measure<'a>(
    gpu: &mut gpu::Session,
    candidates: &'a [KernelVariant],
    pixels: &[u8],
    batch: usize,
    limit: Duration,
) -> Result<(Option<(KernelVariant, Duration)>, &'a [KernelVariant])> {
    let start = Instant::now();
    let mut best: Option<(KernelVariant, Duration)> = None;
    let mut measured = Vec::new();
    let mut rejected = Vec::new();
    let mut not_timed: &[KernelVariant] = &[];
    for (at, &candidate) in candidates.iter().enumerate() {
        let enough = measured.len() >= FEWEST
            && candidates
                .iter()
                .all(|other| measured.contains(&other.on_matrix_units()));
        if enough && start.elapsed() > limit {
            not_timed = &candidates[at..];
            break;
        }
        gpu.choose(batch, candidate, ChosenBy::Measuring);
        let time = match time(gpu, pixels, batch, best.map(|(_, time)| time)).await {
            Ok(time) => time,
            // A kernel that this driver does not take is no candidate; a lost device is the end.
            Err(error) if error.is_rejection() => {
                rejected.push((candidate, error));
                continue;
            }
            Err(error) => return Err(error),
        };
        log::info!("{}: {:?} for a batch of {batch}", candidate.name, time);
        measured.push(candidate.on_matrix_units());
        if best.is_none_or(|(_, known)| time < known) {
            best = Some((candidate, time));
        }
    }
    for (candidate, error) in rejected.iter().filter(|_| best.is_some()) {
        log::warn!("{} is not timed: {error}", candidate.name);
    }
    Ok((best, not_timed))
}

/// The shortest of some runs after one that compiles; fewer where it has lost against `best` already.
async fn time(
    gpu: &mut gpu::Session,
    pixels: &[u8],
    batch: usize,
    best: Option<Duration>,
) -> Result<Duration> {
    gpu.upload(pixels, batch).await?;
    gpu.run().await?;
    let start = Instant::now();
    let mut shortest = Duration::MAX;
    for _ in 0..RUNS {
        let start_run = Instant::now();
        gpu.run().await?;
        shortest = shortest.min(start_run.elapsed());
        let lost = best.is_some_and(|best| shortest.as_secs_f64() > LOSES * best.as_secs_f64());
        if lost || start.elapsed() > ENOUGH {
            break;
        }
    }
    Ok(shortest)
}
