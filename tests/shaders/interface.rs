//! What host and shader agree on: `Params`, bindings, and the limits of the smallest devices.

use std::collections::BTreeMap;
use std::mem::{offset_of, size_of};

use fmnist_gpu::Precision;
use fmnist_gpu::adapter::Kind;
use fmnist_gpu::gpu::kernel::Binding;
use fmnist_gpu::model::{Activation, Architecture, LayerShape, Normalization};
use fmnist_gpu::plan::{LANES, Limits, Params, Pass, STRATEGIES, Strategy};
use naga::valid::GlobalUse;
use naga::{AddressSpace, Scalar, ShaderStage, StorageAccess, TypeInner};

use super::variant::*;
use super::write::Layout;

/// A field of `Params`, on either side.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Field {
    offset: u32,
    scalar: Scalar,
}

/// The shader's twin of a host type.
trait Twin {
    const SCALAR: Scalar;

    fn field(&self, offset: usize) -> Field {
        let offset = u32::try_from(offset).expect("a small struct");
        Field {
            offset,
            scalar: Self::SCALAR,
        }
    }
}

impl Twin for u32 {
    const SCALAR: Scalar = Scalar::U32;
}

impl Twin for f32 {
    const SCALAR: Scalar = Scalar::F32;
}

/// The fields of the host's struct. The pattern has no `..`, so that a new field does not compile
/// until it is listed here.
macro_rules! host_fields {
    ($($name:ident),*) => {{
        let Params { $($name),* } = Params::default();
        BTreeMap::from([
            $((stringify!($name).to_owned(), $name.field(offset_of!(Params, $name)))),*
        ])
    }};
}

/// Whether the shader's `Params` lies in memory like the host's.
fn check_params(checked: &Checked) -> Result<(), String> {
    let host = host_fields!(
        rows,
        inner,
        cols,
        groups,
        slot_in,
        slot_out,
        clip,
        weight_scale,
        layers
    );
    let module = &checked.module;
    let mut uniforms = module
        .global_variables
        .iter()
        .filter(|(_, g)| g.space == AddressSpace::Uniform);
    let (_, uniform) = uniforms.next().ok_or("no uniform")?;
    let ty = &module.types[uniform.ty];
    let TypeInner::Struct { members, span } = &ty.inner else {
        return Err("the uniform is no struct".into());
    };
    let mut shader = BTreeMap::new();
    for member in members {
        let name = member.name.clone().ok_or("a field without name")?;
        let TypeInner::Scalar(scalar) = module.types[member.ty].inner else {
            return Err(format!("{name} is no scalar"));
        };
        shader.insert(
            name,
            Field {
                offset: member.offset,
                scalar,
            },
        );
    }
    for name in host.keys().chain(shader.keys()) {
        let (ours, theirs) = (host.get(name), shader.get(name));
        if ours != theirs {
            return Err(format!(
                "{name}: the host has {ours:?}, the shader {theirs:?}"
            ));
        }
    }
    if ty.name.as_deref() != Some("Params") || *span as usize != size_of::<Params>() {
        return Err(format!(
            "the host has {} bytes, {:?} {span}",
            size_of::<Params>(),
            ty.name
        ));
    }
    Ok(())
}

#[test]
fn params_lie_alike_on_both_sides() {
    every(variants(), |variant| check_params(&variant.checked()?));
}

#[test]
fn params_that_lie_otherwise_are_refused() {
    // A kernel that uses no field but `rows`, `cols` and `groups`: the others can be changed.
    let variant = Variant::new(Pass::Normalize, Precision::F32, false);
    let swap = [
        ("slot_in: u", "swapped: u"),
        ("slot_out: u", "slot_in: u"),
        ("swapped: u", "slot_out: u"),
    ];
    let longer = [("layers: u32,", "layers: u32, more: u32,")];
    refuses(
        &variant,
        check_params,
        &[
            (&swap, "slot_in"),
            (&[("slot_out: u32", "slot: u32")], "slot_out"),
            (&[("slot_out: u32,", "")], "clip"),
            (&[("clip: f32", "clip: u32")], "clip"),
            (
                &[("weight_scale: f32", "weight_scale: u32")],
                "weight_scale",
            ),
            (&[("clip: f32", "@size(8) clip: f32")], "layers"),
            (&[("layers: u32,", "")], "layers"),
            (&longer, "more"),
            (&[("layers: u32", "@size(16) layers: u32")], "bytes"),
        ],
    );
}

/// What an invocation of an int8 layer keeps for itself: its input's scales and its z's extremes.
const PRIVATE: [&str; 5] = ["largest", "input_scale", "z_scale", "top", "bottom"];

/// Whether the module binds `params` at 0 and then exactly the table's buffers, and uses each. The
/// buffer `only_read` need not be written though the table says so.
pub fn check_bindings(
    checked: &Checked,
    storage: &[Binding],
    only_read: Option<&str>,
) -> Result<(), String> {
    let layout = Layout {
        storage,
        guarded: true,
        subgroups: false,
    };
    let space = |kind| match kind {
        None => AddressSpace::Uniform,
        Some(Binding::Read) => AddressSpace::Storage {
            access: StorageAccess::LOAD,
        },
        Some(Binding::Write) => AddressSpace::Storage {
            access: StorageAccess::LOAD | StorageAccess::STORE,
        },
    };
    let mut wanted: BTreeMap<_, _> = layout
        .entries()
        .map(|(at, kind)| (at, (kind, space(kind))))
        .collect();
    let uses = checked.info.get_entry_point(0);
    for (handle, global) in checked.module.global_variables.iter() {
        let name = global.name.as_deref().unwrap_or("a variable");
        let Some(at) = global.binding else {
            let known = match global.space {
                AddressSpace::WorkGroup => true,
                AddressSpace::Private => PRIVATE.contains(&name),
                _ => false,
            };
            if !known {
                return Err(format!("{name} is neither bound nor the workgroup's"));
            }
            if !uses[handle].contains(GlobalUse::READ | GlobalUse::WRITE) {
                return Err(format!("{name} is not both written and read"));
            }
            continue;
        };
        let Some((kind, space)) = wanted.remove(&at) else {
            return Err(format!("{name} at {at:?} is not in the table, or taken"));
        };
        if global.space != space {
            return Err(format!(
                "{name} is {:?}, the table says {space:?}",
                global.space
            ));
        }
        let purpose = match kind {
            Some(Binding::Write) if only_read == Some(name) => GlobalUse::READ,
            Some(Binding::Write) => GlobalUse::WRITE | GlobalUse::ATOMIC,
            Some(Binding::Read) | None => GlobalUse::READ,
        };
        if !uses[handle].intersects(purpose) {
            return Err(format!("{name} is never used for {purpose:?}"));
        }
    }
    match wanted.keys().next() {
        Some(at) => Err(format!("nothing is bound at {at:?}")),
        None => Ok(()),
    }
}

#[test]
fn bindings_are_those_of_the_table() {
    every(variants(), |variant| {
        // WGSL has no atomics that can only be read: what only reads the extremes binds them as one
        // that finds them does.
        let only_read = matches!(variant.pass, Pass::Finish(_)).then_some("maxima");
        check_bindings(&variant.checked()?, variant.kernel.bindings, only_read)
    });
}

#[test]
fn bindings_that_differ_from_the_table_are_refused() {
    let variant = Variant::new(Pass::Activation(Activation::Relu), Precision::F32, false);
    let test = |checked: &Checked| check_bindings(checked, variant.kernel.bindings, None);
    let third = "@group(0) @binding(3) var<storage, read> more: u32; @compute";
    refuses(
        &variant,
        test,
        &[
            (&[("read> z", "read_write> z")], "the table says"),
            (&[("@binding(2)", "@binding(3)")], "not in the table"),
            (
                &[("@group(0) @binding(1)", "@group(1) @binding(1)")],
                "not in the table",
            ),
            (&[("@compute", third)], "more"),
            (
                &[("@compute", "var<private> more: u32; @compute")],
                "neither bound",
            ),
            (&[("z[index]", "vec4<f32>()")], "z is never used"),
            (&[("output[index] =", "_ =")], "output is never used"),
        ],
    );
    let longer = [variant.kernel.bindings, &[Binding::Read]].concat();
    let checked = variant.checked().expect("a valid text");
    let reason = check_bindings(&checked, &longer, None);
    let reason = reason.expect_err("a binding that the shader lacks");
    assert!(reason.contains("nothing is bound"), "{reason}");
}

#[test]
fn fused_bindings_that_differ_from_the_table_are_refused() {
    let mut int8 = variants();
    int8.retain(|variant| {
        variant.elements == Precision::Int8 && matches!(variant.pass, Pass::Layer(_))
    });
    let variant = &int8[0];
    let test = |checked: &Checked| check_bindings(checked, variant.kernel.bindings, None);
    let found = "atomicMax(&maxima[params.slot_out], ordered(top));";
    let negated = "atomicMax(&maxima[params.slot_out + 1u], ordered(-bottom));";
    refuses(
        variant,
        test,
        &[
            (&[(found, ""), (negated, "")], "maxima is never used"),
            (
                &[("@compute", "var<private> more: u32; @compute")],
                "neither bound",
            ),
            (
                &[("@compute", "var<workgroup> more: u32; @compute")],
                "not both written",
            ),
        ],
    );
}

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
    let model = Architecture {
        layers: vec![LayerShape {
            inputs: 1024,
            outputs: 10,
            activation: Activation::Relu,
        }],
        normalization: Normalization::Unit,
        int8_clip: 127,
    };
    every(variants(), |variant| {
        let allowed = allowed(variant);
        let enough = Limits {
            binding_bytes: 1 << 27,
            workgroups: 65_535,
            storage_buffers: allowed.max_storage_buffers_per_shader_stage,
            invocations: lanes(variant.pass),
            workgroup_bytes: allowed.max_compute_workgroup_storage_size,
            subgroup: Some(SUBGROUP),
            kind: Kind::Discrete,
            adapter: "a test's".into(),
        };
        let variants_of = |s: &&Strategy| s.variants(variant.elements, SUBGROUP);
        let strategy = STRATEGIES
            .iter()
            .find(|strategy| variants_of(strategy).contains(&variant.pass));
        let Some(strategy) = strategy else {
            return Ok(());
        };
        let refused = |limits: &Limits| strategy.refused(&model, variant.elements, 1, limits);
        if let Some(reason) = refused(&enough) {
            return Err(format!("refused where there is enough: {reason}"));
        }
        let mut less = vec![Limits {
            storage_buffers: enough.storage_buffers - 1,
            ..enough.clone()
        }];
        if !variant.on_subgroups() {
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
fn kernels_beyond_the_limits_are_refused() {
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
