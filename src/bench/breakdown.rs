//! Where the time of a batch goes, with the chosen kernel and with the unfused kernels.

use std::time::{Duration, Instant};

use super::entry::BenchEntry;
use crate::engine::Session;
use crate::error::Result;
use crate::gpu::{self, Parts};
use crate::plan::{ChosenBy, ExecutionPath, KernelVariant};
use crate::results::{Breakdown, KernelTime, Row};

/// Runs of which the medians are taken, unless they take longer than [`PATIENCE`] together.
const RUNS: usize = 9;
const PATIENCE: Duration = Duration::from_millis(200);

/// Breaks the time of every measured row down; also with the unfused kernels, if `unfused` is set.
pub(super) async fn measure(
    entries: &mut [BenchEntry],
    rows: &mut [Row],
    pixels: &[u8],
    unfused: bool,
) -> Result<()> {
    for row in rows.iter_mut().filter(|row| row.wall_ns.is_some()) {
        let entry = entries.iter_mut().find(|entry| entry.is_of(row));
        if let Some(Ok(network)) = entry.map(BenchEntry::runs) {
            row.breakdown = of(network, pixels, unfused).await?;
        }
    }
    Ok(())
}

/// The parts of a batch of `pixels` as it ran and, if `unfused` is set and it ran otherwise, with the unfused kernels, if
/// its precision has any.
/// Empty on the CPU path and where the adapter has no timestamps.
async fn of(network: &mut Session, pixels: &[u8], unfused: bool) -> Result<Vec<Breakdown>> {
    let Some(gpu) = network.gpu() else {
        return Ok(Vec::new());
    };
    let batch = pixels.len() / gpu.architecture().inputs().max(1);
    let (chosen, by) = gpu.variant(batch)?;
    let mut all = Vec::new();
    all.extend(take(gpu, chosen, pixels, batch).await?);
    let steps = KernelVariant::unfused(batch);
    // Not every precision has unfused kernels.
    let unfused = unfused && chosen.path() != ExecutionPath::Unfused && gpu.can_run(steps, batch);
    if unfused && !all.is_empty() {
        gpu.choose(batch, steps, ChosenBy::Default);
        all.extend(take(gpu, steps, pixels, batch).await?);
        // Restored: the row reports kernel and memory of the chosen kernel.
        gpu.choose(batch, chosen, by);
        gpu.prepare(batch).await?;
    }
    Ok(all)
}

async fn take(
    gpu: &mut gpu::Session,
    variant: KernelVariant,
    pixels: &[u8],
    batch: usize,
) -> Result<Option<Breakdown>> {
    let mut uploads = Vec::new();
    let mut runs: Vec<Parts> = Vec::new();
    let begin = Instant::now();
    // The first run compiles and does not count.
    while runs.len() < 2 || runs.len() <= RUNS && begin.elapsed() < PATIENCE {
        let start = Instant::now();
        gpu.upload(pixels, batch).await?;
        uploads.push(start.elapsed().as_nanos());
        match gpu.run_with_breakdown().await? {
            Some(parts) => runs.push(parts),
            None => return Ok(None),
        }
    }
    uploads.remove(0);
    runs.remove(0);
    let median_of = |value: &dyn Fn(&Parts) -> u128| median(runs.iter().map(value).collect());
    let kernels = (0..runs[0].kernels.len()).map(|index| KernelTime {
        name: runs[0].kernels[index].0.clone(),
        ns: median_of(&|parts| parts.kernels[index].1.as_nanos()),
    });
    Ok(Some(Breakdown {
        path: variant.path().name(),
        kernel: variant.name,
        upload_ns: median(uploads),
        kernels: kernels.collect(),
        gaps_ns: median_of(&|parts| parts.gaps.as_nanos()),
        host_ns: median_of(&|parts| parts.host.as_nanos()),
    }))
}

fn median(mut values: Vec<u128>) -> u64 {
    values.sort_unstable();
    u64::try_from(values[values.len() / 2]).unwrap_or(u64::MAX)
}
