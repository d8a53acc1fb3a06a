//! The numerics report: what a driver, or a processor, really does where the language leaves it a choice.
//! It observes and does not judge. Two reports are compared by name.

mod device;
mod earlier;
mod observe;
mod processor;
mod report;

use super::problem::as_problem;
use crate::engine::Engine;
use crate::error::Result;
pub use earlier::Earlier;
pub use report::{Difference, NAMES, NumericsReport, Observed, TIMESTAMP_NAMES, names};

impl NumericsReport {
    /// Looks at an engine's adapter, or at its processor where it has none.
    ///
    /// # Errors
    /// Those of the device.
    pub async fn of(engine: &Engine) -> Result<Self> {
        let mut report = Self::default();
        match engine.device() {
            Some(device) => {
                let _pause = device.without_faults();
                let observed = device::observe(device, &mut report).await;
                // What a driver does not take is no failure here, but something that was not seen.
                if let Err(problem) = as_problem(observed)? {
                    for (name, _) in names() {
                        if !report.observations.contains_key(name) {
                            report.nothing(name, &problem);
                        }
                    }
                }
            }
            None => processor::observe(engine.processor(), &mut report),
        }
        Ok(report)
    }
}
