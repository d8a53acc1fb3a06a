//! Which of a batch's buffers the host reaches on an adapter: timed once, and kept.

use std::sync::Arc;

use super::cache::{Cache, CacheEntry, CacheKey, TuningEffort};
use super::key::device_key;
use crate::adapter::AdapterInfo;
use crate::error::Result;
use crate::gpu::{Device, HostVisible};
use crate::{Mode, Precision};

/// Takes what the cache knows of an open device's transfers, or times them and keeps the result; nothing where no timing
/// is needed.
///
/// # Errors
/// That the device is lost or does not answer.
pub(super) async fn know_transfers(device: &Arc<Device>) -> Result<()> {
    if !device.must_time_host_visible() {
        return Ok(());
    }
    let mut cache = Cache::open();
    let key = key(device.info());
    if let Some(known) = known(&cache, &key) {
        device.know_host_visible(known);
    } else if let Some(timed) = device.time_host_visible().await? {
        keep(&mut cache, key, timed);
        if let Err(error) = cache.save() {
            log::warn!("the result of timing transfers could not be saved: {error}");
        }
    }
    Ok(())
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
    use crate::cpu::Processor;

    #[test]
    fn what_was_timed_is_known_the_next_time_on_that_adapter_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kernels.json");
        let own = AdapterInfo::cpu(0, Processor::default().info());
        let other = AdapterInfo {
            driver: "another driver".into(),
            ..own.clone()
        };
        let found = HostVisible {
            inputs: 4096,
            outputs: 0,
        };
        let mut cache = Cache::open_at(&path);
        assert_eq!(known(&cache, &key(&own)), None);
        keep(&mut cache, key(&own), found);
        cache.save().unwrap();
        let cache = Cache::open_at(&path);
        assert_eq!(known(&cache, &key(&own)), Some(found));
        assert_eq!(known(&cache, &key(&other)), None);
    }
}
