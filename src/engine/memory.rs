//! What a network needs on the executor that runs it, before a batch is there.

use super::session::{Executor, Session};
use crate::error::{Error, Result};
use crate::host;

/// How much smaller the next batch is that is tried, as one of so many parts.
const STEP: usize = 32;

impl Session {
    /// Bytes of all buffers that the model and a batch of this size need. Nothing is allocated.
    ///
    /// # Errors
    /// `Error::HostMemory` where this machine cannot hold the pixels of the batch; `Error::Usage` where no kernel that
    /// may be chosen can run it, `Error::TooLarge` where something exceeds the adapter; those of the device.
    pub async fn planned_bytes(&self, batch: usize) -> Result<u64> {
        let pixels = (batch as u64).saturating_mul(self.inputs() as u64);
        host::need(&format!("a batch of {batch} images"), pixels)?;
        match self.executor() {
            Executor::Gpu(network) => network.planned_bytes(batch).await,
            Executor::Cpu(network) => Ok(network.planned_bytes(batch)),
        }
    }

    /// The largest batch of at most `most` images that needs at most `limit` bytes, and how many it needs; none where not
    /// even one image fits.
    ///
    /// # Errors
    /// Those of the device.
    pub async fn largest_batch(&self, limit: u64, most: usize) -> Result<Option<(usize, u64)>> {
        // Its pixels alone must fit.
        let by_pixels = usize::try_from(limit / self.inputs().max(1) as u64);
        let most = most.min(by_pixels.unwrap_or(usize::MAX));
        // Another batch size may have another kernel with other buffers. So larger batches do not always need more, and
        // the largest is searched from above.
        let (mut too_large, mut fits) = (most.saturating_add(1), None);
        let mut next = most;
        while next > 0 {
            fits = self.within(limit, next).await?;
            if fits.is_some() {
                break;
            }
            too_large = next;
            next -= next.div_ceil(STEP);
        }
        let Some(mut found) = fits else {
            return Ok(None);
        };
        while too_large - found.0 > 1 {
            let middle = found.0 + (too_large - found.0) / 2;
            match self.within(limit, middle).await? {
                Some(larger) => found = larger,
                None => too_large = middle,
            }
        }
        Ok(Some(found))
    }

    /// A batch and the bytes that it needs; none where it needs more than `limit`, or cannot run at all.
    async fn within(&self, limit: u64, batch: usize) -> Result<Option<(usize, u64)>> {
        match self.planned_bytes(batch).await {
            Ok(bytes) => Ok((bytes <= limit).then_some((batch, bytes))),
            Err(Error::TooLarge { .. } | Error::Usage(_) | Error::HostMemory { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
