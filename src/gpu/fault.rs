//! Faults made on purpose, so that tests can see through the binary what becomes of each. A hook for tests,
//! which nobody else needs; a device that was not told of one pays a branch for it where it waits, allocates
//! and compiles.
//!
//! | word | what happens |
//! |---|---|
//! | `device-lost:N` | the device is destroyed before it is waited for the N-th time |
//! | `no-answer:N:DURATION` | so is a kernel submitted that never ends, and the device waited for so long at most |
//! | `out-of-memory-allocation:N` | the N-th buffer gets no memory |
//! | `out-of-memory-upload:N` | the N-th buffer that is filled gets none |
//! | `shader:TEXT` | shaders whose name contains TEXT do not compile; all where it is left out |
//! | `binding:BYTES` | no binding may be larger |
//!
//! N is 1 where it is left out, and a duration one second. A device counts for itself; what looks at the driver's
//! arithmetic first is not counted, so that N is about what a command is there for; and `verify` then checks on one
//! device alone.

use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::device::Device;
use crate::adapter::Backend;
use crate::error::{Error, Result};

/// A fault made on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Injected {
    /// The device is destroyed before this wait, counted from 1.
    DeviceLost(u64),
    /// Something that never ends runs from this wait on, and a wait takes so long at most.
    NoAnswer(u64, Duration),
    /// This buffer, counted from 1, gets no memory.
    NoMemoryAllocating(u64),
    /// This buffer of those that are filled gets no memory.
    NoMemoryUploading(u64),
    /// Shaders whose names contain this do not compile.
    Shader(String),
    /// The largest binding in bytes.
    Binding(u64),
}

impl FromStr for Injected {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let unknown = || {
            let faults = [
                "device-lost:N",
                "no-answer:N:DURATION",
                "out-of-memory-allocation:N",
                "out-of-memory-upload:N",
                "shader:TEXT",
                "binding:BYTES",
            ];
            Error::unknown_name("fault", text, faults)
        };
        let (name, rest) = text.split_once(':').unwrap_or((text, ""));
        let number = |digits: &str| match digits {
            "" => Ok(1),
            digits => digits.parse::<u64>().map_err(|_| unknown()),
        };
        Ok(match name {
            "device-lost" => Self::DeviceLost(number(rest)?),
            "no-answer" => {
                let (count, time) = rest.split_once(':').unwrap_or((rest, "1s"));
                let time = humantime::parse_duration(time).map_err(|_| unknown())?;
                Self::NoAnswer(number(count)?, time)
            }
            "out-of-memory-allocation" => Self::NoMemoryAllocating(number(rest)?),
            "out-of-memory-upload" => Self::NoMemoryUploading(number(rest)?),
            "shader" => Self::Shader(rest.to_owned()),
            "binding" => Self::Binding(rest.parse().map_err(|_| unknown())?),
            _ => return Err(unknown()),
        })
    }
}

/// A fault, and how often what it counts has happened.
#[derive(Debug)]
pub(super) struct Injection {
    fault: Injected,
    waits: AtomicU64,
    buffers: AtomicU64,
    filled: AtomicU64,
    paused: AtomicBool,
}

/// No fault happens, and nothing is counted, until this is dropped.
pub(crate) struct Pause<'a>(&'a Injection);

impl Drop for Pause<'_> {
    fn drop(&mut self) {
        self.0.paused.store(false, Ordering::Relaxed);
    }
}

/// What a wait is to do.
pub(super) enum Wait {
    /// Wait as ever.
    Usually,
    /// Wait for so long at most.
    AtMost(Duration),
    /// Nothing: so long was waited in vain.
    InVain(Duration),
}

impl Injection {
    pub(super) fn new(fault: Injected) -> Self {
        Self {
            fault,
            waits: AtomicU64::new(0),
            buffers: AtomicU64::new(0),
            filled: AtomicU64::new(0),
            paused: AtomicBool::new(false),
        }
    }

    pub(super) fn pause(&self) -> Pause<'_> {
        self.paused.store(true, Ordering::Relaxed);
        Pause(self)
    }

    fn paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }

    /// Before `device` is waited for.
    pub(super) fn at_wait(&self, device: &Device) -> Wait {
        if self.paused() {
            return Wait::Usually;
        }
        let count = 1 + self.waits.fetch_add(1, Ordering::Relaxed);
        match self.fault {
            Injected::DeviceLost(at) if at == count => device.device.destroy(),
            Injected::NoAnswer(at, patience) if count >= at => {
                // Where a driver computes inside the call that submits, as Mesa's on OpenGL does on a processor,
                // that call would be what never ends.
                if device.info().backend == Backend::Gl {
                    thread::sleep(patience);
                    return Wait::InVain(patience);
                }
                if at == count {
                    device.run_for_ever();
                }
                return Wait::AtMost(patience);
            }
            _ => {}
        }
        Wait::Usually
    }

    /// Whether a buffer gets no memory.
    pub(super) fn at_buffer(&self) -> bool {
        if self.paused() {
            return false;
        }
        let count = 1 + self.buffers.fetch_add(1, Ordering::Relaxed);
        self.fault == Injected::NoMemoryAllocating(count)
    }

    /// Whether a buffer that is to be filled gets no memory.
    pub(super) fn at_upload(&self) -> bool {
        if self.paused() {
            return false;
        }
        let count = 1 + self.filled.fetch_add(1, Ordering::Relaxed);
        self.fault == Injected::NoMemoryUploading(count)
    }

    /// Whether a shader is not to compile.
    pub(super) fn at_shader(&self, label: &str) -> bool {
        if self.paused() {
            return false;
        }
        matches!(&self.fault, Injected::Shader(text) if label.contains(text))
    }

    /// The largest binding.
    pub(super) fn binding_bytes(&self) -> Option<u64> {
        match self.fault {
            Injected::Binding(bytes) => Some(bytes),
            _ => None,
        }
    }
}

/// What does not compile.
pub(super) const NO_SHADER: &str = "@compute @workgroup_size(1) fn main() { nothing(); }";

/// What never ends: nobody ever writes the word that it waits for.
const NEVER_ENDS: &str = "\
@group(0) @binding(0) var<storage, read_write> word: atomic<u32>;
@compute @workgroup_size(1) fn main() { while atomicLoad(&word) == 0u {} }";

impl Device {
    /// Submits a kernel that never ends.
    fn run_for_ever(&self) {
        let device = &self.device;
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some("for ever"),
            source: wgpu::ShaderSource::Wgsl(NEVER_ENDS.into()),
        };
        #[expect(unsafe_code, reason = "wgpu's checks end loops that have no end")]
        // SAFETY: it touches one word of a buffer of one word; a test that asks for a loop without end gets it.
        let module = unsafe {
            device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
        };
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some("for ever"),
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: Default::default(),
            cache: None,
        });
        let word = self.buffer("word", 4, wgpu::BufferUsages::STORAGE);
        let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &[wgpu::BindGroupEntry {
                binding: 0,
                resource: word.as_entire_binding(),
            }],
        });
        let mut encoder = device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &bind_group, &[]);
            // Mesa ends a loop after 65,535 turns on a processor; so many workgroups of it take years.
            let most = self.limits().workgroups;
            pass.dispatch_workgroups(most, most, most);
        }
        self.queue.submit([encoder.finish()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_named_and_counted() {
        let parse = |text: &str| text.parse::<Injected>().ok();
        assert_eq!(parse("device-lost"), Some(Injected::DeviceLost(1)));
        assert_eq!(parse("device-lost:7"), Some(Injected::DeviceLost(7)));
        let second = Duration::from_secs(1);
        assert_eq!(parse("no-answer"), Some(Injected::NoAnswer(1, second)));
        assert_eq!(
            parse("no-answer:3:60s"),
            Some(Injected::NoAnswer(3, 60 * second))
        );
        assert_eq!(parse("shader"), Some(Injected::Shader(String::new())));
        assert_eq!(parse("binding:64"), Some(Injected::Binding(64)));
        for wrong in [
            "",
            "nothing",
            "device-lost:x",
            "no-answer:1:x",
            "binding",
            "device-lost:-1",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
        let second = Injection::new(Injected::NoMemoryAllocating(2));
        assert_eq!([(); 3].map(|()| second.at_buffer()), [false, true, false]);
        assert!(!second.at_upload());
    }
}
