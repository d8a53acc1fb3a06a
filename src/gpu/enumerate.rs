//! Finding adapters and telling what they are.

use crate::adapter::{AdapterInfo, Backend, Feature, Kind};

/// Keeps Mesa from printing on stderr: its device-select layer complains of a missing runtime
/// folder. Does nothing on other systems than Linux.
///
/// # Safety
/// It sets environment variables, so no other thread may be running: call it first thing in `main`.
#[expect(
    unsafe_code,
    reason = "setting the environment is the caller's risk, as told"
)]
pub unsafe fn quiet_drivers() {
    #[cfg(target_os = "linux")]
    // SAFETY: the caller promises that there is no other thread.
    unsafe {
        std::env::set_var("NODEVICE_SELECT", "1");
        if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
            std::env::set_var("XDG_RUNTIME_DIR", std::env::temp_dir());
        }
    }
}

/// An adapter that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// What it is.
    pub info: AdapterInfo,
    pub(super) adapter: wgpu::Adapter,
}

/// The adapters reached through `backend`, or through every backend where none is named, best
/// backend first. Only what is asked for is opened: opening a backend wakes its drivers.
pub async fn adapters(backend: Option<Backend>) -> Vec<Found> {
    let backends = match backend {
        None => wgpu::Backends::all(),
        Some(Backend::Vulkan) => wgpu::Backends::VULKAN,
        Some(Backend::Metal) => wgpu::Backends::METAL,
        Some(Backend::Dx12) => wgpu::Backends::DX12,
        Some(Backend::Gl) => wgpu::Backends::GL,
        Some(Backend::WebGpu) => wgpu::Backends::BROWSER_WEBGPU,
        Some(Backend::Cpu) => return Vec::new(),
    };
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = backends;
    let instance = wgpu::Instance::new(descriptor);
    let mut found: Vec<Found> = instance
        .enumerate_adapters(backends)
        .await
        .into_iter()
        .filter_map(describe)
        .collect();
    found.sort_by_key(|found| match found.info.backend {
        Backend::Vulkan | Backend::Metal => 0,
        Backend::Dx12 => 1,
        Backend::WebGpu | Backend::Gl => 2,
        Backend::Cpu => 3,
    });
    for (index, found) in found.iter_mut().enumerate() {
        found.info.index = index;
    }
    found
}

/// None for what is no adapter of ours: wgpu's no-op backend, or one without compute shaders.
fn describe(adapter: wgpu::Adapter) -> Option<Found> {
    let info = adapter.get_info();
    let backend = match info.backend {
        wgpu::Backend::Vulkan => Backend::Vulkan,
        wgpu::Backend::Metal => Backend::Metal,
        wgpu::Backend::Dx12 => Backend::Dx12,
        wgpu::Backend::Gl => Backend::Gl,
        wgpu::Backend::BrowserWebGpu => Backend::WebGpu,
        wgpu::Backend::Noop => return None,
    };
    let downlevel = adapter.get_downlevel_capabilities();
    if !downlevel
        .flags
        .contains(wgpu::DownlevelFlags::COMPUTE_SHADERS)
    {
        return None;
    }
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => Kind::Discrete,
        wgpu::DeviceType::IntegratedGpu => Kind::Integrated,
        wgpu::DeviceType::VirtualGpu => Kind::Virtual,
        wgpu::DeviceType::Cpu => Kind::Software,
        wgpu::DeviceType::Other => Kind::Other,
    };
    let available = adapter.features();
    let features = Feature::ALL
        .into_iter()
        .filter(|&feature| available.contains(wgpu_feature(feature)))
        .collect();
    let driver = [info.driver.trim(), info.driver_info.trim()];
    let driver: Vec<&str> = driver.into_iter().filter(|text| !text.is_empty()).collect();
    Some(Found {
        info: AdapterInfo {
            index: 0,
            name: info.name.trim().to_owned(),
            backend,
            kind,
            driver: driver.join(" "),
            features,
            processor: None,
        },
        adapter,
    })
}

/// What wgpu calls a feature.
pub(super) fn wgpu_feature(feature: Feature) -> wgpu::Features {
    match feature {
        Feature::ShaderF16 => wgpu::Features::SHADER_F16,
        Feature::TimestampQuery => wgpu::Features::TIMESTAMP_QUERY,
        Feature::Subgroup => wgpu::Features::SUBGROUP,
        Feature::CooperativeMatrix => wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX,
    }
}
