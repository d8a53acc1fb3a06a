//! A compiled kernel, and all that one device has compiled.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::kernel::Binding;
use crate::Precision;
use crate::plan::Pass;

/// A compiled kernel.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
}

impl Pipeline {
    /// Compiles a shader that uses the uniform at binding 0 and these storage buffers from binding 1 on. Only a
    /// `checked` one has wgpu's runtime checks. wgpu reports an error through the device's callback.
    pub(super) fn new(
        device: &wgpu::Device,
        label: &str,
        source: wgpu::ShaderSource<'static>,
        bindings: &[Binding],
        checked: bool,
    ) -> Self {
        let module = module(device, label, source, checked);
        let layout = layout(device, label, bindings);
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(label),
            bind_group_layouts: &[Some(&layout)],
            ..Default::default()
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(label),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                // Every kernel writes its workgroup memory before it reads it.
                zero_initialize_workgroup_memory: checked,
                ..Default::default()
            },
            cache: None,
        });
        Self { pipeline, layout }
    }
}

fn module(
    device: &wgpu::Device,
    label: &str,
    source: wgpu::ShaderSource<'static>,
    checked: bool,
) -> wgpu::ShaderModule {
    let descriptor = wgpu::ShaderModuleDescriptor {
        label: Some(label),
        source,
    };
    if checked {
        return device.create_shader_module(descriptor);
    }
    #[expect(
        unsafe_code,
        reason = "the runtime checks cost more than half the speed"
    )]
    // SAFETY: every index is compared with the uniform's extents, from which the plan sizes the buffers, so the
    // kernels stay inside their buffers; and their loops end. The tests run every kernel checked and unchecked
    // with sentinels behind each buffer.
    unsafe {
        let checks = wgpu::ShaderRuntimeChecks::unchecked();
        device.create_shader_module_trusted(descriptor, checks)
    }
}

fn layout(device: &wgpu::Device, label: &str, bindings: &[Binding]) -> wgpu::BindGroupLayout {
    let entry = |binding: usize, ty| wgpu::BindGroupLayoutEntry {
        binding: binding as u32,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty,
            has_dynamic_offset: false,
            min_binding_size: None,
        },
        count: None,
    };
    let mut entries = vec![entry(0, wgpu::BufferBindingType::Uniform)];
    for (index, binding) in bindings.iter().enumerate() {
        let read_only = *binding == Binding::Read;
        entries.push(entry(
            index + 1,
            wgpu::BufferBindingType::Storage { read_only },
        ));
    }
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some(label),
        entries: &entries,
    })
}

/// What a compiled kernel depends on: its pass, its element type, and whether f16 stores round in integers.
pub(super) type PipelineKey = (Pass, Precision, bool);

/// The kernels that a device has compiled, each once.
#[derive(Debug, Default)]
pub(super) struct Pipelines(Mutex<HashMap<PipelineKey, Arc<Pipeline>>>);

impl Pipelines {
    pub(super) fn get(&self, key: &PipelineKey) -> Option<Arc<Pipeline>> {
        self.lock().get(key).map(Arc::clone)
    }

    pub(super) fn insert(&self, key: PipelineKey, pipeline: Arc<Pipeline>) {
        self.lock().insert(key, pipeline);
    }

    /// Drops the compiled kernels of a pass.
    pub(super) fn remove(&self, pass: Pass, elements: Precision) {
        self.lock()
            .retain(|(one, of, _), _| (*one, *of) != (pass, elements));
    }

    /// A poisoned lock only means that another thread panicked. The map is whole all the same.
    fn lock(&self) -> MutexGuard<'_, HashMap<PipelineKey, Arc<Pipeline>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
