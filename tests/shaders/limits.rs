//! What a kernel takes of a device, and what the plan says that it takes.

use fmnist_gpu::Precision;
use fmnist_gpu::adapter::Kind;
use fmnist_gpu::model::{Activation, Architecture, Format, LayerShape};
use fmnist_gpu::plan::{Fusion, KERNEL_VARIANTS, KernelVariant, LANES, Limits, Pass};
use naga::{AddressSpace, ShaderStage};

use super::variant::*;

/// Whether the module has one entry point `main` with `lanes` invocations, and takes no more than
/// `limits` gives.
pub fn check_limits(checked: &Checked, lanes: u32, limits: &wgpu::Limits) -> Result<(), String> {
    let module = &checked.module;
    let [entry] = module.entry_points.as_slice() else {
        return Err(format!("{} entry points", module.entry_points.len()));
    };
    if entry.name != "main" || entry.stage != ShaderStage::Compute {
        return Err(format!(
            "the entry point is {} of {:?}",
            entry.name, entry.stage
        ));
    }
    let constant = module
        .constants
        .iter()
        .find(|(_, c)| c.name.as_deref() == Some("LANES"));
    let constant = constant.map(|(_, constant)| &module.global_expressions[constant.init]);
    let in_text =
        matches!(constant, Some(naga::Expression::Literal(naga::Literal::U32(n))) if *n == lanes);
    if !in_text || entry.workgroup_size != [lanes, 1, 1] {
        return Err(format!(
            "workgroups of {:?}, LANES is {constant:?}, the host's is {lanes}",
            entry.workgroup_size
        ));
    }
    let globals = || module.global_variables.iter().map(|(_, global)| global);
    let shared = globals().filter(|global| global.space == AddressSpace::WorkGroup);
    let bytes: u32 = shared
        .map(|global| module.types[global.ty].inner.size(module.to_ctx()))
        .sum();
    let buffers = globals().filter(|global| matches!(global.space, AddressSpace::Storage { .. }));
    let limit = |what: &str, used: u32, most: u32| {
        if used <= most {
            Ok(())
        } else {
            Err(format!("{used} {what}, at most {most}"))
        }
    };
    limit(
        "invocations",
        lanes,
        limits.max_compute_invocations_per_workgroup,
    )?;
    limit(
        "invocations along x",
        lanes,
        limits.max_compute_workgroup_size_x,
    )?;
    limit(
        "bytes of the workgroup's",
        bytes,
        limits.max_compute_workgroup_storage_size,
    )?;
    limit(
        "storage buffers",
        buffers.count() as u32,
        limits.max_storage_buffers_per_shader_stage,
    )
}

/// The least that wgpu expects of any device, GLES 3.1 included: four storage buffers, 256
/// invocations and just under 16 KiB for a workgroup.
pub fn least() -> wgpu::Limits {
    wgpu::Limits::downlevel_defaults()
}

/// Invocations of a variant's workgroup.
fn lanes(pass: Pass) -> u32 {
    match pass {
        Pass::Matmul(tiling) => tiling.lanes,
        Pass::Layer(layer) => layer.tile.lanes,
        Pass::Network(network) => network.lanes,
        _ => LANES,
    }
}

/// What a variant may take. A plan holds fused kernels against the adapter's limits before it takes
/// them, so that theirs are what the plan says they need; all others run everywhere.
fn allowed(variant: &Variant) -> wgpu::Limits {
    let int8 = variant.elements == Precision::Int8;
    let (buffers, bytes) = match variant.pass {
        Pass::Layer(layer) => {
            let bytes = layer.tile.workgroup_bytes(layer.arithmetic);
            (if int8 { 5 } else { 4 }, bytes)
        }
        Pass::Network(network) => (5, network.workgroup_bytes()),
        _ => return least(),
    };
    wgpu::Limits {
        max_storage_buffers_per_shader_stage: buffers,
        max_compute_workgroup_storage_size: bytes.try_into().expect("a few KiB"),
        ..least()
    }
}

#[test]
fn kernels_stay_within_the_smallest_devices() {
    every(variants(), |variant| {
        check_limits(&variant.checked()?, lanes(variant.pass), &allowed(variant))
    });
}

/// The test above allows fused kernels what they are said to need; here, the plan holds just that
/// against the adapter.
#[test]
fn the_plan_refuses_what_an_adapter_has_too_little_for() {
    // As wide as the variants of whole networks are.
    let model = |precision| {
        Architecture::chain(vec![LayerShape {
            inputs: 1024,
            outputs: 10,
            activation: Activation::Relu,
            format: Format::of(precision, 1024, 127),
        }])
    };
    every(variants(), |variant| {
        let allowed = allowed(variant);
        let enough = Limits {
            binding_bytes: 1 << 27,
            workgroups: 65_535,
            storage_buffers: allowed.max_storage_buffers_per_shader_stage,
            invocations: lanes(variant.pass),
            workgroup_bytes: allowed.max_compute_workgroup_storage_size,
            subgroup: Some(SUBGROUPS[0].lanes),
            matrix_units: variant.matrix_units(),
            rejected: Vec::new(),
            kind: Kind::Discrete,
            adapter: "a test's".into(),
        };
        // A tile that was narrowed takes no more than the whole one, which is what is requested.
        let is_tile = |s: &&KernelVariant| match (variant.pass, s.fusion) {
            (Pass::Layer(layer), Fusion::Layers(tile)) if variant.matrix_units().is_some() => {
                tile.on(enough.subgroups()) == layer.tile
            }
            _ => true,
        };
        let variants_of = |s: &&KernelVariant| s.test_kernels(variant.elements, enough.subgroups());
        let kernel_variant = KERNEL_VARIANTS
            .iter()
            .filter(is_tile)
            .find(|kernel_variant| variants_of(kernel_variant).contains(&variant.pass));
        // The plan takes what adds the sums of a split layer only with what makes them, which needs more.
        let adds = matches!(variant.pass, Pass::Layer(layer)
            if layer.tile.family.adds());
        let kernel_variant = kernel_variant.filter(|_| !adds);
        let Some(kernel_variant) = kernel_variant else {
            return Ok(());
        };
        let model = model(variant.elements);
        let refused = |limits: &Limits| kernel_variant.refused(&model, 1, limits);
        if let Some(reason) = refused(&enough) {
            return Err(format!("refused where there is enough: {reason}"));
        }
        let mut less = vec![Limits {
            storage_buffers: enough.storage_buffers - 1,
            ..enough.clone()
        }];
        if variant.matrix_units().is_some() {
            less.push(Limits {
                matrix_units: None,
                ..enough.clone()
            });
        }
        if !variant.on_subgroups() || variant.matrix_units().is_some() {
            less.push(Limits {
                invocations: enough.invocations - 1,
                ..enough.clone()
            });
        } else {
            less.push(Limits {
                subgroup: None,
                ..enough.clone()
            });
        }
        if enough.workgroup_bytes > 0 {
            less.push(Limits {
                workgroup_bytes: enough.workgroup_bytes - 1,
                ..enough.clone()
            });
        }
        match less.iter().find(|limits| refused(limits).is_none()) {
            Some(limits) => Err(format!("taken by {limits:?}")),
            None => Ok(()),
        }
    });
}

#[test]
fn kernels_above_the_limits_are_refused() {
    let variant = Variant::new(Pass::AbsMax, Precision::Int8, false);
    let second = "@compute @workgroup_size(1) fn second() {} @compute";
    let more = |n| format!("@group(0) @binding({n}) var<storage> more{n}: u32; ");
    let more = format!("{}{}{}@compute", more(3), more(4), more(5));
    let test = |checked: &Checked| check_limits(checked, LANES, &least());
    refuses(
        &variant,
        test,
        &[
            (&[("fn main", "fn other")], "other"),
            (&[("@compute", second)], "2 entry points"),
            (&[("size(LANES)", "size(LANES / 2u)")], "workgroups of"),
            (
                &[("const LANES = 64u", "const LANES = 32u")],
                "workgroups of",
            ),
            (&[("array<f32, LANES>", "array<f32, 8192>")], "bytes"),
            (&[("@compute", &more)], "5 storage buffers"),
        ],
    );
    let wide = Variant {
        text: changed(
            &variant.text,
            &[("const LANES = 64u", "const LANES = 512u")],
        ),
        ..variant
    };
    let reason = check_limits(&wide.checked().expect("a valid text"), 512, &least());
    assert!(reason.is_err_and(|reason| reason.contains("512 invocations")));
}
