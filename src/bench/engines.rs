//! The engines that a benchmark measures on: adapters, the CPU path, or both.

use crate::cpu::Processor;
use crate::engine::{Engine, Place};
use crate::error::{Error, Result};
use crate::quantize::QuantizedNetwork;

/// The engines, in the order of the result's adapters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Engines<'a>(&'a [Engine]);

impl<'a> Engines<'a> {
    /// At least one.
    ///
    /// # Errors
    /// `Error::Internal` where there is none.
    pub(super) fn new(engines: &'a [Engine]) -> Result<Self> {
        match engines {
            [] => Err(Error::missing("engine to measure on")),
            engines => Ok(Self(engines)),
        }
    }

    pub(super) fn iter(self) -> impl Iterator<Item = (usize, &'a Engine)> {
        self.0.iter().enumerate()
    }

    pub(super) fn get(self, index: usize) -> &'a Engine {
        &self.0[index]
    }

    /// What the CPU path runs on: the same processor in every engine of a machine.
    pub(super) fn processor(self) -> &'a Processor {
        self.0[0].processor()
    }

    /// The place, in the result's list of adapters, of what a network of this engine runs on. The CPU path comes last
    /// where no engine is it.
    pub(super) fn adapter_of(self, engine: usize, place: Place) -> usize {
        match place {
            Place::Gpu => engine,
            Place::Cpu => self.cpu_path().unwrap_or(self.0.len()),
        }
    }

    /// Why this engine leaves a model to the CPU path, which is measured beside it.
    pub(super) fn leaves_to_cpu_path(
        self,
        engine: usize,
        model: &QuantizedNetwork,
    ) -> Option<String> {
        self.cpu_path()?;
        let placement = self.get(engine).place_model(model).ok()?;
        placement.reason
    }

    /// The engine that is the CPU path.
    pub(super) fn cpu_path(self) -> Option<usize> {
        self.0.iter().position(|engine| engine.device().is_none())
    }

    /// Whether a mode that one engine cannot run may run on another.
    pub(super) fn are_several(self) -> bool {
        self.0.len() > 1
    }
}
