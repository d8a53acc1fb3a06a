//! Which of a batch's buffers the host reaches on an adapter: timed once, and kept.

use super::cache::{Cache, CacheEntry, CacheKey, TuningEffort};
use super::key::device_key;
use crate::adapter::AdapterInfo;
use crate::engine::{Engine, EngineOptions, MatrixUse, Selected};
use crate::error::Result;
use crate::gpu::HostVisible;
use crate::{Mode, Precision};

/// Opens an adapter with what the cache knows of its transfers, or times them and keeps the result.
///
/// # Errors
/// Those of [`Selected::open`], and that the device is lost or does not answer.
pub(super) async fn open_with_transfers(
    selected: &Selected,
    options: &EngineOptions,
    matrix_units: MatrixUse,
) -> Result<Engine> {
    let mut options = options.clone();
    let key = key(selected.info());
    if options.device.host_visible.is_none() && selected.found().is_some() {
        options.device.host_visible = known(&Cache::open(), &key);
    }
    let engine = selected.open(&options, matrix_units).await?;
    if let Some(device) = engine.device()
        && let Some(timed) = device.time_host_visible().await?
    {
        let mut cache = Cache::open();
        keep(&mut cache, key, timed);
        if let Err(error) = cache.save() {
            log::warn!("the result of timing transfers could not be saved: {error}");
        }
    }
    Ok(engine)
}

/// The place of an adapter's transfers in the cache. The number behind `transfers` changes with the way of timing them.
fn key(info: &AdapterInfo) -> CacheKey {
    let mode = Mode::from(Precision::F32);
    device_key(info, &mode, "transfers 1".to_owned(), TuningEffort::Quick)
}

fn known(cache: &Cache, key: &CacheKey) -> Option<HostVisible> {
    cache.get(key)?.host_visible
}

fn keep(cache: &mut Cache, key: CacheKey, found: HostVisible) {
    let mut entry = CacheEntry::new("", 0);
    entry.host_visible = Some(found);
    cache.put(key, entry);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu;

    #[test]
    fn what_was_timed_is_known_the_next_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kernels.json");
        let adapters = pollster::block_on(gpu::adapters(None));
        let mut cache = Cache::open_at(&path);
        let found = |inputs| HostVisible {
            inputs,
            outputs: 4096,
        };
        for (inputs, adapter) in (1..).zip(&adapters) {
            assert_eq!(known(&cache, &key(&adapter.info)), None);
            keep(&mut cache, key(&adapter.info), found(inputs));
        }
        cache.save().unwrap();
        let cache = Cache::open_at(&path);
        for (inputs, adapter) in (1..).zip(&adapters) {
            assert_eq!(known(&cache, &key(&adapter.info)), Some(found(inputs)));
        }
    }
}
