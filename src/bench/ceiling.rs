//! The ceiling beside every rate: the most that the adapter, or the processor, reaches in the same arithmetic.

use std::collections::HashMap;
use std::sync::Once;

use super::engines::Engines;
use super::entry::BenchEntry;
use crate::Precision;
use crate::cpu;
use crate::engine::Place;
use crate::error::Result;
use crate::gpu::peak::{Peak, Peaks, measure};
use crate::peak::{Ceiling, PeakEffort, ProcessorCeiling};
use crate::plan::Arithmetic;
use crate::results::{self, Row, Warning, WarningKind};

/// A row above this share of its ceiling shows that the ceiling is wrong.
const WRONG: f64 = 1.05;

/// How often a ceiling that is too low is measured again at most: other programs may use the machine for a few seconds.
const ATTEMPTS: usize = 12;

/// Whether there was a warning that memory is missing for a ceiling.
static WARNED: Once = Once::new();

/// The best rate of every microkernel so far.
#[derive(Debug, Default)]
pub(super) struct Ceilings {
    /// Those of each engine's adapter.
    adapters: HashMap<usize, Peaks>,
    /// Operations per second, in the order of the ceilings' table; 0 where nothing was measured.
    processor: [f64; ProcessorCeiling::ALL.len()],
    /// Bytes per second of the processor's copy of memory; 0 where it was not measured.
    processor_copy: f64,
}

/// The ceiling of a row.
#[derive(Clone, Copy, PartialEq)]
enum Limit {
    /// Of an engine's adapter.
    Adapter(usize, Ceiling),
    Processor(ProcessorCeiling),
}

impl Ceilings {
    /// Measures the ceilings of the rows right after the rows, and sets each row's share. A machine's speed drifts, so
    /// each batch size has measurements of its own; the best of all counts.
    pub(super) async fn bound(
        &mut self,
        engines: Engines<'_>,
        entries: &[BenchEntry],
        rows: &mut [Row],
    ) -> Result<()> {
        let wanted: Vec<Option<Limit>> = rows.iter().map(|row| bound_of(row, entries)).collect();
        for _ in 0..ATTEMPTS {
            self.measure(engines, &wanted).await?;
            for (row, &bound) in rows.iter_mut().zip(&wanted) {
                let found = bound.and_then(|bound| Some((self.get(bound)?, self.copy(bound))));
                if let Some(((name, best), copy)) = found {
                    let all = engines.processor().info().threads;
                    let threads = matches!(bound, Some(Limit::Processor(_))).then_some(all);
                    row.bounded(name, best, threads, copy);
                }
            }
            if rows.iter().all(|row| wrong(row).is_none()) {
                break;
            }
        }
        rows.iter_mut().for_each(warn_above);
        Ok(())
    }

    /// The name of a ceiling, and the best of it so far.
    fn get(&self, bound: Limit) -> Option<(&'static str, f64)> {
        match bound {
            Limit::Adapter(engine, ceiling) => {
                let peak = self.adapters.get(&engine)?.get(ceiling)?;
                Some((ceiling.name(), peak.best()))
            }
            Limit::Processor(ceiling) => Some((ceiling.name(), self.processor[ceiling as usize])),
        }
    }

    /// The best copy of the memory that a row ran in.
    fn copy(&self, bound: Limit) -> Option<f64> {
        let best = match bound {
            Limit::Adapter(engine, _) => {
                let peaks = self.adapters.get(&engine)?;
                peaks.get(Ceiling::Copy).map(Peak::best)
            }
            Limit::Processor(_) => Some(self.processor_copy),
        };
        best.filter(|best| *best > 0.0)
    }

    async fn measure(&mut self, engines: Engines<'_>, wanted: &[Option<Limit>]) -> Result<()> {
        for (at, engine) in engines.iter() {
            let Some(device) = engine.device() else {
                continue;
            };
            let mut all = Ceiling::ALL.to_vec();
            let any = wanted
                .iter()
                .flatten()
                .any(|bound| matches!(bound, Limit::Adapter(on, _) if *on == at));
            all.retain(|&ceiling| {
                wanted.contains(&Some(Limit::Adapter(at, ceiling)))
                    || any && ceiling == Ceiling::Copy
            });
            let peaks = measure(device, &all, PeakEffort::quick()).await?;
            self.adapters.entry(at).or_default().merge(peaks);
        }
        if wanted
            .iter()
            .flatten()
            .any(|bound| matches!(bound, Limit::Processor(_)))
        {
            match cpu::copy::measure(engines.processor(), PeakEffort::quick()) {
                Ok(best) => self.processor_copy = self.processor_copy.max(best),
                // The rows are good without it, but do not say whether memory limits them.
                Err(error) => WARNED.call_once(|| log::warn!("{error}")),
            }
        }
        for ceiling in ProcessorCeiling::ALL {
            if wanted.contains(&Some(Limit::Processor(ceiling))) {
                let peak = cpu::peak::measure(engines.processor(), ceiling, PeakEffort::quick())?;
                let best = &mut self.processor[ceiling as usize];
                *best = best.max(peak.best());
            }
        }
        Ok(())
    }
}

/// The ceiling of a row that is above it.
fn wrong(row: &Row) -> Option<results::RowCeiling> {
    row.ceiling.filter(|found| found.share > WRONG)
}

/// Warns that a row is above its ceiling.
fn warn_above(row: &mut Row) {
    if let Some(found) = wrong(row) {
        let text = format!(
            "it ran at {:.0}% of the ceiling measured for {}, which is impossible, so the machine's speed \
             changed during the measurement",
            100.0 * found.share,
            found.arithmetic
        );
        let kind = WarningKind::AboveCeiling;
        row.warnings.push(Warning { kind, text });
    }
}

/// The ceiling of a row; none where it was not measured.
fn bound_of(row: &Row, entries: &[BenchEntry]) -> Option<Limit> {
    row.operations_per_second?;
    let mode = row.requested.mode();
    let entry = entries.iter().find(|entry| entry.is_of(row))?;
    let network = entry.network.as_ref().ok()?;
    if network.placement().place == Place::Cpu {
        // Where layers differ, the fastest arithmetic of any of them limits the whole.
        let int8 = mode.precision == Precision::Int8 || mode.layers.contains(&Precision::Int8);
        return Some(Limit::Processor(if int8 {
            ProcessorCeiling::Int8
        } else {
            ProcessorCeiling::F32
        }));
    }
    let ceiling = match network.arithmetic()? {
        Arithmetic::F32 => Ceiling::F32,
        Arithmetic::Matrix => Ceiling::Matrix,
        Arithmetic::Dot => Ceiling::Int8Dot,
    };
    Some(Limit::Adapter(entry.engine, ceiling))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::footprint;
    use crate::results::Requested;

    #[test]
    fn a_row_above_its_ceiling_says_so() {
        let kinds = |rate: f64| {
            let precision = Precision::F32;
            let requested = Requested::new(&precision.into(), 1);
            let mut row = Row::new(requested, 1, footprint(&[784, 10], precision, 1));
            row.operations_per_second = Some(rate);
            row.bounded("f32", 1e9, None, None);
            warn_above(&mut row);
            let kinds: Vec<WarningKind> = row.warnings.iter().map(|warning| warning.kind).collect();
            kinds
        };
        assert_eq!(kinds(1.45e9), [WarningKind::AboveCeiling]);
        assert_eq!(kinds(1.04e9), []);
    }
}
