//! Finding and describing adapters.

use crate::adapter::{AdapterInfo, Backend, Feature, Kind, MatrixUnits};

/// Keeps Mesa from printing on stderr: its device-select layer warns of a missing runtime folder. It does something on
/// Linux only.
///
/// # Safety
/// It sets environment variables, so no other thread may run: call it first in `main`.
#[expect(
    unsafe_code,
    reason = "the caller promises what setting the environment needs"
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

/// The adapters of one backend, or of every backend, the best backend first. A backend that is not requested is not
/// opened, since that would start its drivers.
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

/// `None` for an adapter that cannot run kernels: wgpu's no-op backend, or one without compute shaders.
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
    let matrix_units = matrix_units(
        &adapter.cooperative_matrix_properties(),
        info.subgroup_max_size,
    );
    Some(Found {
        info: AdapterInfo {
            index: 0,
            name: info.name.trim().to_owned(),
            backend,
            kind,
            driver: driver.join(" "),
            features,
            processor: None,
            matrix_units,
        },
        adapter,
    })
}

/// The largest usable matrices that an adapter offers.
///
/// A kernel's workgroup is made of whole subgroups of the largest size, or of the size that was read on the open device.
/// Two small subgroups in the place of a large one both compute the same values. Each lane must hold the same number of a
/// matrix's values.
fn matrix_units(offered: &[wgpu::CooperativeMatrixProperties], lanes: u32) -> Option<MatrixUnits> {
    use wgpu::CooperativeScalarType::{F16, F32};
    let has = |size: u32| {
        offered.iter().any(|offer| {
            [offer.m_size, offer.n_size, offer.k_size] == [size; 3]
                && (offer.ab_type, offer.cr_type) == (F16, F32)
        })
    };
    let even = |size: u32| lanes > 0 && (size * size).is_multiple_of(lanes);
    let size = [16, 8].into_iter().find(|&size| has(size) && even(size))?;
    Some(MatrixUnits { size, lanes })
}

/// A feature in wgpu's terms.
pub(super) fn wgpu_feature(feature: Feature) -> wgpu::Features {
    match feature {
        Feature::ShaderF16 => wgpu::Features::SHADER_F16,
        Feature::TimestampQuery => wgpu::Features::TIMESTAMP_QUERY,
        Feature::Subgroup => wgpu::Features::SUBGROUP,
        Feature::CooperativeMatrix => wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wgpu::CooperativeScalarType::{F16, F32, I32};

    fn offer(
        [m_size, n_size, k_size]: [u32; 3],
        ab_type: wgpu::CooperativeScalarType,
        cr_type: wgpu::CooperativeScalarType,
    ) -> wgpu::CooperativeMatrixProperties {
        wgpu::CooperativeMatrixProperties {
            m_size,
            n_size,
            k_size,
            ab_type,
            cr_type,
            saturating_accumulation: false,
        }
    }

    #[test]
    fn matrices_are_square_and_of_f16_summed_in_f32() {
        let size = |offers: &[_], lanes| matrix_units(offers, lanes).map(|units| units.size);
        let small = offer([8; 3], F16, F32);
        let large = offer([16; 3], F16, F32);
        assert_eq!(size(&[small], 8), Some(8));
        assert_eq!(size(&[small, large], 32), Some(16));
        // 128 lanes cannot share 64 values evenly, but they can share 256.
        assert_eq!(size(&[small], 128), None);
        assert_eq!(size(&[small, large], 128), Some(16));
        assert_eq!(size(&[small], 0), None);
        for other in [
            offer([16, 8, 16], F16, F32),
            offer([16, 16, 8], F16, F32),
            offer([16; 3], F16, F16),
            offer([16; 3], F32, F32),
            offer([16; 3], I32, I32),
        ] {
            assert_eq!(size(&[other], 32), None, "{other:?}");
        }
    }
}
