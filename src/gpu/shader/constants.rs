//! The constants that the host puts before a kernel's text.

use super::import::Constants;
use crate::Precision;
use crate::model::{Activation, InputFormat};
use crate::plan::{
    KernelFamily, LANES, LayerInput, LayerKernel, LayerOutput, NETWORK_K_STEP, NetworkKernel, Pass,
    SPAN, Staging,
};

/// The constants of a variant. With `round_in_integers`, stores of unfused f16 kernels do not rely on the
/// driver's conversion; fused kernels never do.
pub(in crate::gpu) fn of(pass: Pass, elements: Precision, round_in_integers: bool) -> Constants {
    let mut constants = Constants::default();
    for (name, value) in numbers(pass, elements) {
        constants.number(name, value);
    }
    match pass {
        Pass::Network(NetworkKernel {
            quantized: Some(input),
            ..
        }) => constants.switch("ROWS", input == InputFormat::Rows),
        Pass::Layer(_) | Pass::Network(_) => {}
        Pass::Epilogue(which) => constants.switch("SOFTMAX", which == Activation::Softmax),
        _ if elements == Precision::F16 => {
            constants.switch("ROUND_IN_INTEGERS", round_in_integers);
        }
        _ => {}
    }
    constants
}

fn numbers(pass: Pass, elements: Precision) -> Vec<(&'static str, u32)> {
    match pass {
        Pass::Matmul(tiling) => vec![
            ("LANES", tiling.lanes),
            ("ROW_LANES", tiling.row_lanes),
            ("TILE_ROWS", tiling.tile_rows),
            ("TILE_GROUPS", tiling.tile_groups),
        ],
        Pass::Layer(layer) => of_layer(layer, elements),
        Pass::Network(network) if network.rows > 1 => vec![
            ("LANES", network.lanes),
            ("ROWS", network.rows),
            ("K_STEP", NETWORK_K_STEP),
            (
                "X_LOADS",
                (network.rows * NETWORK_K_STEP).div_ceil(network.lanes),
            ),
            (
                "W_LOADS",
                (NETWORK_K_STEP * network.widest).div_ceil(network.lanes),
            ),
            ("WIDEST", network.widest),
        ],
        Pass::Network(network) => vec![
            ("LANES", network.lanes),
            ("K_LANES", network.k_lanes),
            ("WIDEST", network.widest),
        ],
        Pass::Activation(which) => vec![("LANES", LANES), ("ACTIVATION", which.number())],
        Pass::Epilogue(which) => vec![
            ("LANES", LANES),
            ("ACTIVATION", which.number()),
            ("MAXIMA", 3),
        ],
        Pass::QuantizedRows { row_lanes } => vec![("LANES", LANES), ("ROW_LANES", row_lanes)],
        Pass::AbsMax | Pass::PixelMax => vec![("LANES", LANES), ("SPAN", SPAN)],
        _ => vec![("LANES", LANES)],
    }
}

/// Slices of a block of weights. A load of one lane brings 1, 2 or 4 of the block's four inner values.
fn slices(elements: Precision) -> u32 {
    4 / (32 / elements.weight_bits()).min(4)
}

fn of_layer(layer: LayerKernel, elements: Precision) -> Vec<(&'static str, u32)> {
    let tile = layer.tile;
    let mut numbers = vec![
        ("LANES", tile.lanes),
        ("TILE_ROWS", tile.rows),
        // An invocation of the families for few rows has one group.
        ("TILE_GROUPS", tile.groups),
        ("ACTIVATION", layer.activation.number()),
    ];
    match tile.family {
        KernelFamily::Register => numbers.push(("ROW_LANES", tile.row_lanes)),
        KernelFamily::Workgroup(Staging { k_step, buffers }) => {
            let (rows, groups) = tile.workgroup();
            let parts = layer.arithmetic.parts();
            let slices = slices(elements);
            numbers.extend([
                ("ROW_LANES", tile.row_lanes),
                ("ROWS", rows),
                ("K_STEP", k_step),
                ("BUFFERS", buffers),
                ("PARTS", parts),
                ("SLICE_PARTS", parts / slices),
                ("X_LOADS", (rows * k_step).div_ceil(tile.lanes)),
                ("W_LOADS", (k_step * groups * slices).div_ceil(tile.lanes)),
            ]);
        }
        KernelFamily::Broadcast => {
            let loads = (tile.groups * slices(elements)).div_ceil(tile.lanes);
            numbers.extend([("SUBGROUP", tile.lanes), ("LOADS", loads)]);
        }
        KernelFamily::SubgroupRows => numbers.push(("SUBGROUP", tile.lanes)),
        KernelFamily::Rows { column_lanes } => numbers.push(("COLUMN_LANES", column_lanes)),
        KernelFamily::Sum { parts } => {
            numbers.extend([("ROW_LANES", tile.row_lanes), ("PARTS_OF_INNER", parts)]);
        }
        KernelFamily::Coop(units) | KernelFamily::CoopStaged(units) => {
            let (down, across) = tile.parts();
            let (rows, groups) = tile.workgroup();
            let k_step = tile.family.k_step();
            numbers.extend([
                ("MATRIX_ROWS", tile.rows / units.size),
                ("MATRIX_COLUMNS", 4 * tile.groups / units.size),
                ("DOWN", down),
                ("ACROSS", across),
                ("ROWS", rows),
                ("K_STEP", k_step),
            ]);
            if let KernelFamily::CoopStaged(_) = tile.family {
                numbers.extend([
                    ("X_LOADS", (rows * k_step).div_ceil(tile.lanes)),
                    ("W_LOADS", (2 * k_step * groups).div_ceil(tile.lanes)),
                ]);
            }
        }
    }
    if let LayerOutput::PartialSums(parts) = layer.output {
        numbers.push(("PARTS_OF_INNER", parts));
    }
    if elements == Precision::Int8 && !layer.input.is_quantized() {
        numbers.push(("MAXIMA", 5));
    }
    if let LayerInput::PreActivation(before) = layer.input {
        numbers.push(("BEFORE", before.number()));
    }
    numbers
}
