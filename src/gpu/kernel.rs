//! The one table of kernels: name, element types, source parts, bindings, what each needs.
//!
//! A kernel is one row here and one WGSL file. Its module's text is: directives, constants
//! (tile sizes and the like), then the parts in order. A fused kernel's row has what is its own; how
//! it reads, multiplies and stores is added by precision and by its place in the network.

use super::text;
use crate::Precision;
use crate::model::Activation;
use crate::plan::{
    Body, LayerInput, LayerKernel, NetworkKernel, Pass, STRATEGIES, Subgroups, Tile, Tiling,
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
use Precision::{F16 as Half, F32 as Single, Int8};
use text::{
    ABSMAX, ACTIVATE, ACTIVATION, BIAS, BIAS_INT8, BIAS_REAL, DEQUANTIZE, EXTREMES, F16, F32,
    FINISH, INT8, LAYER_BROADCAST, LAYER_COOP, LAYER_COOP_STAGED, LAYER_REGISTER, LAYER_ROWS,
    LAYER_SUBGROUP_ROWS, LAYER_WORKGROUP, MATMUL, NETWORK, NETWORK_INT8, NORMALIZE, PARAMS,
    PIXEL_MAX, QUANTIZATION, QUANTIZE, QUANTIZE_PIXELS, ROUND_F16, SCALE, SOFTMAX, SOFTMAX_TERM,
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
    layer("register", Single, &[LAYER_REGISTER]),
    layer("register", Half, &[LAYER_REGISTER]),
    layer("register", Int8, &[LAYER_REGISTER]),
    layer("broadcast", Single, &[LAYER_BROADCAST]),
    layer("broadcast", Half, &[LAYER_BROADCAST]),
    layer("broadcast", Int8, &[LAYER_BROADCAST]),
    layer("workgroup", Single, &[LAYER_WORKGROUP]),
    layer("workgroup", Half, &[LAYER_WORKGROUP]),
    layer("workgroup", Int8, &[LAYER_WORKGROUP]),
    layer("rows", Single, &[LAYER_ROWS]),
    layer("rows", Half, &[LAYER_ROWS]),
    layer("rows", Int8, &[LAYER_ROWS]),
    layer("subgroup_rows", Single, &[LAYER_SUBGROUP_ROWS]),
    layer("subgroup_rows", Half, &[LAYER_SUBGROUP_ROWS]),
    layer("subgroup_rows", Int8, &[LAYER_SUBGROUP_ROWS]),
    layer("coop", Half, &[LAYER_COOP]),
    layer("coop_staged", Half, &[LAYER_COOP_STAGED]),
    kernel("network", Single, &[NETWORK], WHOLE_NETWORK),
    kernel("network", Half, &[NETWORK], WHOLE_NETWORK),
    kernel("network", Int8, &[NETWORK_INT8], WHOLE_NETWORK),
];

/// Pixels, every layer's weights and biases, outputs, and the layers' shapes.
const WHOLE_NETWORK: &[Binding] = &[Read, Read, Read, Writes, Read];

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
        Pass::Layer(layer) => match layer.tile.body {
            Body::Register => "register",
            Body::Broadcast => "broadcast",
            Body::Workgroup => "workgroup",
            Body::Rows => "rows",
            Body::SubgroupRows => "subgroup_rows",
            Body::Coop(_) => "coop",
            Body::CoopStaged(_) => "coop_staged",
        },
        Pass::Network(_) => "network",
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
            } = network;
            format!("network-{lanes}:{k_lanes}-{widest}-{arithmetic:?}").to_lowercase()
        }
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
    };
    let LayerKernel {
        arithmetic,
        output,
        activation,
        ..
    } = layer;
    format!("{body}-{rows}x{columns}:{lanes}-{arithmetic:?}-{input}-{output:?}-{activation}")
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
        ])
        .collect();
    passes.dedup();
    let pairs = passes
        .into_iter()
        .flat_map(|pass| Precision::ALL.map(|elements| (pass, elements)));
    let mut all: Vec<(Pass, Precision)> = pairs
        .filter(|&(pass, elements)| find(pass, elements).is_some())
        .collect();
    for strategy in STRATEGIES {
        for elements in Precision::ALL {
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
