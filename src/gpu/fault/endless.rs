//! A kernel that never ends.

/// Nobody ever writes the word that it waits for.
const NEVER_ENDS: &str = "\
@group(0) @binding(0) var<storage, read_write> word: atomic<u32>;
@compute @workgroup_size(1) fn main() { while atomicLoad(&word) == 0u {} }";

/// Submits a kernel that never ends.
pub(super) fn run_for_ever(device: &wgpu::Device, queue: &wgpu::Queue) {
    let descriptor = wgpu::ShaderModuleDescriptor {
        label: Some("for ever"),
        source: wgpu::ShaderSource::Wgsl(NEVER_ENDS.into()),
    };
    #[expect(unsafe_code, reason = "wgpu's checks end loops that have no end")]
    // SAFETY: it touches one word of a buffer of one word; a test that asks for a loop without end gets it.
    let module = unsafe {
        device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
    };
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some("for ever"),
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: Default::default(),
        cache: None,
    });
    let word = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("word"),
        size: 4,
        usage: wgpu::BufferUsages::STORAGE,
        mapped_at_creation: false,
    });
    let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &pipeline.get_bind_group_layout(0),
        entries: &[wgpu::BindGroupEntry {
            binding: 0,
            resource: word.as_entire_binding(),
        }],
    });
    let mut encoder = device.create_command_encoder(&Default::default());
    {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &bind_group, &[]);
        // Mesa ends a loop after 65,535 turns on a processor; so many workgroups of it take years.
        let most = device.limits().max_compute_workgroups_per_dimension;
        pass.dispatch_workgroups(most, most, most);
    }
    queue.submit([encoder.finish()]);
}
