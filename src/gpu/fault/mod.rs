//! Faults that tests inject into a device, to see what the program does about them.
//!
//! They exist only with the cargo feature `fault-injection`, which the tests turn on. Without it the same names stand
//! for empty types whose hooks do nothing, so that the code around a hook is the same in both builds.
//!
//! `FMNIST_GPU_FAULT` names one fault for every command:
//!
//! | word | what happens |
//! |---|---|
//! | `device-lost:N` | the device is destroyed before the N-th wait for it |
//! | `no-answer:N:DURATION` | before the N-th wait a kernel without end is submitted; a wait takes DURATION at most |
//! | `out-of-memory-allocation:N` | the N-th buffer gets no memory |
//! | `out-of-memory-upload:N` | the N-th buffer that is filled gets no memory |
//! | `shader:TEXT` | shaders whose name contains TEXT do not compile; without TEXT, no shader compiles |
//! | `binding:BYTES` | no binding may be larger |
//!
//! The default of N is 1, that of DURATION one second. Each device counts for itself. The first look at the driver's
//! arithmetic is not counted, so that N counts a command's own work. `verify` then uses one device only.
//!
//! `FMNIST_GPU_BREAK` names something that `verify` must find: see `Broken`.
//!
//! `FMNIST_GPU_ARITHMETIC` names a freedom that drivers have, and that no result may depend on: see `Hostile`.

#[cfg(feature = "fault-injection")]
mod broken;
#[cfg(feature = "fault-injection")]
mod endless;
#[cfg(feature = "fault-injection")]
mod functions;
#[cfg(feature = "fault-injection")]
mod hooks;
#[cfg(not(feature = "fault-injection"))]
#[path = "no_hooks.rs"]
mod hooks;
#[cfg(feature = "fault-injection")]
mod hostile;
#[cfg(feature = "fault-injection")]
mod injected;

#[cfg(feature = "fault-injection")]
pub use broken::Broken;
pub use hooks::Faults;
pub(super) use hooks::Injector;
pub(crate) use hooks::Pause;
#[cfg(feature = "fault-injection")]
pub use hostile::Hostile;
#[cfg(feature = "fault-injection")]
pub use injected::Injected;
