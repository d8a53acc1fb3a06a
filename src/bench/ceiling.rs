//! The ceiling beside every rate: what the adapter does at most of the same arithmetic.

use super::{Entry, Row};
use crate::engine::Engine;
use crate::error::Result;
use crate::gpu::peak::{Ceiling, Effort, Peaks, measure};
use crate::plan::Arithmetic;

/// A row above this share of its ceiling shows that the ceiling is wrong.
const WRONG: f64 = 1.05;

/// The best of every microkernel so far.
#[derive(Debug, Default)]
pub(super) struct Ceilings(Peaks);

impl Ceilings {
    /// Measures, right after the rows, what bounds them, and says their share of it. A machine's speed
    /// drifts, so that each batch size has a look of its own; the best of all looks counts.
    pub(super) async fn bound(
        &mut self,
        engine: &Engine,
        entries: &[Entry],
        rows: &mut [Row],
    ) -> Result<()> {
        let Some(device) = engine.device() else {
            return Ok(());
        };
        let ceiling_of = |row: &Row| {
            row.operations_per_second?;
            let of = |entry: &&Entry| entry.precision == row.requested.precision;
            let network = entries.iter().find(of)?.network.as_ref().ok()?;
            Some(match network.arithmetic()? {
                Arithmetic::F32 => Ceiling::F32,
                Arithmetic::F16 => Ceiling::F16,
                Arithmetic::Matrix => Ceiling::Matrix,
                Arithmetic::Dot => Ceiling::Int8Dot,
            })
        };
        let wanted: Vec<Option<Ceiling>> = rows.iter().map(ceiling_of).collect();
        let mut all = Ceiling::ALL.to_vec();
        all.retain(|ceiling| wanted.contains(&Some(*ceiling)));
        self.0.merge(measure(device, &all, Effort::quick()).await?);
        for (row, ceiling) in rows.iter_mut().zip(wanted) {
            let Some(ceiling) = ceiling else { continue };
            if let Some(peak) = self.0.get(ceiling) {
                row.bounded(ceiling.name(), peak.best());
            }
            if let Some(found) = row.ceiling.filter(|found| found.share > WRONG) {
                log::warn!(
                    "{} ran at {:.0}% of the ceiling measured for {}: the machine's speed changed \
                     under the measurement",
                    row.requested.precision,
                    100.0 * found.share,
                    found.arithmetic
                );
            }
        }
        Ok(())
    }
}
