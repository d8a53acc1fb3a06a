//! Memory limits: the largest batch of each precision that fits, and what it costs in speed.

use super::options::BenchOptions;
use crate::engine::Session;
use crate::error::{Error, Result};
use crate::results::{Bound, Budget, BudgetLine, Row};

/// The largest batch of one precision under the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fit {
    /// None where not even one image fits.
    pub(super) batch: Option<usize>,
    bound_by: Bound,
    bytes: u64,
}

/// The largest batch of a network that fits the limit; none where there is no limit, and where the kernels that the user
/// allows run neither a batch that fits nor a single image.
///
/// # Errors
/// Those of the device.
pub(super) async fn fit(
    network: &mut Session,
    images: usize,
    options: &BenchOptions,
) -> Result<Option<Fit>> {
    let Some(limit) = options.memory_limit else {
        return Ok(None);
    };
    let allowed = options.batch_limit.unwrap_or(usize::MAX);
    let most = images.min(allowed);
    let found = network.largest_batch(limit, most).await?;
    let (batch, bytes) = match found {
        Some((batch, bytes)) => (Some(batch), bytes),
        None => match network.planned_bytes(1).await {
            Ok(bytes) => (None, bytes),
            // Its rows say why.
            Err(Error::Usage(_) | Error::TooLarge { .. } | Error::HostMemory { .. }) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        },
    };
    let bound_by = match batch {
        Some(batch) if batch == allowed => Bound::BatchLimit,
        Some(batch) if batch == images => Bound::Data,
        _ => Bound::Memory,
    };
    if let (Some(batch), Some(gpu)) = (batch, network.gpu()) {
        // Tuning must not choose a kernel that needs more.
        gpu.keep_within(batch, limit).await?;
    }
    Ok(Some(Fit {
        batch,
        bound_by,
        bytes,
    }))
}

/// Every batch size to measure, the largest first, each once: those of `--batch`, and those that fit a limit.
pub(super) fn batches(
    options: &BenchOptions,
    fits: impl Iterator<Item = Fit>,
    images: usize,
) -> Vec<usize> {
    let mut batches = options.listed();
    let fits: Vec<usize> = fits.filter_map(|fit| fit.batch).collect();
    for fit in fits {
        // A batch larger than the data is the data.
        if !batches.iter().any(|&batch| batch.min(images) == fit) {
            batches.push(fit);
        }
    }
    batches.sort_unstable_by(|a, b| b.cmp(a));
    batches.dedup();
    batches
}

impl Budget {
    /// What the limit came to, from the rows that were measured; `fits` has the name and the adapter of each precision.
    pub(super) fn new(
        limit_bytes: u64,
        options: &BenchOptions,
        fits: &[(String, usize, Fit)],
        rows: &[Row],
    ) -> Self {
        let line = |(name, adapter, fit): &(String, usize, Fit)| {
            BudgetLine::new(name, *adapter, *fit, rows)
        };
        Self {
            limit_bytes,
            batch_limit: options.batch_limit,
            lines: fits.iter().map(line).collect(),
        }
    }
}

impl BudgetLine {
    fn new(name: &str, adapter: usize, fit: Fit, rows: &[Row]) -> Self {
        let measured = |&&(_, row): &&(usize, &Row)| {
            row.name == name && row.requested.adapter == adapter && row.speed().is_some()
        };
        let own: Vec<(usize, &Row)> = rows.iter().enumerate().collect();
        let own = own.iter().filter(measured);
        let row = own
            .clone()
            .find(|(_, row)| Some(row.effective.batch) == fit.batch);
        let largest = own.max_by_key(|(_, row)| row.effective.batch);
        let speed = |row: Option<&(usize, &Row)>| row.and_then(|(_, row)| row.speed());
        Self {
            name: name.to_owned(),
            adapter,
            batch: fit.batch,
            bound_by: fit.bound_by,
            bytes: fit.bytes,
            row: row.map(|(at, _)| *at),
            images_per_second: speed(row),
            unlimited_row: largest.map(|(at, _)| *at),
            unlimited_batch: largest.map(|(_, row)| row.effective.batch),
            unlimited_images_per_second: speed(largest),
            speed_kept: speed(row).zip(speed(largest)).map(|(kept, all)| kept / all),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_batch_is_measured_once_and_none_above_the_limit() {
        let fit = |batch| Fit {
            batch,
            bound_by: Bound::Memory,
            bytes: 0,
        };
        let all = |listed: &[usize], batch_limit, found: &[Option<usize>]| {
            let options = BenchOptions {
                batches: listed.to_vec(),
                batch_limit,
                ..BenchOptions::default()
            };
            batches(&options, found.iter().copied().map(fit), 10_000)
        };
        let found = [None, None, Some(60)];
        assert_eq!(all(&[1, 1000], None, &found), [1000, 60, 1]);
        assert_eq!(all(&[1, 1000], Some(50), &[Some(50)]), [50, 1]);
        let data = [Some(10_000); 3];
        assert_eq!(all(&[1, 1000], None, &data), [10_000, 1000, 1]);
        assert_eq!(all(&[20_000], None, &data), [20_000]);
    }
}
