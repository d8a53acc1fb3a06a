//! The microkernels of the ceilings promise what the kernels do: valid with only their own
//! capabilities, expressible for every backend, bound as their table says, small enough for the
//! smallest devices, and with a `ProbeParams` that lies like the host's. Besides, nothing in them is an
//! array in a register file, which some drivers keep in memory.

use std::collections::BTreeMap;
use std::mem::{offset_of, size_of};

use fmnist_gpu::Precision;
use fmnist_gpu::adapter::MatrixUnits;
use fmnist_gpu::gpu::peak::{ProbeParams, ProbeShape};
use fmnist_gpu::peak::Ceiling;
use naga::valid::Capabilities;
use naga::{AddressSpace, TypeInner};

use super::interface::check_bindings;
use super::limits::{check_limits, least};
use super::variant::{Checked, changed, check};
use super::write::{Layout, Target, matrix_targets, targets_for};

/// A shape's name, the shape, and its text.
type Microkernel = (String, ProbeShape, String);

fn microkernels() -> Vec<Microkernel> {
    let units = [8, 16].map(|size| Some(MatrixUnits { size, lanes: 32 }));
    let of = |ceiling: Ceiling| {
        units
            .into_iter()
            .flat_map(move |units| ProbeShape::all(ceiling, units))
    };
    let mut seen = Vec::new();
    let mut shapes: Vec<ProbeShape> = Ceiling::ALL.into_iter().flat_map(of).collect();
    shapes.retain(|shape| {
        let new = !seen.contains(shape);
        seen.push(*shape);
        new
    });
    let name = |shape: ProbeShape| format!("{}, {shape}", shape.ceiling());
    shapes
        .into_iter()
        .filter_map(|shape| Some((name(shape), shape, shape.source()?)))
        .collect()
}

/// The precision whose kernels may use, and are written out for, the same.
fn like(shape: ProbeShape) -> Precision {
    match shape.ceiling() {
        Ceiling::F32 | Ceiling::Copy => Precision::F32,
        Ceiling::F16 | Ceiling::Matrix => Precision::F16,
        Ceiling::Int8Dot => Precision::Int8,
    }
}

fn matrix_units(shape: ProbeShape) -> Option<MatrixUnits> {
    match shape {
        ProbeShape::Matrix { units, .. } => Some(units),
        _ => None,
    }
}

fn checked(shape: ProbeShape, text: &str) -> Result<Checked, String> {
    let capabilities = match like(shape) {
        Precision::F16 if matrix_units(shape).is_some() => {
            Capabilities::SHADER_FLOAT16 | Capabilities::COOPERATIVE_MATRIX
        }
        Precision::F16 => Capabilities::SHADER_FLOAT16,
        _ => Capabilities::empty(),
    };
    check(text, capabilities)
}

/// Runs `test` on every microkernel and reports all failures together.
fn every(test: impl Fn(ProbeShape, &Checked) -> Result<(), String>) {
    let microkernels = microkernels();
    let result = |shape, text: &str| test(shape, &checked(shape, text)?);
    let failure = |(name, shape, text): &Microkernel| {
        let problem = result(*shape, text).err()?;
        Some(format!("{name}: {problem}"))
    };
    let failures: Vec<String> = microkernels.iter().filter_map(failure).collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    assert_eq!(microkernels.len(), 15);
}

#[test]
fn microkernels_are_written_for_every_backend() {
    every(|shape, checked| {
        let elements = like(shape);
        let targets = match matrix_units(shape) {
            Some(units) => matrix_targets(units),
            None => targets_for(elements, elements == Precision::F16, false),
        };
        for target in targets {
            for guarded in [true, false] {
                let layout = Layout {
                    storage: shape.bindings(),
                    guarded,
                    subgroups: false,
                    matrix_units: matrix_units(shape).is_some(),
                };
                let written = layout.write(checked, target);
                let written = written.map_err(|e| format!("{target:?}, guarded {guarded}: {e}"))?;
                let offered = matches!(target, Target::SpirV { dot_product: true });
                if offered && !written.has_packed_dot_product() {
                    return Err(format!("{target:?} has no packed dot product"));
                }
            }
        }
        Ok(())
    });
}

#[test]
fn microkernels_are_bound_as_their_table_says() {
    every(|shape, checked| check_bindings(checked, shape.bindings(), None, &[]));
}

#[test]
fn microkernels_stay_within_the_smallest_devices() {
    every(|shape, checked| check_limits(checked, shape.lanes(), &least()));
}

/// Whether the shader's `ProbeParams` lies in memory like the host's.
fn check_params(checked: &Checked) -> Result<(), String> {
    let mut host = BTreeMap::from([
        ("steps", offset_of!(ProbeParams, steps)),
        ("invocations", offset_of!(ProbeParams, invocations)),
        ("factor", offset_of!(ProbeParams, factor)),
        ("term", offset_of!(ProbeParams, term)),
        ("weights_low", offset_of!(ProbeParams, weights)),
        ("weights_high", offset_of!(ProbeParams, weights) + 16),
    ]);
    let module = &checked.module;
    let mut globals = module.global_variables.iter().map(|(_, global)| global);
    let uniform = globals.find(|global| global.space == AddressSpace::Uniform);
    let uniform = &module.types[uniform.ok_or("no uniform")?.ty];
    let TypeInner::Struct { members, span } = &uniform.inner else {
        return Err("the uniform is no struct".into());
    };
    if *span as usize != size_of::<ProbeParams>() {
        return Err(format!("it has {span} bytes"));
    }
    for member in members {
        let name = member.name.as_deref().ok_or("a field without name")?;
        let offset = host.remove(name);
        if offset != Some(member.offset as usize) {
            return Err(format!("{name} is at {}, not {offset:?}", member.offset));
        }
    }
    match host.keys().next() {
        Some(name) => Err(format!("{name} is missing")),
        None => Ok(()),
    }
}

#[test]
fn params_lie_alike_on_both_sides() {
    every(|_, checked| check_params(checked));
}

/// Whether all of a function's variables can stay in registers with any driver.
fn check_registers(checked: &Checked) -> Result<(), String> {
    let module = &checked.module;
    let functions = module.functions.iter().map(|(_, function)| function);
    let entries = module.entry_points.iter().map(|entry| &entry.function);
    for function in functions.chain(entries) {
        for (_, variable) in function.local_variables.iter() {
            if matches!(module.types[variable.ty].inner, TypeInner::Array { .. }) {
                let name = variable.name.as_deref().unwrap_or("a variable");
                return Err(format!("{name} is an array"));
            }
        }
    }
    Ok(())
}

#[test]
fn microkernels_have_no_arrays() {
    every(|_, checked| check_registers(checked));
}

#[test]
fn what_breaks_these_promises_is_refused() {
    let shape = ProbeShape::all(Ceiling::F32, None).next().expect("a shape");
    let text = shape.source().expect("a shader");
    let refused = |test: fn(&Checked) -> Result<(), String>, from: &str, to: &str, word: &str| {
        let text = changed(&text, &[(from, to)]);
        let reason = test(&checked(shape, &text).expect("a valid text")).expect_err(word);
        assert!(reason.contains(word), "{reason}");
    };
    let (fields, swapped) = (
        "factor: f32,\n    term: f32,",
        "term: f32,\n    factor: f32,",
    );
    refused(check_params, fields, swapped, "term is at 8");
    refused(
        check_params,
        "term: f32,",
        "term: f32, more: u32,",
        "64 bytes",
    );
    let array = "var spare = array<f32, 4>(); for";
    refused(check_registers, "    for", array, "spare is an array");
}
