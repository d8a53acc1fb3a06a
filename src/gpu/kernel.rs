//! The one table of kernels: name, element types, source parts, bindings, what each needs.
//!
//! A kernel is one row here and one WGSL file. Its module's text is: directives, constants
//! (tile sizes and the like), then the parts in order. A fused kernel's row has what is its own; how
//! it reads, multiplies and stores is added by precision and by its place in the network.

use super::text;
use crate::Precision;
use crate::model::Activation;
use crate::plan::{
    Body, LANES, LayerInput, LayerKernel, LayerOutput, NetworkKernel, Pass, STRATEGIES, Subgroups,
    Tile, Tiling,
};

/// How a kernel uses a storage buffer; the uniform `Params` is always binding 0, and these follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// Only read.
    Read,
    /// Written.
    Write,
}

/// A row of the table.
#[derive(Debug)]
pub struct Kernel {
    /// The shader's name.
    pub name: &'static str,
    /// The element types it is for.
    pub elements: Precision,
    /// What the module's text is made of.
    pub parts: &'static [&'static str],
    /// The storage buffers, from binding 1 on.
    pub bindings: &'static [Binding],
}

use Binding::{Read, Write as Writes};
use Precision::{Bf16, F16 as Half, F32 as Single, Int4, Int8};
use text::{
    ABSMAX, ACTIVATE, ACTIVATION, BF16, BIAS, BIAS_INT8, BIAS_REAL, CODES, DEQUANTIZE, EXTREMES,
    F16, F32, FINISH, INT8, LAYER_BROADCAST, LAYER_COOP, LAYER_COOP_STAGED, LAYER_REGISTER,
    LAYER_ROWS, LAYER_SUBGROUP_ROWS, LAYER_WORKGROUP, MATMUL, NETWORK, NETWORK_CODES, NETWORK_INT8,
    NORMALIZE, PARAMS, PIXEL_MAX, QUANTIZATION, QUANTIZE, QUANTIZE_PIXELS, ROUND_BF16, ROUND_F16,
    ROW_CODES, SCALE, SOFTMAX, SOFTMAX_TERM, STATIC_CODES,
};

const fn kernel(
    name: &'static str,
    elements: Precision,
    parts: &'static [&'static str],
    bindings: &'static [Binding],
) -> Kernel {
    Kernel {
        name,
        elements,
        parts,
        bindings,
    }
}

/// Every kernel.
pub static KERNELS: &[Kernel] = &[
    kernel(
        "normalize",
        Single,
        &[PARAMS, F32, NORMALIZE],
        &[Read, Read, Writes],
    ),
    kernel(
        "normalize",
        Half,
        &[PARAMS, ROUND_F16, F16, NORMALIZE],
        &[Read, Read, Writes],
    ),
    kernel(
        "normalize",
        Bf16,
        &[PARAMS, ROUND_BF16, BF16, NORMALIZE],
        &[Read, Read, Writes],
    ),
    kernel("pixel_max", Int8, &[PARAMS, PIXEL_MAX], &[Read, Writes]),
    kernel(
        "quantize_pixels",
        Int8,
        &[PARAMS, QUANTIZE_PIXELS],
        &[Read, Read, Writes],
    ),
    kernel(
        "matmul",
        Single,
        &[PARAMS, F32, MATMUL],
        &[Read, Read, Writes],
    ),
    kernel(
        "matmul",
        Half,
        &[PARAMS, ROUND_F16, F16, MATMUL],
        &[Read, Read, Writes],
    ),
    kernel(
        "matmul",
        Int8,
        &[PARAMS, INT8, MATMUL],
        &[Read, Read, Writes],
    ),
    kernel(
        "bias",
        Single,
        &[PARAMS, F32, BIAS_REAL, BIAS],
        &[Read, Read, Writes],
    ),
    kernel(
        "bias",
        Half,
        &[PARAMS, ROUND_F16, F16, BIAS_REAL, BIAS],
        &[Read, Read, Writes],
    ),
    kernel(
        "bias",
        Int8,
        &[PARAMS, SCALE, INT8, BIAS_INT8, BIAS],
        &[Read, Read, Writes, Read],
    ),
    kernel(
        "activation",
        Single,
        &[PARAMS, F32, ACTIVATE, ACTIVATION],
        &[Read, Writes],
    ),
    kernel(
        "activation",
        Half,
        &[PARAMS, ROUND_F16, F16, ACTIVATE, ACTIVATION],
        &[Read, Writes],
    ),
    kernel(
        "softmax",
        Single,
        &[PARAMS, F32, SOFTMAX_TERM, SOFTMAX],
        &[Read, Writes],
    ),
    kernel(
        "softmax",
        Half,
        &[PARAMS, ROUND_F16, F16, SOFTMAX_TERM, SOFTMAX],
        &[Read, Writes],
    ),
    kernel("absmax", Int8, &[PARAMS, ABSMAX], &[Read, Writes]),
    kernel(
        "quantize",
        Int8,
        &[PARAMS, SCALE, QUANTIZE],
        &[Read, Read, Writes],
    ),
    kernel(
        "dequantize",
        Int8,
        &[PARAMS, SCALE, DEQUANTIZE],
        &[Read, Read, Writes],
    ),
    kernel(
        "finish",
        Int8,
        &[
            PARAMS,
            SCALE,
            QUANTIZATION,
            EXTREMES,
            ACTIVATE,
            SOFTMAX_TERM,
            FINISH,
        ],
        &[Read, Writes, Writes],
    ),
    kernel(
        "row_codes",
        Int8,
        &[PARAMS, CODES, ROW_CODES],
        &[Read, Writes],
    ),
    kernel(
        "static_codes",
        Int8,
        &[PARAMS, CODES, STATIC_CODES],
        &[Read, Writes],
    ),
    layer("register", Single, &[LAYER_REGISTER]),
    layer("register", Half, &[LAYER_REGISTER]),
    layer("register", Bf16, &[LAYER_REGISTER]),
    layer("register", Int4, &[LAYER_REGISTER]),
    layer("register", Int8, &[LAYER_REGISTER]),
    codes("register_codes", &[LAYER_REGISTER]),
    layer("broadcast", Single, &[LAYER_BROADCAST]),
    layer("broadcast", Half, &[LAYER_BROADCAST]),
    layer("broadcast", Bf16, &[LAYER_BROADCAST]),
    layer("broadcast", Int4, &[LAYER_BROADCAST]),
    layer("broadcast", Int8, &[LAYER_BROADCAST]),
    codes("broadcast_codes", &[LAYER_BROADCAST]),
    layer("workgroup", Single, &[LAYER_WORKGROUP]),
    layer("workgroup", Half, &[LAYER_WORKGROUP]),
    layer("workgroup", Bf16, &[LAYER_WORKGROUP]),
    layer("workgroup", Int4, &[LAYER_WORKGROUP]),
    layer("workgroup", Int8, &[LAYER_WORKGROUP]),
    codes("workgroup_codes", &[LAYER_WORKGROUP]),
    layer("rows", Single, &[LAYER_ROWS]),
    layer("rows", Half, &[LAYER_ROWS]),
    layer("rows", Bf16, &[LAYER_ROWS]),
    layer("rows", Int4, &[LAYER_ROWS]),
    layer("rows", Int8, &[LAYER_ROWS]),
    codes("rows_codes", &[LAYER_ROWS]),
    layer("subgroup_rows", Single, &[LAYER_SUBGROUP_ROWS]),
    layer("subgroup_rows", Half, &[LAYER_SUBGROUP_ROWS]),
    layer("subgroup_rows", Bf16, &[LAYER_SUBGROUP_ROWS]),
    layer("subgroup_rows", Int4, &[LAYER_SUBGROUP_ROWS]),
    layer("subgroup_rows", Int8, &[LAYER_SUBGROUP_ROWS]),
    codes("subgroup_rows_codes", &[LAYER_SUBGROUP_ROWS]),
    layer("coop", Half, &[LAYER_COOP]),
    layer("coop_staged", Half, &[LAYER_COOP_STAGED]),
    kernel("network", Single, &[NETWORK], WHOLE_NETWORK),
    kernel("network", Half, &[NETWORK], WHOLE_NETWORK),
    kernel("network", Bf16, &[NETWORK], WHOLE_NETWORK),
    kernel("network", Int4, &[NETWORK], WHOLE_NETWORK),
    kernel("network", Int8, &[NETWORK_INT8], WHOLE_NETWORK),
    kernel("network_codes", Int8, &[NETWORK_CODES], WHOLE_NETWORK),
];

/// Pixels, every layer's weights and biases, outputs, and the layers' shapes.
const WHOLE_NETWORK: &[Binding] = &[Read, Read, Read, Writes, Read];

/// A fused int8 layer outside the reference scheme: it searches for no extremes.
const fn codes(name: &'static str, parts: &'static [&'static str]) -> Kernel {
    kernel(name, Int8, parts, &[Read, Read, Read, Writes])
}

/// A fused layer: its input, weights, bias and output, and in int8 the extremes.
const fn layer(name: &'static str, elements: Precision, parts: &'static [&'static str]) -> Kernel {
    let bindings: &[Binding] = match elements {
        Int8 => &[Read, Read, Read, Writes, Writes],
        _ => &[Read, Read, Read, Writes],
    };
    kernel(name, elements, parts, bindings)
}

/// The row of a pass for these element types; none where the scheme has no such pass.
#[must_use]
pub fn find(pass: Pass, elements: Precision) -> Option<&'static Kernel> {
    let name = name(pass);
    KERNELS
        .iter()
        .find(|kernel| kernel.name == name && kernel.elements == elements)
}

/// The shader of a pass.
#[must_use]
pub fn name(pass: Pass) -> &'static str {
    match pass {
        Pass::Normalize => "normalize",
        Pass::PixelMax => "pixel_max",
        Pass::QuantizePixels => "quantize_pixels",
        Pass::Matmul(_) => "matmul",
        Pass::Bias => "bias",
        Pass::Activation(_) => "activation",
        Pass::Softmax => "softmax",
        Pass::AbsMax => "absmax",
        Pass::Quantize => "quantize",
        Pass::Dequantize => "dequantize",
        Pass::Layer(layer) if layer.input.is_codes() => match layer.tile.body {
            Body::Register => "register_codes",
            Body::Broadcast => "broadcast_codes",
            Body::Workgroup => "workgroup_codes",
            Body::Rows => "rows_codes",
            Body::SubgroupRows => "subgroup_rows_codes",
            Body::Coop(_) => "coop_codes",
            Body::CoopStaged(_) => "coop_staged_codes",
        },
        Pass::Layer(layer) => match layer.tile.body {
            Body::Register => "register",
            Body::Broadcast => "broadcast",
            Body::Workgroup => "workgroup",
            Body::Rows => "rows",
            Body::SubgroupRows => "subgroup_rows",
            Body::Coop(_) => "coop",
            Body::CoopStaged(_) => "coop_staged",
        },
        Pass::Network(network) if network.codes.is_some() => "network_codes",
        Pass::Network(_) => "network",
        Pass::RowCodes { .. } => "row_codes",
        Pass::StaticCodes => "static_codes",
        Pass::Finish(_) => "finish",
    }
}

/// A name for a variant that tells it from the others of its element type.
#[must_use]
pub fn variant_name(pass: Pass) -> String {
    match pass {
        Pass::Matmul(tiling) => tiling.name.to_owned(),
        Pass::Activation(activation) => format!("activation-{activation}"),
        Pass::Finish(activation) => format!("finish-{activation}"),
        Pass::Layer(layer) => layer_name(layer),
        Pass::Network(network) => {
            let NetworkKernel {
                lanes,
                k_lanes,
                arithmetic,
                widest,
                codes,
            } = network;
            let codes = codes.map_or(String::new(), |form| format!("-{form:?}"));
            format!("network-{lanes}:{k_lanes}-{widest}-{arithmetic:?}{codes}").to_lowercase()
        }
        Pass::RowCodes { row_lanes } => format!("row_codes:{row_lanes}"),
        other => name(other).to_owned(),
    }
}

fn layer_name(layer: LayerKernel) -> String {
    let Tile {
        rows,
        groups,
        lanes,
        ..
    } = layer.tile;
    let body = name(Pass::Layer(layer));
    let body = match layer.tile.body.matrix_units() {
        Some(units) => format!("{body}{}", units.size),
        None => body.to_owned(),
    };
    let columns = 4 * groups;
    let input = match layer.input {
        LayerInput::Pixels => "pixels".to_owned(),
        LayerInput::Values => "values".to_owned(),
        LayerInput::Z(before) => format!("z-{before}"),
        LayerInput::PixelCodes => "pixels".to_owned(),
        LayerInput::Codes => "codes".to_owned(),
        LayerInput::RowCodes => "row-codes".to_owned(),
    };
    let LayerKernel {
        arithmetic,
        output,
        activation,
        ..
    } = layer;
    let output = match output {
        LayerOutput::Stored(store) => format!("{store:?}-stored"),
        other => format!("{other:?}"),
    };
    format!("{body}-{rows}x{columns}:{lanes}-{arithmetic:?}-{input}-{output}-{activation}")
        .to_lowercase()
}

/// Every variant that is tested: each row with each of its constants, the fused ones with every tile
/// of the strategies, in each place that a layer can have in a network. A plan may ask for others,
/// which differ from these in the number of an activation or of a subgroup's lanes.
#[must_use]
pub fn variants(subgroups: Subgroups) -> Vec<(Pass, Precision)> {
    let activations = Activation::ALL.into_iter();
    let elementwise = activations.clone().filter(|&a| a != Activation::Softmax);
    let mut passes: Vec<Pass> = Tiling::ALL
        .into_iter()
        .map(Pass::Matmul)
        .chain(elementwise.map(Pass::Activation))
        .chain(activations.map(Pass::Finish))
        .chain([
            Pass::Normalize,
            Pass::PixelMax,
            Pass::QuantizePixels,
            Pass::Bias,
            Pass::Softmax,
            Pass::AbsMax,
            Pass::Quantize,
            Pass::Dequantize,
            Pass::StaticCodes,
        ])
        .chain([1, LANES].map(|row_lanes| Pass::RowCodes { row_lanes }))
        .collect();
    passes.dedup();
    let pairs = passes
        .into_iter()
        .flat_map(|pass| Precision::EVERY.map(|elements| (pass, elements)));
    let mut all: Vec<(Pass, Precision)> = pairs
        .filter(|&(pass, elements)| find(pass, elements).is_some())
        .collect();
    for strategy in STRATEGIES {
        for elements in Precision::EVERY {
            all.extend(
                strategy
                    .variants(elements, subgroups)
                    .into_iter()
                    .map(|pass| (pass, elements)),
            );
        }
    }
    all
}

/// The WGSL text of a variant; none where the scheme has no such pass. With `round_in_integers`,
/// f16 stores do not rely on the driver's conversion.
#[must_use]
pub fn source(pass: Pass, elements: Precision, round_in_integers: bool) -> Option<String> {
    let kernel = find(pass, elements)?;
    Some(text::assemble(pass, kernel, round_in_integers))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::MatrixUnits;

    #[test]
    fn every_row_of_the_table_is_among_the_variants() {
        let variants = variants(Subgroups {
            lanes: 8,
            matrix_units: Some(MatrixUnits { size: 16, lanes: 8 }),
        });
        for kernel in KERNELS {
            let of_row = |&(pass, elements): &(Pass, Precision)| {
                name(pass) == kernel.name && elements == kernel.elements
            };
            assert!(
                variants.iter().any(of_row),
                "{}.{}",
                kernel.name,
                kernel.elements
            );
        }
    }
}
