//! Which of a batch's buffers lie in memory that both the host and the kernels reach.
//!
//! Where the host writes the kernels' own buffer of pixels, an upload is a copy in memory: no command for the device, and
//! no wait. Where it reads the kernels' own buffer of outputs, a copy on the device is saved. On a Vulkan driver that
//! computes on the processor, all memory is such memory. On a GPU it may be on the wrong side of a bus, so it is tried, as
//! on all other drivers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::device::{Device, HostVisible};
use super::kernel::Binding;
use super::pipeline::Pipeline;
use super::single::{bind_group, whole};
use super::transfer::{Upload, usage};
use crate::adapter::{Backend, Kind};
use crate::error::{CheckError, Error, Result};

/// The sizes that are tried, the smallest first. A larger batch takes so much longer that a copy of it hardly matters.
const SIZES: [u64; 2] = [4 << 10, 256 << 10];

/// Round trips of each way that are timed, after one that is not.
const ROUND_TRIPS: usize = 7;

/// Workgroups of the kernel that reads and writes.
const WORKGROUPS: u32 = 16;

/// Its lanes in a workgroup, as the shader has them.
const LANES: u32 = 64;

/// What is being done, in the words of an error.
const LABEL: &str = "timing transfers to the device and back";

/// The text of that kernel.
pub const TRANSFER_SOURCE: &str = include_str!("../../shaders/probes/transfer.wgsl");

/// Its storage buffers, from binding 1 on.
pub const TRANSFER_BINDINGS: &[Binding] = &[Binding::Read, Binding::Write];

impl Device {
    /// Which buffers the host reaches, timed where that is not known.
    ///
    /// # Errors
    /// Those of [`Device::time_host_visible`].
    pub(super) async fn host_visible(self: &Arc<Self>) -> Result<HostVisible> {
        self.time_host_visible().await?;
        Ok(*self.host_visible.get_or_init(|| HostVisible::NONE))
    }

    /// What is known of them without waiting.
    pub(super) fn known_host_visible(&self) -> HostVisible {
        let known = self.host_visible.get().copied();
        known.unwrap_or(HostVisible::NONE)
    }

    /// Whether only timing tells which buffers the host should reach, and nobody did that yet.
    pub fn must_time_host_visible(&self) -> bool {
        self.host_visible.get().is_none() && self.host_visible_by_kind().is_none()
    }

    /// Takes what was timed in an earlier run, unless it is known already.
    pub fn know_host_visible(&self, earlier: HostVisible) {
        self.host_visible.get_or_init(|| earlier);
    }

    /// Times some round trips, where [`Device::must_time_host_visible`]; else none. If they fail, buffers are copied, with
    /// a warning.
    ///
    /// # Errors
    /// That the device is lost, or does not answer.
    pub async fn time_host_visible(self: &Arc<Self>) -> Result<Option<HostVisible>> {
        let found = match self.host_visible_by_kind() {
            Some(found) => (found, false),
            None if self.host_visible.get().is_some() => return Ok(None),
            None => match self.tried_host_visible().await {
                Ok(found) => (found, true),
                Err(error @ (Error::DeviceLost { .. } | Error::NoAnswer { .. })) => {
                    return Err(error);
                }
                Err(error) => {
                    log::warn!(
                        "memory that the host and the kernels share is not used, so batches are copied: {error}"
                    );
                    (HostVisible::NONE, false)
                }
            },
        };
        let (found, timed) = found;
        let found = *self.host_visible.get_or_init(|| {
            log::info!("{}: {found:?}", self.info());
            found
        });
        Ok(timed.then_some(found))
    }

    /// What is known of an adapter of this kind without timing.
    fn host_visible_by_kind(&self) -> Option<HostVisible> {
        let mappable = wgpu::Features::MAPPABLE_PRIMARY_BUFFERS;
        let on_processor = (Kind::Software, Backend::Vulkan);
        if !self.device.features().contains(mappable) {
            Some(HostVisible::NONE)
        } else if (self.info().kind, self.info().backend) == on_processor {
            Some(HostVisible::ALL)
        } else {
            None
        }
    }

    /// The largest sizes for which memory that the host reaches was faster than a copy.
    async fn tried_host_visible(self: &Arc<Self>) -> Result<HostVisible> {
        let source = TRANSFER_SOURCE.to_owned();
        let pipeline = Arc::new(self.compile_source(LABEL, source, TRANSFER_BINDINGS)?);
        let mut found = HostVisible::NONE;
        for size in SIZES {
            let inputs = HostVisible {
                inputs: size,
                ..HostVisible::NONE
            };
            if !self.gains(&pipeline, [size, SIZES[0]], inputs).await? {
                break;
            }
            found.inputs = size;
        }
        for size in SIZES {
            let outputs = HostVisible {
                outputs: size,
                ..HostVisible::NONE
            };
            if !self.gains(&pipeline, [SIZES[0], size], outputs).await? {
                break;
            }
            found.outputs = size;
        }
        Ok(found)
    }

    /// Whether a round trip of so many bytes in and out takes less time where what is `visible` is not copied.
    async fn gains(
        self: &Arc<Self>,
        pipeline: &Arc<Pipeline>,
        bytes: [u64; 2],
        visible: HostVisible,
    ) -> Result<bool> {
        let ways = [HostVisible::NONE, visible];
        let [copied, visible] = ways.map(|way| RoundTrip::new(self, pipeline, bytes, way));
        let ways = [copied?, visible?];
        let mut times = [const { Vec::new() }; 2];
        for round in 0..=ROUND_TRIPS {
            for (way, times) in ways.iter().zip(&mut times) {
                let time = way.run(1 + round as u32).await?;
                if round > 0 {
                    times.push(time);
                }
            }
        }
        let [copied, visible] = times.map(|mut times| {
            times.sort_unstable();
            times[ROUND_TRIPS / 2]
        });
        Ok(visible < copied)
    }
}

/// Bytes to the device, a kernel, bytes back.
struct RoundTrip {
    device: Arc<Device>,
    pipeline: Arc<Pipeline>,
    bound: wgpu::BindGroup,
    upload: Upload,
    inputs: wgpu::Buffer,
    outputs: wgpu::Buffer,
    /// None where the host reads `outputs`.
    read_back: Option<wgpu::Buffer>,
}

impl RoundTrip {
    fn new(
        device: &Arc<Device>,
        pipeline: &Arc<Pipeline>,
        [inputs, outputs]: [u64; 2],
        visible: HostVisible,
    ) -> Result<Self> {
        use wgpu::BufferUsages as Usage;
        let (shown, seen) = (inputs <= visible.inputs, outputs <= visible.outputs);
        let shape = [inputs / 4, outputs / 4, 0, 0].map(|words| words as u32);
        let uniform = device.filled(LABEL, bytemuck::bytes_of(&shape), Usage::UNIFORM);
        let upload = Upload::new(device, shown, inputs);
        let inputs = device.buffer(LABEL, inputs, usage(Usage::MAP_WRITE, shown));
        let outputs = device.buffer(LABEL, outputs, usage(Usage::MAP_READ, seen));
        let copied = Usage::MAP_READ | Usage::COPY_DST;
        let read_back = (!seen).then(|| device.buffer(LABEL, outputs.size(), copied));
        let bound = bind_group(
            device,
            pipeline,
            &uniform,
            &[whole(&inputs), whole(&outputs)],
        );
        device.check(LABEL)?;
        Ok(Self {
            device: Arc::clone(device),
            pipeline: Arc::clone(pipeline),
            bound,
            upload,
            inputs,
            outputs,
            read_back,
        })
    }

    /// How long it takes for words that are `value`.
    ///
    /// # Errors
    /// Those of the device; `Error::CheckFailed` where others come back.
    async fn run(&self, value: u32) -> Result<Duration> {
        let device = &self.device;
        let words = vec![value; self.inputs.size() as usize / 4];
        let start = Instant::now();
        let bytes = bytemuck::cast_slice(&words);
        self.upload
            .run(device, std::iter::once((&self.inputs, bytes)), LABEL)
            .await?;
        let mut encoder = device.device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(&self.pipeline.pipeline);
            pass.set_bind_group(0, &self.bound, &[]);
            pass.dispatch_workgroups(WORKGROUPS, 1, 1);
        }
        let size = self.outputs.size();
        if let Some(read_back) = &self.read_back {
            encoder.copy_buffer_to_buffer(&self.outputs, 0, read_back, 0, size);
        }
        device.queue.submit([encoder.finish()]);
        let from = self.read_back.as_ref().unwrap_or(&self.outputs);
        let words = |bytes: &[u8]| bytemuck::pod_collect_to_vec::<u8, u32>(bytes);
        let got = device.read_mapped(from, size, LABEL, words).await?;
        let time = start.elapsed();
        let lanes = (LANES * WORKGROUPS) as usize;
        let sum = |lane: usize| value * (lane..bytes.len() / 4).step_by(lanes).count() as u32;
        let mut got = got.iter().enumerate();
        if got.all(|(at, &got)| got == sum(at % lanes)) {
            return Ok(time);
        }
        Err(Error::CheckFailed(CheckError::WrongResult {
            what: "a round trip of bytes".into(),
            device: device.info().to_string(),
            problem: "its words differ from those that were sent".into(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{DeviceOptions, adapters};

    /// Every way brings back what was sent. What is found depends on the machine, and is one of the sizes.
    #[test]
    fn every_way_brings_the_words_back() {
        pollster::block_on(async {
            for found in adapters(None).await {
                let device = Device::open(&found, &DeviceOptions::default()).await;
                let device = device.expect("a device");
                if !device
                    .device
                    .features()
                    .contains(wgpu::Features::MAPPABLE_PRIMARY_BUFFERS)
                {
                    assert_eq!(
                        device.host_visible().await.expect("a way"),
                        HostVisible::NONE
                    );
                    continue;
                }
                let source = TRANSFER_SOURCE.to_owned();
                let pipeline = device.compile_source(LABEL, source, TRANSFER_BINDINGS);
                let pipeline = Arc::new(pipeline.expect("a kernel"));
                for bytes in [
                    [4, 4],
                    [256 << 10, 4 << 10],
                    [9 << 20, 4096],
                    [4096, 9 << 20],
                ] {
                    for [inputs, outputs] in [[0, 0], [u64::MAX, 0], [0, u64::MAX]] {
                        let way = HostVisible { inputs, outputs };
                        let trip = RoundTrip::new(&device, &pipeline, bytes, way);
                        let trip = trip.expect("its buffers");
                        for value in [1, 7, 2] {
                            let back = trip.run(value).await;
                            assert!(back.is_ok(), "{bytes:?} {way:?}: {back:?}");
                        }
                    }
                }
                let found = device.tried_host_visible().await.expect("round trips");
                for size in [found.inputs, found.outputs] {
                    assert!(size == 0 || SIZES.contains(&size), "{size}");
                }
            }
        });
    }
}
