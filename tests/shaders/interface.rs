//! What host and shader agree on: `Params` and bindings.

use std::collections::BTreeMap;
use std::mem::{offset_of, size_of};

use fmnist_gpu::Precision;
use fmnist_gpu::gpu::kernel::Binding;
use fmnist_gpu::model::Activation;
use fmnist_gpu::plan::{LayerKernel, LayerOutput, Params, Pass};
use naga::valid::GlobalUse;
use naga::{AddressSpace, Scalar, StorageAccess, TypeInner};

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
        layers,
        out_inverse,
        out_zero,
        zero
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
    let longer = [("    zero: u32,", "    zero: u32, more: u32,")];
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
            (&[("    zero: u32,", "")], "zero"),
            (&longer, "more"),
            (&[("    zero: u32", "    @size(8) zero: u32")], "bytes"),
        ],
    );
}

/// What an invocation of an int8 layer keeps for itself: the scales of its input and the extremes of its
/// pre-activations, and of a split layer which part of the inner dimension is its own.
const PRIVATE: [&str; 6] = [
    "part_of_inner",
    "pixel_steps",
    "input_scale",
    "pre_activation_scale",
    "top",
    "bottom",
];

/// Whether the module binds `params` at 0 and then exactly the table's buffers, and uses each. The
/// buffer `only_read` need not be written though the table says so; what is `unused` need not be used.
pub fn check_bindings(
    checked: &Checked,
    storage: &[Binding],
    only_read: Option<&str>,
    unused: &[&str],
) -> Result<(), String> {
    let layout = Layout {
        storage,
        guarded: true,
        subgroups: false,
        matrix_units: false,
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
            if !unused.contains(&name) && !uses[handle].contains(GlobalUse::READ | GlobalUse::WRITE)
            {
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
        if !unused.contains(&name) && !uses[handle].intersects(purpose) {
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
        let only_read = matches!(variant.pass, Pass::Epilogue(_)).then_some("maxima");
        check_bindings(
            &variant.checked()?,
            variant.kernel.bindings,
            only_read,
            unused(variant.pass),
        )
    });
}

/// What half of a split layer need not use: it binds all that a whole layer does.
fn unused(pass: Pass) -> &'static [&'static str] {
    match pass {
        Pass::Layer(LayerKernel {
            output: LayerOutput::PartialSums(_),
            ..
        }) => &["maxima", "input_scale"],
        Pass::Layer(LayerKernel { tile, .. }) if tile.family.adds() => &["x", "pixel_steps"],
        _ => &[],
    }
}

#[test]
fn bindings_that_differ_from_the_table_are_refused() {
    let variant = Variant::new(Pass::Activation(Activation::Relu), Precision::F32, false);
    let test = |checked: &Checked| check_bindings(checked, variant.kernel.bindings, None, &[]);
    let third = "@group(0) @binding(3) var<storage, read> more: u32; @compute";
    refuses(
        &variant,
        test,
        &[
            (
                &[("read> pre_activation", "read_write> pre_activation")],
                "the table says",
            ),
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
            (
                &[("pre_activation[index]", "vec4<f32>()")],
                "pre_activation is never used",
            ),
            (&[("output[index] =", "_ =")], "output is never used"),
        ],
    );
    let longer = [variant.kernel.bindings, &[Binding::Read]].concat();
    let checked = variant.checked().expect("a valid text");
    let reason = check_bindings(&checked, &longer, None, &[]);
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
    let test = |checked: &Checked| check_bindings(checked, variant.kernel.bindings, None, &[]);
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
