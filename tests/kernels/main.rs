//! Every pass × element type × adapter × awkward shape against the oracle, with checked and with
//! trusted shader modules, and with sentinels behind every buffer that is written.

mod case;
#[path = "../common/mod.rs"]
mod common;
mod deployed;
mod fused_int8;
mod fused_real;
mod int8;
mod real;

use case::Case;
use common::compare::Check;
use common::{Rig, SIZES, run_on_adapters};
use fmnist_gpu::Precision;
use fmnist_gpu::gpu::{DeviceOptions, kernel};
use fmnist_gpu::model::Activation;
use fmnist_gpu::plan::{Arithmetic, Body, LayerInput, LayerKernel, LayerOutput, Limits, Pass};
use libtest_mimic::Trial;

fn main() {
    run_on_adapters(Vec::new(), |rigs| {
        let mut trials = Vec::new();
        for rig in rigs {
            let all = variants(rig, &Precision::EVERY).into_iter();
            trials.extend(all.map(|variant| trial(rig, variant)));
            if let Some(rig) = rig.with_matrix_units() {
                let mut all = variants(&rig, &[Precision::F16]);
                all.retain(|(pass, _)| on_matrix_units(*pass));
                if !rig.checked {
                    all.extend(in_large_workgroups(&rig));
                }
                trials.extend(all.into_iter().map(|variant| trial(&rig, variant)));
            }
            if !rig.checked {
                // What a driver gets whose own conversion does not round to nearest even.
                let options = DeviceOptions {
                    round_in_integers: true,
                    ..DeviceOptions::default()
                };
                let rounds = Rig::open(&rig.found, "rounds-in-integers", options);
                let mut again = variants(&rounds, &[Precision::F16]);
                // Fused kernels always round in integers.
                again.retain(|(pass, _)| !matches!(pass, Pass::Layer(_)));
                trials.extend(again.into_iter().map(|variant| trial(&rounds, variant)));
            }
        }
        trials
    })
}

/// The kernels of these element types that the adapter can run.
fn variants(rig: &Rig, elements: &[Precision]) -> Vec<(Pass, Precision)> {
    let limits = rig.device.limits();
    let mut variants = kernel::variants(limits.subgroups());
    variants.retain(|&(pass, e)| {
        elements.contains(&e) && rig.device.info().lacks(e).is_none() && fits(pass, e, limits)
    });
    variants.retain(|(pass, _)| {
        !matches!(pass, Pass::Layer(layer) if !rig.compiles(layer.tile, layer.arithmetic))
    });
    if rig.checked {
        // Compilation takes most of the time, and wgpu's checks meet no other index in a tile that
        // lies elsewhere in a network: there, one place of each tile has to do.
        let first =
            |layer: LayerKernel| matches!(layer.input, LayerInput::Pixels | LayerInput::PixelCodes);
        variants.retain(|(pass, _)| !matches!(pass, Pass::Layer(layer) if !first(*layer)));
    }
    variants
}

/// Kernels for matrix units as they are on an adapter that may have larger subgroups than it then has:
/// several of them compute the same.
fn in_large_workgroups(rig: &Rig) -> Vec<(Pass, Precision)> {
    let mut subgroups = rig.device.limits().subgroups();
    if let Some(units) = &mut subgroups.matrix_units {
        units.lanes *= 2;
    }
    let mut variants = kernel::variants(subgroups);
    let between = |layer: LayerKernel| layer.activation == Activation::Identity;
    variants.retain(|&(pass, elements)| {
        let wanted = matches!(pass, Pass::Layer(layer) if between(layer));
        wanted && on_matrix_units(pass) && fits(pass, elements, rig.device.limits())
    });
    variants
}

fn on_matrix_units(pass: Pass) -> bool {
    matches!(pass, Pass::Layer(layer) if layer.arithmetic == Arithmetic::Matrix)
}

fn trial(rig: &Rig, (pass, elements): (Pass, Precision)) -> Trial {
    let name = format!("{}/{}.{elements}", rig.name, kernel::variant_name(pass));
    let on = rig.clone();
    rig.trial(name, move || check_variant(&on, pass, elements))
}

/// Whether the adapter has what the plan asks for before it takes a kernel. Whole networks are left to
/// tests/networks.
fn fits(pass: Pass, elements: Precision, limits: &Limits) -> bool {
    let bindings = kernel::find(pass, elements).map_or(0, |kernel| kernel.bindings.len());
    let layer_fits = |layer: LayerKernel| {
        let on_subgroups = matches!(layer.tile.body, Body::Broadcast | Body::SubgroupRows);
        (limits.subgroup.is_some() || !on_subgroups)
            && layer.tile.lanes <= limits.invocations
            && layer.tile.workgroup_bytes(layer.arithmetic) <= u64::from(limits.workgroup_bytes)
    };
    let fits = match pass {
        Pass::Layer(layer) => layer_fits(layer),
        Pass::Network(_) => false,
        _ => true,
    };
    fits && bindings <= limits.storage_buffers as usize
}

/// Tries a kernel at every shape; all failures are told together.
fn check_variant(rig: &Rig, pass: Pass, elements: Precision) -> Result<(), libtest_mimic::Failed> {
    let mut failures = Vec::new();
    for (rows, inner, cols) in shapes(pass) {
        let mut case = Case {
            rig,
            pass,
            elements,
            rows,
            inner,
            cols,
            clip: 127,
        };
        let mut check = |what: &str, result: Check| {
            if let Err(problem) = result {
                failures.push(format!("{rows}×{inner}×{cols} {what}: {problem}"));
            }
        };
        check("random", case.check());
        if let (Pass::Activation(activation), Precision::F32) = (pass, elements) {
            check("extremes", case.check_extremes(activation));
        }
        if (pass, elements) == (Pass::Softmax, Precision::F32) {
            check("extremes", case.check_extremes(Activation::Softmax));
        }
        if matches!(pass, Pass::Quantize | Pass::QuantizePixels) {
            case.clip = 7;
            check("clip 7", case.check());
        }
        if matches!(pass, Pass::Matmul(_)) && elements == Precision::Int8 {
            check("all ±127", case.check_extreme_codes());
        }
        if let Pass::Layer(layer) = pass
            && (rows, inner, cols) == SMALL
        {
            if case.is_deployed(layer) {
                continue;
            }
            if elements == Precision::Int8 {
                case.clip = 7;
                check("clip 7", case.check());
            } else if layer.input == LayerInput::Pixels {
                check("every byte", case.check_bytes(layer));
            }
        }
    }
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures.join("\n").into())
    }
}

/// Each dimension at every size, the others small and odd; products also deep and squarish.
fn shapes(pass: Pass) -> Vec<(usize, usize, usize)> {
    if let Pass::Layer(layer) = pass {
        return layer_shapes(layer);
    }
    let matmul = matches!(pass, Pass::Matmul(_));
    let mut shapes = Vec::new();
    for size in SIZES {
        shapes.push((size, 31, 33));
        shapes.push((33, 31, size));
        if matmul {
            shapes.push((31, size, 33));
        }
    }
    if matmul {
        shapes.extend([(9, 1041, 10), (3, 4097, 7), (65, 784, 64), (257, 64, 10)]);
        shapes.extend([(8, 5, 8), (7, 4, 9), (63, 8, 31), (64, 9, 32), (66, 16, 65)]);
    } else {
        shapes.extend([(1, 1, 1), (257, 1, 257), (4097, 1, 3)]);
    }
    shapes
}

/// The shape at which a fused layer is also tried in ways that no shape changes.
const SMALL: (usize, usize, usize) = (7, 5, 3);

/// Round the edges of a fused layer's tile in each dimension, and deep; where a tile ends in softmax or
/// in codes by row only rows that it holds.
fn layer_shapes(layer: LayerKernel) -> Vec<(usize, usize, usize)> {
    let (rows, groups) = layer.tile.workgroup();
    let (rows, mut cols) = (rows as usize, 4 * groups as usize);
    if layer.arithmetic == Arithmetic::Matrix {
        let holds =
            (layer.activation == Activation::Softmax).then_some(4 * layer.tile.groups as usize);
        return matrix_shapes(rows, cols, holds);
    }
    let mut shapes = vec![(1, 1, 1), SMALL, (1, 784, 4), (rows, 31, 2), (3, 1040, 1)];
    if layer.activation == Activation::Softmax || layer.output == LayerOutput::RowCodes {
        cols = 4 * layer.tile.groups as usize;
        shapes.retain(|&(.., of_shape)| of_shape <= cols);
    } else {
        shapes.extend([
            (rows + 1, 3, cols + 1),
            (2 * rows + 1, 33, 2 * cols + 1),
            (9, 784, 10),
        ]);
    }
    shapes.extend([
        ((rows - 1).max(1), 1, cols),
        (rows, 4, cols - 1),
        (rows + 1, 33, cols),
    ]);
    if layer.arithmetic != Arithmetic::F32 {
        // Sums of codes beyond 2²⁴, which f32 does not hold.
        shapes.push((3, 4097, cols.min(7)));
    }
    shapes
}

/// For matrix units: each dimension round the edges of matrices of either size, and round those of the
/// workgroup's tile; with softmax no more columns than the tile holds.
fn matrix_shapes(rows: usize, cols: usize, holds: Option<usize>) -> Vec<(usize, usize, usize)> {
    let mut shapes = vec![SMALL, (9, 4097, 7)];
    for size in [1, 7, 8, 9, 15, 16, 17, 64, 784, 1000] {
        shapes.extend([(size, 31, 33), (33, size, 17), (15, 33, size)]);
    }
    for (rows, cols) in [
        (rows - 1, cols + 1),
        (rows, cols),
        (rows + 1, cols - 1),
        (2 * rows + 1, 2 * cols + 1),
    ] {
        shapes.push((rows, 65, cols));
    }
    if let Some(most) = holds {
        for shape in &mut shapes {
            shape.2 = shape.2.min(most);
        }
    }
    shapes
}
