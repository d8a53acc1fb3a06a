//! Reading buffers back: map, wait, copy.

use futures_intrusive::channel::shared::oneshot_channel;

use super::device::Device;
use crate::error::{Error, Result};

impl Device {
    /// Waits for everything submitted, then calls `read` with the first `bytes` of a mappable buffer.
    pub(super) async fn read_mapped<T>(
        &self,
        buffer: &wgpu::Buffer,
        bytes: u64,
        during: &str,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<T> {
        let (sender, receiver) = oneshot_channel();
        buffer
            .slice(..bytes)
            .map_async(wgpu::MapMode::Read, move |result| {
                // The receiver is gone only after the wait has failed, and the caller gets that error.
                let _ = sender.send(result);
            });
        self.wait(during)?;
        let unmapped = |reason| Error::CommandRejected {
            during: during.to_owned(),
            adapter: self.info().to_string(),
            reason,
        };
        match receiver.receive().await {
            Some(Ok(())) => {}
            Some(Err(error)) => return Err(unmapped(error.to_string())),
            None => return Err(unmapped("the read-back was dropped".into())),
        }
        let value = {
            let view = buffer
                .slice(..bytes)
                .get_mapped_range()
                .map_err(|error| unmapped(error.to_string()))?;
            read(&view)
        };
        buffer.unmap();
        self.check(during)?;
        Ok(value)
    }
}
