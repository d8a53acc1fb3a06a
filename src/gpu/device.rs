//! An open adapter: device, queue, compiled kernels, and the errors that its driver reports.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::enumerate::{Found, wgpu_feature};
use super::fault::{Faults, Injector, Pause};
use super::pipeline::Pipelines;
use crate::adapter::{AdapterInfo, Feature, Kind};
use crate::error::{Error, Result};
use crate::host;
use crate::plan::Limits;

/// Threads that Mesa's driver for processors starts, beside two for each processor up to so many.
const THREADS_OF_SOFTWARE: usize = 2;
const MOST_PROCESSORS_OF_SOFTWARE: usize = 32;

/// Memory that such a driver and its compiler take for small networks.
const MEMORY_OF_SOFTWARE: u64 = 96 << 20;

/// How a device is opened.
#[derive(Clone, Debug, Default)]
pub struct DeviceOptions {
    /// Keep the runtime checks (bounds, endless loops) that wgpu adds to shaders. Without them the kernels run as
    /// written. The tests run both ways.
    pub checked: bool,
    /// Use no storage binding larger than this. Tests of chunked batches set it.
    pub binding_bytes: Option<u64>,
    /// Round f16 in integer arithmetic even where the driver's conversion is right. Tests set it.
    pub round_in_integers: bool,
    /// Open it with its matrix units, if it has any. wgpu calls the feature experimental, so a device that does not use
    /// it is opened without.
    pub matrix_units: bool,
    /// Kernel variants that its driver is known not to take.
    pub rejected: Vec<&'static str>,
    /// Faults that tests inject.
    pub faults: Faults,
    /// Is called with [`Error::NoAnswer`] before the caller gets it, and should end the process: to drop the handles of a
    /// silent device is to wait for it, in some drivers for ever.
    pub on_silence: Option<fn(&Error)>,
    /// How a thread waits for the device.
    pub waiting: Waiting,
    /// Which buffers lie in memory that both the host and the kernels reach; measured, if it is left open. It is not used
    /// where the driver has no such memory.
    pub host_visible: Option<HostVisible>,
}

/// How a thread waits for a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Waiting {
    /// As `Spinning` on a GPU, for a time that depends on how long an empty submit takes there. On an adapter whose driver computes on
    /// the processor's own cores, the driver's wait: a thread that spins would take a core from it.
    #[default]
    Measured,
    /// Polls without a pause for this time, then waits as the driver does. Waking up takes longer than running a small
    /// network.
    Spinning(Duration),
    /// Polls with pauses. Some drivers keep a processor core busy during a wait, and other threads of the process lack that
    /// core. Times measured in this way are coarse.
    Sleeping,
}

/// The most bytes of a chunk's buffer that lies in memory which the host reaches too. A larger one is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostVisible {
    /// Of the pixels.
    pub inputs: u64,
    /// Of the outputs.
    pub outputs: u64,
}

impl HostVisible {
    /// No buffer: the adapter or its driver has no such memory.
    pub const NONE: Self = Self {
        inputs: 0,
        outputs: 0,
    };
    /// Buffers of any size: the processor's memory is the device's.
    pub const ALL: Self = Self {
        inputs: u64::MAX,
        outputs: u64::MAX,
    };
}

/// An open adapter.
#[derive(Debug)]
pub struct Device {
    /// What it was opened from.
    found: Found,
    options: DeviceOptions,
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    info: AdapterInfo,
    limits: Limits,
    pub(super) checked: bool,
    errors: Arc<DriverErrors>,
    pub(super) injector: Injector,
    pub(super) on_silence: Option<fn(&Error)>,
    /// How a thread waits for it: measured, if that was left open.
    pub(super) waiting: Waiting,
    pub(super) pipelines: Pipelines,
    /// Whether f16 stores must round in integers. The first use of f16 finds it out.
    pub(super) round_in_integers: OnceLock<bool>,
    /// Which buffers lie in memory that both the host and the kernels reach. The first batch finds it out.
    pub(super) host_visible: OnceLock<HostVisible>,
}

/// The first error that the driver reported since the last check.
#[derive(Debug, Default)]
struct DriverErrors(Mutex<Option<DriverError>>);

#[derive(Debug)]
enum DriverError {
    OutOfMemory,
    Lost(String),
    Rejected(String),
}

impl DriverErrors {
    fn note(&self, error: DriverError) {
        let mut first = self.lock();
        // After a device is lost everything fails, so the loss is the cause.
        if first.is_none() || matches!(error, DriverError::Lost(_)) {
            *first = Some(error);
        }
    }

    /// A poisoned lock only means that another thread panicked. The data is plain.
    fn lock(&self) -> MutexGuard<'_, Option<DriverError>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Device {
    /// Opens an adapter with those of its features that `found.info` names and kernels use.
    ///
    /// # Errors
    /// `Error::DeviceUnavailable` where the driver refuses.
    pub async fn open(found: &Found, options: &DeviceOptions) -> Result<Arc<Self>> {
        let mut opened = Self::connect(found, options).await?;
        if let Some(units) = opened.limits.matrix_units
            && opened.limits.subgroup.is_none()
        {
            let units = opened.with_lanes_in_use(units).await?;
            opened.limits.matrix_units = Some(units);
        }
        opened.waiting = opened.measured_waiting();
        Ok(Arc::new(opened))
    }

    /// The same adapter, opened again. What was measured of it is kept: how to wait for it, how it rounds, which memory
    /// the host reaches.
    ///
    /// # Errors
    /// Those of [`Device::open`].
    pub async fn reopened(&self) -> Result<Arc<Self>> {
        let mut opened = Self::connect(&self.found, &self.options).await?;
        opened.limits = self.limits.clone();
        opened.waiting = self.waiting;
        opened.round_in_integers = self.round_in_integers.clone();
        opened.host_visible = self.host_visible.clone();
        Ok(Arc::new(opened))
    }

    /// Whether opening it again leaves it as it is. A fault that counts what happens on a device must not begin anew.
    #[must_use]
    pub fn may_reopen(&self) -> bool {
        !self.options.faults.count()
    }

    /// Opens an adapter; nothing is measured.
    async fn connect(found: &Found, options: &DeviceOptions) -> Result<Self> {
        check_host(&found.info)?;
        let mut limits = found.adapter.limits();
        let injector = Injector::new(&options.faults);
        if let Some(bytes) = options.binding_bytes.or(injector.binding_bytes()) {
            limits.max_storage_buffer_binding_size = bytes;
        }
        let info = found.info.clone();
        let used = [
            Feature::ShaderF16,
            Feature::TimestampQuery,
            Feature::Subgroup,
        ];
        let matrix_units = info.matrix_units.filter(|_| options.matrix_units);
        let required = used
            .into_iter()
            .chain(matrix_units.map(|_| Feature::CooperativeMatrix))
            .filter(|&feature| info.has(feature))
            .fold(wgpu::Features::empty(), |all, feature| {
                all | wgpu_feature(feature)
            });
        let mappable = found.adapter.features() & wgpu::Features::MAPPABLE_PRIMARY_BUFFERS;
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("fmnist-gpu"),
            required_features: required | mappable,
            required_limits: limits.clone(),
            memory_hints: wgpu::MemoryHints::Performance,
            experimental_features: if matrix_units.is_some() {
                accept_experiments()
            } else {
                wgpu::ExperimentalFeatures::disabled()
            },
            ..Default::default()
        };
        let (device, queue) = found
            .adapter
            .request_device(&descriptor)
            .await
            .map_err(|error| not_opened(&info, &error))?;

        let errors = Arc::new(DriverErrors::default());
        let noted = Arc::clone(&errors);
        device.on_uncaptured_error(Arc::new(move |error| {
            noted.note(match error {
                wgpu::Error::OutOfMemory { .. } => DriverError::OutOfMemory,
                other => DriverError::Rejected(other.to_string()),
            });
        }));
        let noted = Arc::clone(&errors);
        device.set_device_lost_callback(move |reason, message| {
            // A device that is dropped reports this too, but nobody checks it any more.
            noted.note(DriverError::Lost(
                format!("{reason:?} {message}").trim().to_owned(),
            ));
        });

        let limits = Limits {
            // A buffer is bound whole, so both limits hold for it. A read-back buffer holds a few words more than the
            // values that it reads.
            binding_bytes: limits
                .max_storage_buffer_binding_size
                .min(limits.max_buffer_size.saturating_sub(256)),
            workgroups: limits.max_compute_workgroups_per_dimension,
            storage_buffers: limits.max_storage_buffers_per_shader_stage,
            invocations: limits
                .max_compute_invocations_per_workgroup
                .min(limits.max_compute_workgroup_size_x),
            workgroup_bytes: limits.max_compute_workgroup_storage_size,
            subgroup: subgroup(found).filter(|_| info.has(Feature::Subgroup)),
            matrix_units,
            rejected: options.rejected.clone(),
            kind: info.kind,
            adapter: info.to_string(),
        };
        Ok(Self {
            found: found.clone(),
            options: options.clone(),
            device,
            queue,
            info,
            limits,
            checked: options.checked,
            errors,
            injector,
            on_silence: options.on_silence,
            waiting: options.waiting,
            pipelines: Pipelines::default(),
            round_in_integers: if options.round_in_integers {
                OnceLock::from(true)
            } else {
                OnceLock::new()
            },
            host_visible: (options.host_visible)
                .filter(|_| !mappable.is_empty())
                .map_or_else(OnceLock::new, OnceLock::from),
        })
    }

    /// What the adapter is.
    #[must_use]
    pub fn info(&self) -> &AdapterInfo {
        &self.info
    }

    /// What kernels may use on it.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The error that the driver reported since the last check, if any. `during` says what was being done.
    pub(super) fn check(&self, during: &str) -> Result<()> {
        let mut first = self.errors.lock();
        let (adapter, during) = (self.info.to_string(), during.to_owned());
        match first.take() {
            None => Ok(()),
            Some(DriverError::OutOfMemory) => Err(Error::OutOfMemory { adapter, during }),
            Some(DriverError::Lost(reason)) => {
                // Every later check reports the loss too.
                *first = Some(DriverError::Lost(reason.clone()));
                Err(Error::DeviceLost {
                    adapter,
                    during,
                    reason,
                })
            }
            Some(DriverError::Rejected(message)) => {
                // wgpu's message has many lines.
                let words: Vec<&str> = message.split_whitespace().collect();
                Err(Error::CommandRejected {
                    during,
                    adapter,
                    reason: words.join(" "),
                })
            }
        }
    }

    /// No injected fault happens until the result is dropped.
    pub(crate) fn without_faults(&self) -> Pause<'_> {
        self.injector.pause()
    }

    /// A buffer of at least `bytes`, in whole words.
    pub(super) fn buffer(
        &self,
        label: &str,
        bytes: u64,
        usage: wgpu::BufferUsages,
    ) -> wgpu::Buffer {
        if self.injector.at_buffer() {
            self.errors.note(DriverError::OutOfMemory);
        }
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: rounded(bytes),
            usage,
            mapped_at_creation: false,
        })
    }

    /// A buffer with these contents. Their length must be a multiple of four.
    pub(super) fn filled(
        &self,
        label: &str,
        bytes: &[u8],
        usage: wgpu::BufferUsages,
    ) -> wgpu::Buffer {
        if self.injector.at_upload() {
            self.errors.note(DriverError::OutOfMemory);
        }
        let usage = usage | wgpu::BufferUsages::COPY_DST;
        let buffer = self.buffer(label, bytes.len() as u64, usage);
        self.queue.write_buffer(&buffer, 0, bytes);
        buffer
    }
}

/// The size of a buffer of so many bytes: whole words, and at least one.
pub(super) fn rounded(bytes: u64) -> u64 {
    bytes.max(4).next_multiple_of(4)
}

/// A driver that runs shaders on the processor starts threads for it, and waits for ever for one that did not start.
fn check_host(info: &AdapterInfo) -> Result<()> {
    if info.kind != Kind::Software {
        return Ok(());
    }
    let processors = host::processors().min(MOST_PROCESSORS_OF_SOFTWARE);
    let threads = THREADS_OF_SOFTWARE + 2 * processors;
    host::need_threads(&info.to_string(), threads)?;
    host::need(&info.to_string(), MEMORY_OF_SOFTWARE)
}

/// The error of a driver that does not open its adapter. Only its words say that memory is missing.
fn not_opened(info: &AdapterInfo, error: &wgpu::RequestDeviceError) -> Error {
    let (adapter, reason) = (info.to_string(), error.to_string());
    if reason.starts_with("Not enough memory") {
        let during = "opening it".to_owned();
        return Error::OutOfMemory { adapter, during };
    }
    Error::DeviceUnavailable { adapter, reason }
}

/// Allows features that wgpu calls experimental.
fn accept_experiments() -> wgpu::ExperimentalFeatures {
    #[expect(
        unsafe_code,
        reason = "matrix units are behind an experimental feature"
    )]
    // SAFETY: wgpu warns that such a feature may do something else than its documentation says. The kernels that use it
    // stay inside their buffers as all others do, and tests run them checked and unchecked with sentinels behind each
    // buffer. Networks use them only after each has been compared with the reference on this adapter. Microkernels are
    // checked before they are timed.
    unsafe {
        wgpu::ExperimentalFeatures::enabled()
    }
}

/// Lanes of the adapter's subgroups. `None` where they differ.
fn subgroup(found: &Found) -> Option<u32> {
    let info = found.adapter.get_info();
    let known = info.subgroup_min_size > 0 && info.subgroup_min_size == info.subgroup_max_size;
    known.then_some(info.subgroup_min_size)
}
