//! Taking samples, one of each precision in turn.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::{BenchOptions, Observer, Samples};
use crate::Precision;
use crate::engine::Network;
use crate::error::{Error, Result};

/// The fewest samples, and the fewest where one takes longer than [`SLOW`].
const FEWEST: usize = 10;
const FEWEST_SLOW: usize = 5;
const SLOW: Duration = Duration::from_secs(1);

/// The most samples, unless more are asked for: beyond, nothing is learned of a median.
const MOST: usize = 1000;

/// What was measured of one precision.
pub(super) struct Taken {
    pub(super) wall: Samples,
    pub(super) gpu: Option<Samples>,
    pub(super) upload: Samples,
}

/// A precision to be measured: its network, and the outputs that were checked.
pub(super) type Candidate<'a> = (Precision, &'a mut Network, &'a [f32]);

/// The durations of one precision so far.
#[derive(Default)]
struct Durations {
    wall: Vec<Duration>,
    gpu: Vec<Duration>,
    upload: Vec<Duration>,
}

/// Measures every candidate on the same batch.
pub(super) async fn interleaved(
    candidates: &mut [Candidate<'_>],
    pixels: &[u8],
    options: &BenchOptions,
    observer: &mut dyn Observer,
) -> Result<HashMap<Precision, Taken>> {
    for (precision, network, want) in candidates.iter_mut() {
        for _ in 0..options.warmup.max(1) {
            network.upload(pixels).await?;
            check_repeats(*precision, &network.run().await?.outputs, want)?;
        }
    }

    let mut durations: Vec<Durations> = candidates.iter().map(|_| Durations::default()).collect();
    let start = Instant::now();
    let mut rounds = 0;
    while !candidates.is_empty() && !enough(&durations, rounds, start, options) {
        for ((precision, network, want), durations) in candidates.iter_mut().zip(&mut durations) {
            let start = Instant::now();
            network.upload(pixels).await?;
            let uploaded = Instant::now();
            let run = network.run().await?;
            durations.wall.push(uploaded.elapsed());
            durations.upload.push(uploaded - start);
            durations.gpu.extend(run.gpu);
            if rounds == 0 {
                check_repeats(*precision, &run.outputs, want)?;
            }
        }
        rounds += 1;
        let goal = options.min_time * durations.len() as u32;
        let (done, total) = (start.elapsed().min(goal), goal);
        observer.progress(
            "measuring",
            done.as_millis() as usize,
            total.as_millis() as usize,
        );
    }

    let taken = candidates
        .iter()
        .zip(durations)
        .filter_map(|((precision, ..), durations)| {
            let taken = Taken {
                wall: Samples::new(&durations.wall)?,
                gpu: Samples::new(&durations.gpu),
                upload: Samples::new(&durations.upload)?,
            };
            Some((*precision, taken))
        });
    Ok(taken.collect())
}

/// Whether every precision has samples enough after so many rounds.
fn enough(durations: &[Durations], rounds: usize, start: Instant, options: &BenchOptions) -> bool {
    if let Some(runs) = options.runs {
        return rounds >= runs;
    }
    let total = |durations: &Durations| durations.wall.iter().sum::<Duration>();
    let slow = durations
        .iter()
        .any(|d| d.wall.iter().any(|&wall| wall > SLOW));
    let fewest = if slow { FEWEST_SLOW } else { FEWEST };
    // A quick precision beside a slow one would ask for many rounds of the slow one too.
    let patience = options.min_time * 2 * durations.len() as u32;
    rounds >= fewest
        && (rounds >= MOST
            || start.elapsed() >= patience
            || durations.iter().all(|d| total(d) >= options.min_time))
}

/// What is timed must be what was checked, to the bit.
fn check_repeats(precision: Precision, got: &[f32], want: &[f32]) -> Result<()> {
    let bits = |values: &[f32]| {
        values
            .iter()
            .map(|value| value.to_bits())
            .collect::<Vec<_>>()
    };
    if bits(got) == bits(want) {
        return Ok(());
    }
    Err(Error::CheckFailed(format!(
        "{precision}: a repeated run of the same batch gave other bits; the adapter or its driver \
         is not deterministic, so no figure of it can be trusted"
    )))
}
