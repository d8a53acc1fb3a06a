//! The hooks of a build with faults. `no_hooks.rs` is the other build's.

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use wgpu::ShaderSource;

use super::broken::Broken;
use super::endless::run_for_ever;
use super::hostile::Hostile;
use super::injected::Injected;
use crate::adapter::{AdapterInfo, Backend, Kind};
use crate::error::{Error, Result, UsageError};

/// The variable that names an [`Injected`] fault.
const FAULT_VARIABLE: &str = "FMNIST_GPU_FAULT";

/// The variable that names what is [`Broken`].
const BREAK_VARIABLE: &str = "FMNIST_GPU_BREAK";

/// The variable that names a [`Hostile`] arithmetic.
const ARITHMETIC_VARIABLE: &str = "FMNIST_GPU_ARITHMETIC";

/// The faults of a device.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Faults {
    /// What goes wrong on it.
    pub injected: Option<Injected>,
    /// What it computes wrongly.
    pub broken: Option<Broken>,
    /// The arithmetic under its shaders.
    pub arithmetic: Vec<Hostile>,
}

impl From<Injected> for Faults {
    fn from(injected: Injected) -> Self {
        Self {
            injected: Some(injected),
            ..Self::default()
        }
    }
}

impl From<Broken> for Faults {
    fn from(broken: Broken) -> Self {
        Self {
            broken: Some(broken),
            ..Self::default()
        }
    }
}

impl From<&[Hostile]> for Faults {
    fn from(arithmetic: &[Hostile]) -> Self {
        Self {
            arithmetic: arithmetic.to_vec(),
            ..Self::default()
        }
    }
}

impl Faults {
    /// The faults that `FMNIST_GPU_FAULT`, `FMNIST_GPU_BREAK` and `FMNIST_GPU_ARITHMETIC` name.
    ///
    /// # Errors
    /// `Error::Usage` where one of them names none.
    pub fn from_environment() -> Result<Self> {
        Ok(Self {
            injected: variable(FAULT_VARIABLE)?,
            broken: variable(BREAK_VARIABLE)?,
            arithmetic: variable::<List>(ARITHMETIC_VARIABLE)?.unwrap_or_default().0,
        })
    }

    /// Whether a fault counts something, so that one device must do all the work.
    #[must_use]
    pub fn count(&self) -> bool {
        self.injected.is_some()
    }

    /// The name of what is broken on purpose.
    #[must_use]
    pub fn broken(&self) -> Option<&'static str> {
        self.broken.map(Broken::name)
    }

    /// Whether these faults can happen on such an adapter.
    ///
    /// # Errors
    /// `Error::Usage` where something is to be broken on the CPU path.
    pub fn check(&self, on: &AdapterInfo) -> Result<()> {
        if self.broken.is_some() && on.kind == Kind::Cpu {
            return Err(Error::Usage(UsageError::OptionConflict {
                option: BREAK_VARIABLE.to_owned(),
                reason: "it breaks kernels of adapters, but this run uses the CPU path".to_owned(),
                remedy: "unset it, or use another --adapter".to_owned(),
            }));
        }
        Ok(())
    }
}

/// Several of [`Hostile`], with commas between them.
#[derive(Default)]
struct List(Vec<Hostile>);

impl FromStr for List {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let words = text.split(',').map(str::trim);
        words.map(str::parse).collect::<Result<_>>().map(Self)
    }
}

/// What a variable names. `None` where it is empty or not set.
fn variable<T: FromStr<Err = Error>>(name: &'static str) -> Result<Option<T>> {
    let text = std::env::var(name).unwrap_or_default();
    if text.trim().is_empty() {
        return Ok(None);
    }
    match text.parse() {
        Ok(fault) => Ok(Some(fault)),
        Err(Error::Usage(source)) => Err(Error::Usage(UsageError::Environment {
            variable: name,
            source: source.into(),
        })),
        Err(other) => Err(other),
    }
}

/// The faults of one device, and how often what they count has happened.
#[derive(Debug)]
pub(in crate::gpu) struct Injector {
    faults: Faults,
    waits: AtomicU64,
    buffers: AtomicU64,
    filled: AtomicU64,
    paused: AtomicBool,
}

/// Until this is dropped, no injected fault happens and nothing is counted.
pub(crate) struct Pause<'a>(&'a Injector);

impl Drop for Pause<'_> {
    fn drop(&mut self) {
        self.0.paused.store(false, Ordering::Relaxed);
    }
}

impl Injector {
    pub(in crate::gpu) fn new(faults: &Faults) -> Self {
        Self {
            faults: faults.clone(),
            waits: AtomicU64::new(0),
            buffers: AtomicU64::new(0),
            filled: AtomicU64::new(0),
            paused: AtomicBool::new(false),
        }
    }

    pub(in crate::gpu) fn pause(&self) -> Pause<'_> {
        self.paused.store(true, Ordering::Relaxed);
        Pause(self)
    }

    /// The injected fault. `None` during a pause too.
    fn injected(&self) -> Option<&Injected> {
        let injected = self.faults.injected.as_ref();
        injected.filter(|_| !self.paused.load(Ordering::Relaxed))
    }

    /// The largest binding in bytes.
    pub(in crate::gpu) fn binding_bytes(&self) -> Option<u64> {
        match self.faults.injected {
            Some(Injected::Binding(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// Before a wait of at most `patience`: how long to wait instead, or, as an error, how long was waited in vain.
    pub(in crate::gpu) fn at_wait(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        info: &AdapterInfo,
        patience: Duration,
    ) -> Result<Duration, Duration> {
        let Some(injected) = self.injected() else {
            return Ok(patience);
        };
        let count = 1 + self.waits.fetch_add(1, Ordering::Relaxed);
        match *injected {
            Injected::DeviceLost(at) if at == count => device.destroy(),
            Injected::NoAnswer(at, patience) if count >= at => {
                // Some drivers compute inside the call that submits, such as Mesa's on OpenGL on a processor. There
                // that call would never end.
                if info.backend == Backend::Gl {
                    thread::sleep(patience);
                    return Err(patience);
                }
                if at == count {
                    run_for_ever(device, queue);
                }
                return Ok(patience);
            }
            _ => {}
        }
        Ok(patience)
    }

    /// Whether a buffer gets no memory.
    pub(in crate::gpu) fn at_buffer(&self) -> bool {
        self.injected().is_some_and(|injected| {
            let count = 1 + self.buffers.fetch_add(1, Ordering::Relaxed);
            *injected == Injected::NoMemoryAllocating(count)
        })
    }

    /// Whether a buffer that is to be filled gets no memory.
    pub(in crate::gpu) fn at_upload(&self) -> bool {
        self.injected().is_some_and(|injected| {
            let count = 1 + self.filled.fetch_add(1, Ordering::Relaxed);
            *injected == Injected::NoMemoryUploading(count)
        })
    }

    /// A shader, with the faults in it.
    pub(in crate::gpu) fn shader(&self, label: &str, mut source: String) -> ShaderSource<'static> {
        /// It does not compile.
        const NO_SHADER: &str = "@compute @workgroup_size(1) fn main() { nothing(); }";
        if let Some(Injected::Shader(text)) = self.injected()
            && label.contains(text)
        {
            return ShaderSource::Wgsl(NO_SHADER.into());
        }
        if let Some(broken) = self.faults.broken {
            source = broken.in_shader(source);
        }
        let hostile = &self.faults.arithmetic;
        if !hostile.is_empty()
            && let Some((module, _)) = Hostile::under(hostile, &source)
        {
            return ShaderSource::Naga(Cow::Owned(module));
        }
        // Where the text is no valid shader, wgpu says why.
        ShaderSource::Wgsl(source.into())
    }

    /// Breaks the packed weights of a model's layers. `block_bytes` of each layer are those of a block of four by
    /// four.
    pub(in crate::gpu) fn weights(&self, layers: &mut [(&mut Vec<u8>, u64)]) {
        if let Some(broken) = self.faults.broken {
            broken.in_weights(layers);
        }
    }

    /// Whether a kernel that is run on its own, and `ran` before, does nothing.
    pub(in crate::gpu) fn skips(&self, ran: bool) -> bool {
        ran && self.faults.broken == Some(Broken::Once)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_counted_except_in_a_pause() {
        let second = Injector::new(&Faults {
            injected: Some(Injected::NoMemoryAllocating(2)),
            ..Faults::default()
        });
        let pause = second.pause();
        assert_eq!([(); 3].map(|()| second.at_buffer()), [false; 3]);
        drop(pause);
        assert_eq!([(); 3].map(|()| second.at_buffer()), [false, true, false]);
        assert!(!second.at_upload());
    }
}
