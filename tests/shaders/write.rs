//! Writing a module out for a backend, with wgpu's own choice of bindings and options.

use std::collections::BTreeMap;

use fmnist_gpu::Precision;
use fmnist_gpu::adapter::MatrixUnits;
use fmnist_gpu::gpu::kernel::Binding;
use naga::back::{glsl, hlsl, msl, spv};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::{ResourceBinding, Scalar, ShaderStage};

use super::variant::*;

/// What a module is written out for.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// Version 1.3, which is that of Vulkan 1.1.
    SpirV { dot_product: bool },
    /// A version of Metal's language.
    Msl(u8, u8),
    /// For Direct3D 12.
    Hlsl(hlsl::ShaderModel),
    /// For OpenGL and OpenGL ES.
    Glsl(glsl::Version),
}

/// The first versions of GLSL that have compute shaders.
pub const GLSL: [glsl::Version; 2] = [
    glsl::Version::Embedded {
        version: 310,
        is_webgl: false,
    },
    glsl::Version::Desktop(430),
];

/// The targets that must take a variant: the lowest version that wgpu would use, and in int8 also the
/// first that has its packed dot product.
pub fn targets(variant: &Variant) -> Vec<Target> {
    if let Some(units) = variant.matrix_units() {
        return matrix_targets(units);
    }
    let subgroups = variant.on_subgroups();
    targets_for(variant.elements, variant.native_f16(), subgroups)
}

/// The targets that have matrix units of a size: in Metal's language, from 2.3 on, 8×8 alone. naga has
/// not written them for Direct3D and OpenGL yet.
pub fn matrix_targets(units: MatrixUnits) -> Vec<Target> {
    let mut targets = vec![Target::SpirV { dot_product: false }];
    if units.size == 8 {
        targets.push(Target::Msl(2, 3));
    }
    targets
}

/// The same for a text of these element types, in the f16 type or not, with subgroups or not.
pub fn targets_for(elements: Precision, native_f16: bool, subgroups: bool) -> Vec<Target> {
    // Shader model 6.2 is the first whose `half` has 16 bits, 6.0 the first with subgroups; so is
    // Metal's 2.1.
    let (metal, model) = match (native_f16, subgroups) {
        (true, false) => ((2, 0), hlsl::ShaderModel::V6_2),
        (true, true) => ((2, 1), hlsl::ShaderModel::V6_2),
        (false, true) => ((2, 1), hlsl::ShaderModel::V6_0),
        (false, false) => ((2, 0), hlsl::ShaderModel::V5_1),
    };
    let mut targets = vec![
        Target::SpirV { dot_product: false },
        Target::Msl(metal.0, metal.1),
        Target::Hlsl(model),
    ];
    if elements == Precision::Int8 {
        targets.extend([
            Target::SpirV { dot_product: true },
            Target::Msl(2, 1),
            Target::Hlsl(hlsl::ShaderModel::V6_4),
        ]);
    }
    if !native_f16 {
        targets.extend(GLSL.map(Target::Glsl));
    }
    targets
}

/// Where the host binds things: the uniform at 0, then the table's storage buffers. The maps are
/// made as wgpu-hal makes them.
pub struct Layout<'a> {
    pub storage: &'a [Binding],
    /// With wgpu's runtime checks (bounds, endless loops).
    pub guarded: bool,
    /// With the adapter's subgroups.
    pub subgroups: bool,
    /// With its matrix units.
    pub matrix_units: bool,
}

/// What SPIR-V calls the subgroup's operations that the kernels use: an invocation's place in it, a
/// value handed to all (for which naga asks for the shuffles), a sum.
const SUBGROUPS: [spv::Capability; 4] = [
    spv::Capability::GroupNonUniform,
    spv::Capability::GroupNonUniformBallot,
    spv::Capability::GroupNonUniformShuffle,
    spv::Capability::GroupNonUniformArithmetic,
];

impl<'a> Layout<'a> {
    /// What a variant is given.
    pub fn of(variant: &'a Variant, guarded: bool) -> Self {
        Self {
            storage: variant.kernel.bindings,
            guarded,
            subgroups: variant.on_subgroups(),
            matrix_units: variant.matrix_units().is_some(),
        }
    }
}

impl Layout<'_> {
    /// The bindings; none for the uniform, which is not in the table.
    pub fn entries(&self) -> impl Iterator<Item = (ResourceBinding, Option<Binding>)> {
        let storage = self.storage.iter().copied().map(Some);
        let at = |binding| ResourceBinding { group: 0, binding };
        (0..).map(at).zip(std::iter::once(None).chain(storage))
    }

    pub fn policies(&self) -> BoundsCheckPolicies {
        let policy = if self.guarded {
            BoundsCheckPolicy::Restrict
        } else {
            BoundsCheckPolicy::Unchecked
        };
        BoundsCheckPolicies {
            index: policy,
            buffer: policy,
            ..BoundsCheckPolicies::default()
        }
    }

    pub fn write(&self, checked: &Checked, target: Target) -> Result<Written, String> {
        match target {
            Target::SpirV { dot_product } => self
                .spir_v(checked, dot_product)
                .map(Written::Words)
                .map_err(|e| e.to_string()),
            Target::Msl(major, minor) => self.msl(checked, (major, minor)).map(Written::Text),
            Target::Hlsl(model) => self.hlsl(checked, model).map(Written::Text),
            Target::Glsl(version) => self
                .glsl(checked, version)
                .map(Written::Text)
                .map_err(|e| e.to_string()),
        }
    }

    pub fn spir_v(&self, checked: &Checked, dot_product: bool) -> Result<Vec<u32>, spv::Error> {
        let mut capabilities = vec![spv::Capability::Shader, spv::Capability::Matrix];
        if checked
            .module
            .types
            .iter()
            .any(|(_, ty)| ty.inner.scalar() == Some(Scalar::F16))
        {
            capabilities.push(spv::Capability::Float16);
        }
        if self.subgroups {
            capabilities.extend(SUBGROUPS);
        }
        if self.matrix_units {
            capabilities.push(spv::Capability::CooperativeMatrixKHR);
            capabilities.push(spv::Capability::VulkanMemoryModel);
        }
        if dot_product {
            capabilities.push(spv::Capability::DotProductKHR);
            capabilities.push(spv::Capability::DotProductInput4x8BitPackedKHR);
        }
        let target = |(at, _): (ResourceBinding, _)| {
            let info = spv::BindingInfo {
                descriptor_set: at.group,
                binding: at.binding,
                binding_array_size: None,
            };
            (at, info)
        };
        let options = spv::Options {
            lang_version: (1, 3),
            fake_missing_bindings: false,
            binding_map: self.entries().map(target).collect(),
            capabilities: Some(capabilities.into_iter().collect()),
            bounds_check_policies: self.policies(),
            force_loop_bounding: self.guarded,
            emit_int_div_checks: self.guarded,
            ..spv::Options::default()
        };
        let pipeline = spv::PipelineOptions {
            shader_stage: ShaderStage::Compute,
            entry_point: "main".into(),
        };
        spv::write_vec(&checked.module, &checked.info, &options, Some(&pipeline))
    }

    pub fn msl(&self, checked: &Checked, lang_version: (u8, u8)) -> Result<String, String> {
        let target = |(at, binding): (ResourceBinding, Option<Binding>)| {
            let target = msl::BindTarget {
                buffer: Some(at.binding as msl::Slot),
                mutable: binding == Some(Binding::Write),
                ..msl::BindTarget::default()
            };
            (at, target)
        };
        let resources = msl::EntryPointResources {
            resources: self.entries().map(target).collect(),
            immediates_buffer: None,
            // Behind the others, the lengths of the storage buffers.
            sizes_buffer: Some(self.entries().count() as msl::Slot),
        };
        let options = msl::Options {
            lang_version,
            per_entry_point_map: BTreeMap::from([("main".to_owned(), resources)]),
            fake_missing_bindings: false,
            bounds_check_policies: self.policies(),
            force_loop_bounding: self.guarded,
            emit_int_div_checks: self.guarded,
            ..msl::Options::default()
        };
        let pipeline = msl::PipelineOptions {
            entry_point: Some((ShaderStage::Compute, "main".into())),
            ..msl::PipelineOptions::default()
        };
        let written = msl::write_string(&checked.module, &checked.info, &options, &pipeline);
        let (text, mut info) = written.map_err(|error| error.to_string())?;
        // A missing binding is no error of the writer as a whole, but of the entry point.
        info.entry_point_names
            .remove(0)
            .map_err(|error| error.to_string())?;
        Ok(text)
    }

    pub fn hlsl(
        &self,
        checked: &Checked,
        shader_model: hlsl::ShaderModel,
    ) -> Result<String, String> {
        // Each kind of register is counted on its own: b for uniforms, t for what is only read,
        // u for what is written.
        let mut registers = BTreeMap::new();
        let mut target = |kind: Option<Binding>| {
            let next = registers.entry(format!("{kind:?}")).or_insert(0);
            let register = *next;
            *next += 1;
            hlsl::BindTarget {
                register,
                ..hlsl::BindTarget::default()
            }
        };
        let binding_map = self
            .entries()
            .map(|(at, kind)| (at, target(kind)))
            .collect();
        let options = hlsl::Options {
            shader_model,
            binding_map,
            fake_missing_bindings: false,
            // `num_workgroups` comes in this constant buffer.
            special_constants_binding: Some(target(None)),
            restrict_indexing: self.guarded,
            force_loop_bounding: self.guarded,
            ..hlsl::Options::default()
        };
        let pipeline = hlsl::PipelineOptions {
            entry_point: Some((ShaderStage::Compute, "main".into())),
        };
        let mut text = String::new();
        let mut info = hlsl::Writer::new(&mut text, &options, &pipeline)
            .write(&checked.module, &checked.info, None)
            .map_err(|error| error.to_string())?;
        info.entry_point_names
            .remove(0)
            .map_err(|error| error.to_string())?;
        Ok(text)
    }

    pub fn glsl(&self, checked: &Checked, version: glsl::Version) -> Result<String, glsl::Error> {
        // Uniform and storage buffers are counted separately.
        let slot = |(at, binding): (ResourceBinding, Option<Binding>)| {
            (
                at,
                if binding.is_none() {
                    0
                } else {
                    at.binding as u8 - 1
                },
            )
        };
        let options = glsl::Options {
            version,
            writer_flags: glsl::WriterFlags::empty(),
            binding_map: self.entries().map(slot).collect(),
            zero_initialize_workgroup_memory: true,
        };
        let pipeline = glsl::PipelineOptions {
            shader_stage: ShaderStage::Compute,
            entry_point: "main".into(),
            multiview: None,
        };
        let mut text = String::new();
        // wgpu leaves bounds to the driver here.
        let unchecked = BoundsCheckPolicies::default();
        glsl::Writer::new(
            &mut text,
            &checked.module,
            &checked.info,
            &options,
            &pipeline,
            unchecked,
        )?
        .write()?;
        Ok(text)
    }
}

/// What a backend made of a module.
pub enum Written {
    Words(Vec<u32>),
    Text(String),
}

impl Written {
    /// Whether it uses the packed int8 dot product of its target.
    pub fn has_packed_dot_product(&self) -> bool {
        match self {
            Self::Text(text) => text.contains("dot4add_i8packed") || text.contains("packed_char4"),
            Self::Words(words) => {
                // Five words of header, then instructions: length and opcode in their first word.
                const S_DOT: u32 = 4450;
                let mut rest = &words[5..];
                while let [first, ..] = rest {
                    if first & 0xffff == S_DOT {
                        return true;
                    }
                    rest = &rest[(first >> 16) as usize..];
                }
                false
            }
        }
    }
}
