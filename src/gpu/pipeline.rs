//! Compiling kernels on a device, each once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::device::{Device, lock};
use super::fault::NO_SHADER;
use super::kernel::{self, Binding};
use crate::Precision;
use crate::error::{Error, Result};
use crate::plan::Pass;

/// The kernels that a device has compiled: by pass, element type, and whether f16 stores round in integers.
pub(super) type Pipelines = Mutex<HashMap<(Pass, Precision, bool), Arc<Pipeline>>>;

/// A compiled kernel.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
}

impl Device {
    /// The compiled kernel of a pass.
    pub(super) async fn pipeline(
        self: &Arc<Self>,
        pass: Pass,
        elements: Precision,
    ) -> Result<Arc<Pipeline>> {
        // Fused kernels always round in integers.
        let fused = matches!(pass, Pass::Layer(_) | Pass::Network(_));
        let round = !fused && elements == Precision::F16 && self.rounds_in_integers().await?;
        self.pipeline_with(pass, elements, round)
    }

    /// The compiled kernel of a pass, with f16 stores rounded as told.
    pub(super) fn pipeline_with(
        &self,
        pass: Pass,
        elements: Precision,
        round_in_integers: bool,
    ) -> Result<Arc<Pipeline>> {
        let key = (pass, elements, round_in_integers);
        if let Some(pipeline) = lock(&self.pipelines).get(&key) {
            return Ok(Arc::clone(pipeline));
        }
        let missing = || Error::missing(format!("kernel for {pass:?} in {elements}"));
        let kernel = kernel::find(pass, elements).ok_or_else(missing)?;
        let mut source = kernel::source(pass, elements, round_in_integers).ok_or_else(missing)?;
        if let Some(broken) = self.broken {
            source = broken.in_shader(source);
        }
        let label = format!("{}.{elements}", kernel.name);
        let pipeline = Arc::new(self.compile_source(&label, source, kernel.bindings)?);
        lock(&self.pipelines).insert(key, Arc::clone(&pipeline));
        Ok(pipeline)
    }

    /// Lets go of the compiled kernel of a pass, which is compiled again where it is asked for again.
    pub(crate) fn forget(&self, pass: Pass, elements: Precision) {
        lock(&self.pipelines).retain(|(one, of, _), _| (*one, *of) != (pass, elements));
    }

    /// Compiles the text of a shader that uses the uniform at binding 0 and these storage buffers
    /// from binding 1 on. Its text must be one that the tests run checked and unchecked.
    pub(super) fn compile_source(
        &self,
        label: &str,
        source: String,
        bindings: &[Binding],
    ) -> Result<Pipeline> {
        let pipeline = self.compile_text(label, source, bindings);
        self.check(&format!("compiling {label}"))
            .map_err(|error| error.of_kernel(label))?;
        Ok(pipeline)
    }

    fn compile_text(&self, label: &str, source: String, bindings: &[Binding]) -> Pipeline {
        let spoiled = self
            .injection
            .as_ref()
            .is_some_and(|one| one.at_shader(label));
        let source = if spoiled {
            NO_SHADER.to_owned()
        } else {
            source
        };
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some(label),
            source: wgpu::ShaderSource::Wgsl(source.into()),
        };
        let module = if self.checked {
            self.device.create_shader_module(descriptor)
        } else {
            #[expect(
                unsafe_code,
                reason = "the runtime checks cost more than half the speed"
            )]
            // SAFETY: the kernels index inside their buffers (every index is held against the
            // uniform's extents, from which the plan sizes the buffers) and their loops end; the
            // tests run every kernel checked and unchecked with sentinels behind each buffer.
            unsafe {
                let checks = wgpu::ShaderRuntimeChecks::unchecked();
                self.device.create_shader_module_trusted(descriptor, checks)
            }
        };
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
        let layout = self
            .device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some(label),
                entries: &entries,
            });
        let pipeline_layout = self
            .device
            .create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some(label),
                bind_group_layouts: &[Some(&layout)],
                ..Default::default()
            });
        let pipeline = self
            .device
            .create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(label),
                layout: Some(&pipeline_layout),
                module: &module,
                entry_point: Some("main"),
                compilation_options: wgpu::PipelineCompilationOptions {
                    // Every kernel writes its workgroup memory before it reads it.
                    zero_initialize_workgroup_memory: self.checked,
                    ..Default::default()
                },
                cache: None,
            });
        Pipeline { pipeline, layout }
    }
}
