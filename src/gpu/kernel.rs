//! The one table of kernels: name, file, element types, bindings.
//!
//! A kernel is one row here and one WGSL file. The module's text has constants (tile sizes and the
//! like), the files that the kernel imports, and the kernel's file; `src/gpu/shader` assembles it.

use super::shader::{self, choices, constants};
use crate::Precision;
use crate::model::Activation;
use crate::plan::{
    KERNEL_VARIANTS, KernelFamily, LANES, LayerInput, LayerKernel, LayerOutput, NetworkKernel,
    Pass, Subgroups, Tile, Tiling,
};
use crate::precision::Float;

/// How a kernel uses a storage buffer; the uniform `Params` is always binding 0, and these follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// Only read.
    Read,
    /// Written.
    Write,
}

/// A kernel for one element type.
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    /// The kernel's name, which is the name of its file.
    pub name: &'static str,
    /// Its file in `shaders/`, without extension.
    pub file: &'static str,
    /// The element type.
    pub elements: Precision,
    /// The storage buffers, from binding 1 on.
    pub bindings: &'static [Binding],
}

use Binding::{Read, Write as Writes};
use Precision::{Bf16, F16 as Half, F32 as Single, Int8};

/// A row of the table.
#[derive(Debug)]
struct KernelRow {
    file: &'static str,
    elements: &'static [Precision],
    bindings: &'static [Binding],
    /// The bindings in int8, where a kernel also reads or finds the scales of the batch.
    int8: &'static [Binding],
}

const fn row(
    file: &'static str,
    elements: &'static [Precision],
    bindings: &'static [Binding],
) -> KernelRow {
    KernelRow {
        file,
        elements,
        bindings,
        int8: bindings,
    }
}

/// A fused layer: its input, weights, bias and output, and in int8 of the reference scheme the extremes.
const fn layer(file: &'static str, elements: &'static [Precision]) -> KernelRow {
    KernelRow {
        file,
        elements,
        bindings: &[Read, Read, Read, Writes],
        int8: &[Read, Read, Read, Writes, Writes],
    }
}

/// A whole network: pixels, the weights and biases of all layers, outputs, and the layers' shapes.
const fn network(file: &'static str, elements: &'static [Precision]) -> KernelRow {
    row(file, elements, &[Read, Read, Read, Writes, Read])
}

/// The element types of a kernel that runs in any.
const ANY: &[Precision] = &Precision::EVERY;

/// Those of a kernel that multiplies floats.
const FLOATS: &[Precision] = &floats();

const fn floats() -> [Precision; Precision::EVERY.len() - 1] {
    let mut floats = [Single; Precision::EVERY.len() - 1];
    let (mut from, mut to) = (0, 0);
    while from < Precision::EVERY.len() {
        if !matches!(Precision::EVERY[from], Int8) {
            floats[to] = Precision::EVERY[from];
            to += 1;
        }
        from += 1;
    }
    floats
}

/// Every kernel.
static KERNELS: &[KernelRow] = &[
    row(
        "kernels/unfused/normalize",
        &[Single, Half, Bf16],
        &[Read, Read, Writes],
    ),
    row("kernels/unfused/pixel_max", &[Int8], &[Read, Writes]),
    row(
        "kernels/unfused/quantize_pixels",
        &[Int8],
        &[Read, Read, Writes],
    ),
    row(
        "kernels/unfused/matmul",
        &[Single, Half, Int8],
        &[Read, Read, Writes],
    ),
    KernelRow {
        file: "kernels/unfused/bias",
        elements: &[Single, Half, Int8],
        bindings: &[Read, Read, Writes],
        int8: &[Read, Read, Writes, Read],
    },
    row(
        "kernels/unfused/activation",
        &[Single, Half],
        &[Read, Writes],
    ),
    row("kernels/unfused/softmax", &[Single, Half], &[Read, Writes]),
    row("kernels/unfused/absmax", &[Int8], &[Read, Writes]),
    row("kernels/unfused/quantize", &[Int8], &[Read, Read, Writes]),
    row("kernels/unfused/dequantize", &[Int8], &[Read, Read, Writes]),
    row("kernels/unfused/quantize_rows", &[Int8], &[Read, Writes]),
    row("kernels/unfused/quantize_static", &[Int8], &[Read, Writes]),
    layer("kernels/layer/register", ANY),
    layer("kernels/layer/broadcast", ANY),
    layer("kernels/layer/workgroup", ANY),
    layer("kernels/layer/rows", ANY),
    layer("kernels/layer/subgroup_rows", ANY),
    layer("kernels/layer/coop", &[Half]),
    layer("kernels/layer/coop_staged", &[Half]),
    layer("kernels/layer/sum", ANY),
    row("kernels/layer/epilogue", &[Int8], &[Read, Writes, Writes]),
    network("kernels/network/network", FLOATS),
    network("kernels/network/network_tiled", FLOATS),
    network("kernels/network/network_int8", &[Int8]),
    network("kernels/network/network_quantized", &[Int8]),
];

impl KernelRow {
    fn name(&self) -> &'static str {
        self.file
            .rsplit_once('/')
            .map_or(self.file, |(_, name)| name)
    }
}

/// A kernel, as a list of kernels shows it.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The kernel's name.
    pub name: &'static str,
    /// The element types that it runs in.
    pub elements: &'static [Precision],
    /// What it does, in a sentence: the first of its file.
    pub does: String,
}

/// Every kernel of the table.
pub fn summaries() -> impl Iterator<Item = Summary> {
    KERNELS.iter().map(|row| Summary {
        name: row.name(),
        elements: row.elements,
        does: shader::summary(row.file).unwrap_or_default(),
    })
}

/// The kernel of a pass for these element types; none where the scheme has no such pass.
#[must_use]
pub fn find(pass: Pass, elements: Precision) -> Option<Kernel> {
    let name = name(pass, elements);
    let of = |row: &&KernelRow| row.name() == name && row.elements.contains(&elements);
    let row = KERNELS.iter().find(of)?;
    let shares_scales =
        elements == Int8 && !matches!(pass, Pass::Layer(layer) if layer.input.is_quantized());
    Some(Kernel {
        name,
        file: row.file,
        elements,
        bindings: if shares_scales {
            row.int8
        } else {
            row.bindings
        },
    })
}

/// The name of a pass's kernel.
#[must_use]
pub fn name(pass: Pass, elements: Precision) -> &'static str {
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
        Pass::Layer(layer) => family_name(layer.tile.family),
        Pass::Network(network) if network.quantized.is_some() => "network_quantized",
        Pass::Network(_) if elements == Int8 => "network_int8",
        Pass::Network(network) if network.rows > 1 => "network_tiled",
        Pass::Network(_) => "network",
        Pass::QuantizedRows { .. } => "quantize_rows",
        Pass::QuantizeStatic => "quantize_static",
        Pass::Epilogue(_) => "epilogue",
    }
}

/// The name of a layer kernel's family.
fn family_name(family: KernelFamily) -> &'static str {
    match family {
        KernelFamily::Register => "register",
        KernelFamily::Broadcast => "broadcast",
        KernelFamily::Workgroup(_) => "workgroup",
        KernelFamily::Rows { .. } => "rows",
        KernelFamily::SubgroupRows => "subgroup_rows",
        KernelFamily::Coop(_) => "coop",
        KernelFamily::CoopStaged(_) => "coop_staged",
        KernelFamily::Sum { .. } => "sum",
    }
}

/// A name for a variant, unique among those of its element type.
#[must_use]
pub fn variant_name(pass: Pass) -> String {
    match pass {
        Pass::Matmul(tiling) => tiling.name.to_owned(),
        Pass::Activation(activation) => format!("activation-{activation}"),
        Pass::Epilogue(activation) => format!("epilogue-{activation}"),
        Pass::Layer(layer) => layer_name(layer),
        Pass::Network(network) => {
            let NetworkKernel {
                rows,
                lanes,
                k_lanes,
                arithmetic,
                widest,
                quantized,
            } = network;
            let quantized = quantized.map_or(String::new(), |input| format!("-{input:?}"));
            let name = if rows > 1 {
                format!("network-{rows}x{}-{arithmetic:?}", 4 * widest)
            } else {
                format!("network-{lanes}:{k_lanes}-{widest}-{arithmetic:?}{quantized}")
            };
            name.to_lowercase()
        }
        Pass::QuantizedRows { row_lanes } => format!("quantize_rows:{row_lanes}"),
        other => name(other, Single).to_owned(),
    }
}

fn layer_name(layer: LayerKernel) -> String {
    let Tile {
        rows,
        groups,
        lanes,
        ..
    } = layer.tile;
    let family = family_name(layer.tile.family);
    let family = match layer.tile.family.matrix_units() {
        Some(units) => format!("{family}{}", units.size),
        None => family.to_owned(),
    };
    let mut shape = format!("{rows}x{}", 4 * groups);
    match layer.tile.family {
        KernelFamily::Workgroup(staging) => shape += &format!("x{}", 4 * staging.k_step),
        KernelFamily::Rows { column_lanes } => shape = format!("{rows}x{}", 4 * column_lanes),
        KernelFamily::Sum { parts } => {
            shape = format!(
                "{parts}:{}x{}",
                layer.tile.row_lanes,
                4 * lanes / layer.tile.row_lanes
            );
        }
        _ => {}
    }
    let input = input_name(layer.input);
    let LayerKernel {
        arithmetic,
        output,
        activation,
        ..
    } = layer;
    let stored = match output {
        LayerOutput::Float(_) | LayerOutput::Quantized => "-stored",
        _ => "",
    };
    let output = output_name(output);
    format!("{family}-{shape}:{lanes}-{arithmetic:?}-{input}-{output}{stored}-{activation}")
        .to_lowercase()
}

/// A name for what a layer reads.
#[must_use]
pub fn input_name(input: LayerInput) -> String {
    match input {
        LayerInput::Pixels => "pixels".to_owned(),
        LayerInput::Values => "values".to_owned(),
        LayerInput::PreActivation(before) => format!("pre-activation-{before}"),
        LayerInput::QuantizedPixels => "quantized-pixels".to_owned(),
        LayerInput::Quantized => "quantized".to_owned(),
        LayerInput::QuantizedRows => "quantized-rows".to_owned(),
    }
}

/// A name for what a layer writes.
#[must_use]
pub fn output_name(output: LayerOutput) -> &'static str {
    match output {
        LayerOutput::Float(Float::F32) => "f32",
        LayerOutput::Float(Float::F16) => "f16",
        LayerOutput::Float(Float::Bf16) => "bf16",
        LayerOutput::Quantized => "quantized",
        LayerOutput::QuantizedRows => "quantized-rows",
        LayerOutput::Outputs => "outputs",
        LayerOutput::PreActivation => "pre-activation",
        LayerOutput::PartialSums(_) => "partial-sums",
    }
}

/// Every variant that is tested: each row with each of its constants, the fused ones with every tile
/// of the variants, in each place that a layer can have in a network. A plan may ask for others,
/// which differ from these in the number of an activation, of a subgroup's lanes, or of the parts of an inner dimension.
#[must_use]
pub fn variants(subgroups: Subgroups) -> Vec<(Pass, Precision)> {
    let activations = Activation::ALL.into_iter();
    let elementwise = activations.clone().filter(|&a| a != Activation::Softmax);
    let mut passes: Vec<Pass> = Tiling::ALL
        .into_iter()
        .map(Pass::Matmul)
        .chain(elementwise.map(Pass::Activation))
        .chain(activations.map(Pass::Epilogue))
        .chain([
            Pass::Normalize,
            Pass::PixelMax,
            Pass::QuantizePixels,
            Pass::Bias,
            Pass::Softmax,
            Pass::AbsMax,
            Pass::Quantize,
            Pass::Dequantize,
            Pass::QuantizeStatic,
        ])
        .chain([1, LANES].map(|row_lanes| Pass::QuantizedRows { row_lanes }))
        .collect();
    passes.dedup();
    let pairs = passes
        .into_iter()
        .flat_map(|pass| Precision::EVERY.map(|elements| (pass, elements)));
    let mut all: Vec<(Pass, Precision)> = pairs
        .filter(|&(pass, elements)| find(pass, elements).is_some())
        .collect();
    for variant in KERNEL_VARIANTS {
        for elements in Precision::EVERY {
            all.extend(
                variant
                    .test_kernels(elements, subgroups)
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
    Some(shader::link(
        kernel.file,
        &constants::of(pass, elements, round_in_integers),
        &choices::of(pass, elements),
    ))
}

#[cfg(test)]
mod tests;
