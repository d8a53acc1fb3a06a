//! Buffers that the host reads and writes: map, wait, copy.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_intrusive::channel::shared::oneshot_channel;
use wgpu::MapMode;

use super::device::Device;
use crate::error::{Error, Result};
use crate::host;

/// Bytes that a thread copies at a time. It takes longer than to wake a thread for it.
const BYTES_A_THREAD: usize = 1 << 20;

impl Device {
    /// Waits for everything submitted, then calls `read` with the first `bytes` of a mappable buffer.
    pub(super) async fn read_mapped<T>(
        &self,
        buffer: &wgpu::Buffer,
        bytes: u64,
        during: &str,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<T> {
        self.map(buffer, bytes, MapMode::Read, during).await?;
        let value = {
            let view = buffer
                .slice(..bytes)
                .get_mapped_range()
                .map_err(|error| self.not_mapped(during, error.to_string()))?;
            read(&view)
        };
        buffer.unmap();
        self.check(during)?;
        Ok(value)
    }

    /// Copies `bytes`, whole words, to the start of a mappable buffer. Waits only if something submitted uses the buffer.
    pub(super) async fn write_mapped(
        &self,
        buffer: &wgpu::Buffer,
        bytes: &[u8],
        during: &str,
    ) -> Result<()> {
        let length = bytes.len() as u64;
        self.map(buffer, length, MapMode::Write, during).await?;
        let copy = |part: usize, from: &[u8]| {
            let at = (part * BYTES_A_THREAD) as u64;
            let part = buffer.slice(at..at + from.len() as u64);
            part.get_mapped_range_mut()?.copy_from_slice(from);
            Ok(())
        };
        let copied = if bytes.len() <= BYTES_A_THREAD {
            copy(0, bytes)
        } else {
            let parts = bytes.chunks(BYTES_A_THREAD).enumerate();
            let copied = host::map(parts, |(part, from)| copy(part, from));
            copied.into_iter().collect()
        };
        copied.map_err(|error: wgpu::MapRangeError| self.not_mapped(during, error.to_string()))?;
        buffer.unmap();
        self.check(during)
    }

    /// Maps the first `bytes` of a buffer. To read one is to wait for everything submitted.
    async fn map(
        &self,
        buffer: &wgpu::Buffer,
        bytes: u64,
        mode: MapMode,
        during: &str,
    ) -> Result<()> {
        let (sender, receiver) = oneshot_channel();
        let answered = Arc::new(AtomicBool::new(false));
        let answer = Arc::clone(&answered);
        buffer.slice(..bytes).map_async(mode, move |result| {
            answer.store(true, Ordering::Release);
            // The receiver is gone only after the wait has failed, and the caller gets that error.
            let _ = sender.send(result);
        });
        if mode == MapMode::Write {
            // A buffer that is not in use is mapped by the first poll. What goes wrong in it, the wait reports.
            let _ = self.device.poll(wgpu::PollType::Poll);
        }
        if !answered.load(Ordering::Acquire) {
            self.wait(during)?;
        }
        let answer = receiver.receive().await;
        // A lost device maps nothing. Then the loss is the error.
        self.check(during)?;
        match answer {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => Err(self.not_mapped(during, error.to_string())),
            None => Err(self.not_mapped(during, "the mapping was dropped".into())),
        }
    }

    fn not_mapped(&self, during: &str, reason: String) -> Error {
        Error::CommandRejected {
            during: during.to_owned(),
            adapter: self.info().to_string(),
            reason,
        }
    }
}
