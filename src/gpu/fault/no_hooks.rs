//! The hooks of a build without faults: they do nothing. `hooks.rs` is the other build's.

use std::marker::PhantomData;
use std::time::Duration;

use wgpu::ShaderSource;

use crate::adapter::AdapterInfo;
use crate::error::Result;

/// No faults. With the cargo feature `fault-injection` tests choose some.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Faults {}

impl Faults {
    /// No faults, whatever the environment holds.
    ///
    /// # Errors
    /// None in this build.
    pub fn from_environment() -> Result<Self> {
        Ok(Self {})
    }

    /// Whether a fault counts something, so that one device must do all the work: no.
    #[must_use]
    pub fn count(&self) -> bool {
        false
    }

    /// The name of what is broken on purpose: nothing.
    #[must_use]
    pub fn broken(&self) -> Option<&'static str> {
        None
    }

    /// Whether these faults can happen on such an adapter: there are none.
    ///
    /// # Errors
    /// None in this build.
    pub fn check(&self, _on: &AdapterInfo) -> Result<()> {
        Ok(())
    }
}

/// The hooks of one device.
#[derive(Debug)]
pub(in crate::gpu) struct Injector;

/// Nothing to end.
pub(crate) struct Pause<'a>(PhantomData<&'a Injector>);

impl Injector {
    pub(in crate::gpu) fn new(_faults: &Faults) -> Self {
        Self
    }

    pub(in crate::gpu) fn pause(&self) -> Pause<'_> {
        Pause(PhantomData)
    }

    pub(in crate::gpu) fn binding_bytes(&self) -> Option<u64> {
        None
    }

    pub(in crate::gpu) fn at_wait(
        &self,
        _device: &wgpu::Device,
        _queue: &wgpu::Queue,
        _info: &AdapterInfo,
        patience: Duration,
    ) -> Result<Duration, Duration> {
        Ok(patience)
    }

    pub(in crate::gpu) fn at_buffer(&self) -> bool {
        false
    }

    pub(in crate::gpu) fn at_upload(&self) -> bool {
        false
    }

    pub(in crate::gpu) fn shader(&self, _label: &str, source: String) -> ShaderSource<'static> {
        ShaderSource::Wgsl(source.into())
    }

    pub(in crate::gpu) fn weights(&self, _layers: &mut [(&mut Vec<u8>, u64)]) {}

    pub(in crate::gpu) fn skips(&self, _ran: bool) -> bool {
        false
    }
}
