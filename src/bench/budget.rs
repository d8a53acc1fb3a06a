//! Memory limits: the largest batch of each precision that fits, and what it costs in speed.

use super::options::BenchOptions;
use crate::Mode;
use crate::memory::{footprint, largest_batch};
use crate::results::{Bound, Budget, BudgetLine, Row};

/// The largest batch of one precision under the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fit {
    /// None where not even one image fits.
    pub(super) batch: Option<usize>,
    bound_by: Bound,
    bytes: u64,
}

/// The largest batch of a network of these widths that fits the limit; none where there is no limit.
pub(super) fn fit(
    widths: &[usize],
    mode: &Mode,
    images: usize,
    options: &BenchOptions,
) -> Option<Fit> {
    let limit = options.memory_limit?;
    let mut fit = Fit {
        batch: None,
        bound_by: Bound::Memory,
        bytes: footprint(widths, mode, 1).total_bytes,
    };
    let Some(batch) = largest_batch(widths, mode, limit) else {
        return Some(fit);
    };
    let mut batch = usize::try_from(batch).unwrap_or(usize::MAX);
    let limits = [
        (options.batch_limit, Bound::BatchLimit),
        (Some(images), Bound::Data),
    ];
    for (most, bound) in limits {
        if let Some(most) = most.filter(|&most| most < batch) {
            (batch, fit.bound_by) = (most, bound);
        }
    }
    fit.batch = Some(batch);
    fit.bytes = footprint(widths, mode, batch).total_bytes;
    Some(fit)
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
    use crate::Precision;

    const WIDTHS: [usize; 3] = [784, 64, 10];

    fn options(memory_limit: u64, batch_limit: Option<usize>) -> BenchOptions {
        BenchOptions {
            memory_limit: Some(memory_limit),
            batch_limit,
            batches: vec![1, 1000],
            ..BenchOptions::default()
        }
    }

    fn fits(limit: u64, batch_limit: Option<usize>) -> [Option<(Option<usize>, Bound)>; 3] {
        let options = options(limit, batch_limit);
        Precision::ALL.map(|precision| {
            let fit = fit(&WIDTHS, &precision.into(), 10_000, &options)?;
            Some((fit.batch, fit.bound_by))
        })
    }

    #[test]
    fn what_binds_is_the_least_of_memory_data_and_the_users_limit() {
        let memory = |batch| Some((batch, Bound::Memory));
        // 100 KiB less 49.7 KiB of parameters hold 60 images of 858 bytes in int8.
        let hundred = [memory(None), memory(None), memory(Some(60))];
        assert_eq!(fits(100 << 10, None), hundred);
        let user = Some((Some(50), Bound::BatchLimit));
        assert_eq!(fits(100 << 10, Some(50)), [hundred[0], hundred[1], user]);
        let data = Some((Some(10_000), Bound::Data));
        assert_eq!(fits(1 << 30, None), [data, data, data]);
        let without = BenchOptions::default();
        assert_eq!(fit(&WIDTHS, &Precision::F32.into(), 10_000, &without), None);
    }

    #[test]
    fn every_batch_is_measured_once_and_none_above_the_limit() {
        let all = |limit, batch_limit| {
            let options = options(limit, batch_limit);
            let fits =
                Precision::ALL.map(|precision| fit(&WIDTHS, &precision.into(), 10_000, &options));
            batches(&options, fits.into_iter().flatten(), 10_000)
        };
        assert_eq!(all(100 << 10, None), [1000, 60, 1]);
        assert_eq!(all(100 << 10, Some(50)), [50, 1]);
        assert_eq!(all(1 << 30, None), [10_000, 1000, 1]);
        let mut listed = options(1 << 30, None);
        listed.batches = vec![20_000];
        let fits = [fit(&WIDTHS, &Precision::F32.into(), 10_000, &listed)];
        assert_eq!(
            batches(&listed, fits.into_iter().flatten(), 10_000),
            [20_000]
        );
    }
}
