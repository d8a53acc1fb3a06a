//! The way of a batch's pixels to the device, and of its outputs back.

use wgpu::BufferUsages as Usage;

use super::device::{Device, rounded};
use crate::error::Result;

/// The most bytes that are staged at a time: the device copies one piece while the host writes the next.
const PIECE: u64 = 4 << 20;

/// The usages of a buffer of pixels or outputs. If it is `visible` to the host, the host maps it as `host` says.
pub(super) fn usage(host: Usage, visible: bool) -> Usage {
    let kernels = Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST;
    if visible { kernels | host } else { kernels }
}

/// How many buffers stage so many bytes.
fn pieces(visible: bool, bytes: u64) -> u64 {
    if visible {
        0
    } else {
        bytes.div_ceil(PIECE).min(2)
    }
}

/// How pixels come into the kernels' buffers.
#[derive(Debug)]
pub(super) struct Upload {
    /// Buffers that the host writes and the device copies, in turn. None where the host writes the kernels' buffers.
    staging: Vec<wgpu::Buffer>,
}

impl Upload {
    /// The way into buffers that are `visible` to the host or not, for `bytes` in all.
    pub(super) fn new(device: &Device, visible: bool, bytes: u64) -> Self {
        let usage = Usage::MAP_WRITE | Usage::COPY_SRC;
        let make = |_| device.buffer("staging", bytes.min(PIECE), usage);
        Self {
            staging: (0..pieces(visible, bytes)).map(make).collect(),
        }
    }

    /// Bytes of its buffers.
    pub(super) fn bytes_of(visible: bool, bytes: u64) -> u64 {
        pieces(visible, bytes) * rounded(bytes.min(PIECE))
    }

    /// Brings the bytes to the start of each buffer, and waits until they are there.
    ///
    /// # Errors
    /// Those of the device.
    pub(super) async fn run<'a>(
        &self,
        device: &Device,
        uploads: impl Iterator<Item = (&'a wgpu::Buffer, &'a [u8])>,
        during: &str,
    ) -> Result<()> {
        let mut staging = self.staging.iter().cycle();
        for (target, bytes) in uploads {
            if self.staging.is_empty() {
                device.write_mapped(target, bytes, during).await?;
                continue;
            }
            for (at, piece) in (0..)
                .step_by(PIECE as usize)
                .zip(bytes.chunks(PIECE as usize))
            {
                let Some(staging) = staging.next() else { break };
                device.write_mapped(staging, piece, during).await?;
                let mut encoder = device.device.create_command_encoder(&Default::default());
                encoder.copy_buffer_to_buffer(staging, 0, target, at, piece.len() as u64);
                device.queue.submit([encoder.finish()]);
            }
        }
        if self.staging.is_empty() {
            return Ok(());
        }
        device.wait(during)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.staging.iter().map(wgpu::Buffer::size).sum()
    }
}
