//! The one table of kernels: name, file, element types, bindings.
//!
//! A kernel is one row here and one WGSL file. The module's text has constants (tile sizes and the
//! like), the files that the kernel imports, and the kernel's file; [`super::shader`] assembles it.

use super::shader::{self, choices, constants};
use crate::Precision;
use crate::model::Activation;
use crate::plan::{
    Body, LANES, LayerInput, LayerKernel, LayerOutput, NetworkKernel, Pass, STRATEGIES, Store,
    Subgroups, Tile, Tiling,
};

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
use Precision::{Bf16, F16 as Half, F32 as Single, Int4, Int8};

/// A row of the table.
#[derive(Debug)]
struct Row {
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
) -> Row {
    Row {
        file,
        elements,
        bindings,
        int8: bindings,
    }
}

/// A fused layer: its input, weights, bias and output, and in int8 of the reference scheme the extremes.
const fn layer(file: &'static str, elements: &'static [Precision]) -> Row {
    Row {
        file,
        elements,
        bindings: &[Read, Read, Read, Writes],
        int8: &[Read, Read, Read, Writes, Writes],
    }
}

/// A whole network: pixels, the weights and biases of all layers, outputs, and the layers' shapes.
const fn network(file: &'static str, elements: &'static [Precision]) -> Row {
    row(file, elements, &[Read, Read, Read, Writes, Read])
}

/// The element types of a kernel that runs in any.
const ANY: &[Precision] = &[Single, Half, Bf16, Int4, Int8];

/// Every kernel.
static KERNELS: &[Row] = &[
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
    Row {
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
    row("kernels/layer/epilogue", &[Int8], &[Read, Writes, Writes]),
    network("kernels/network/network", &[Single, Half, Bf16, Int4]),
    network("kernels/network/network_int8", &[Int8]),
    network("kernels/network/network_quantized", &[Int8]),
];

impl Row {
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
    let of = |row: &&Row| row.name() == name && row.elements.contains(&elements);
    let row = KERNELS.iter().find(of)?;
    let shares_scales =
        elements == Int8 && !matches!(pass, Pass::Layer(layer) if layer.input.is_codes());
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
        Pass::Layer(layer) => family_name(layer.tile.body),
        Pass::Network(network) if network.codes.is_some() => "network_quantized",
        Pass::Network(_) if elements == Int8 => "network_int8",
        Pass::Network(_) => "network",
        Pass::RowCodes { .. } => "quantize_rows",
        Pass::StaticCodes => "quantize_static",
        Pass::Finish(_) => "epilogue",
    }
}

/// The name of a layer kernel's family.
fn family_name(family: Body) -> &'static str {
    match family {
        Body::Register => "register",
        Body::Broadcast => "broadcast",
        Body::Workgroup => "workgroup",
        Body::Rows => "rows",
        Body::SubgroupRows => "subgroup_rows",
        Body::Coop(_) => "coop",
        Body::CoopStaged(_) => "coop_staged",
    }
}

/// A name for a variant that tells it from the others of its element type.
#[must_use]
pub fn variant_name(pass: Pass) -> String {
    match pass {
        Pass::Matmul(tiling) => tiling.name.to_owned(),
        Pass::Activation(activation) => format!("activation-{activation}"),
        Pass::Finish(activation) => format!("epilogue-{activation}"),
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
        Pass::RowCodes { row_lanes } => format!("quantize_rows:{row_lanes}"),
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
    let family = family_name(layer.tile.body);
    let family = match layer.tile.body.matrix_units() {
        Some(units) => format!("{family}{}", units.size),
        None => family.to_owned(),
    };
    let columns = 4 * groups;
    let input = input_name(layer.input);
    let LayerKernel {
        arithmetic,
        output,
        activation,
        ..
    } = layer;
    let stored = match output {
        LayerOutput::Stored(_) => "-stored",
        _ => "",
    };
    let output = output_name(output);
    format!(
        "{family}-{rows}x{columns}:{lanes}-{arithmetic:?}-{input}-{output}{stored}-{activation}"
    )
    .to_lowercase()
}

/// A name for what a layer reads.
#[must_use]
pub fn input_name(input: LayerInput) -> String {
    match input {
        LayerInput::Pixels => "pixels".to_owned(),
        LayerInput::Values => "values".to_owned(),
        LayerInput::Z(before) => format!("pre-activation-{before}"),
        LayerInput::PixelCodes => "quantized-pixels".to_owned(),
        LayerInput::Codes => "quantized".to_owned(),
        LayerInput::RowCodes => "quantized-rows".to_owned(),
    }
}

/// A name for what a layer writes.
#[must_use]
pub fn output_name(output: LayerOutput) -> &'static str {
    match output {
        LayerOutput::Stored(Store::F32) => "f32",
        LayerOutput::Stored(Store::F16) => "f16",
        LayerOutput::Stored(Store::Bf16) => "bf16",
        LayerOutput::Stored(Store::Codes) => "quantized",
        LayerOutput::RowCodes => "quantized-rows",
        LayerOutput::F32 => "outputs",
        LayerOutput::Z => "pre-activation",
    }
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
    Some(shader::link(
        kernel.file,
        &constants::of(pass, elements, round_in_integers),
        &choices::of(pass, elements),
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap, HashSet};

    use super::*;
    use crate::adapter::MatrixUnits;

    #[test]
    fn every_row_of_the_table_is_among_the_variants() {
        let variants = variants(Subgroups {
            lanes: 8,
            matrix_units: Some(MatrixUnits { size: 16, lanes: 8 }),
        });
        for row in KERNELS {
            for of in row.elements {
                let of_row = |&(pass, elements): &(Pass, Precision)| {
                    name(pass, elements) == row.name() && elements == *of
                };
                assert!(variants.iter().any(of_row), "{}.{of}", row.file);
            }
        }
    }

    #[test]
    fn every_file_of_a_kernel_has_a_row() {
        for (path, _) in shader::FILES {
            let is_kernel = path.starts_with("kernels/");
            let rows = KERNELS.iter().filter(|row| row.file == *path).count();
            assert_eq!(rows, usize::from(is_kernel), "{path}");
        }
    }

    /// The names that a file declares for the whole module, and those that it uses of others: not those of
    /// its own parameters and variables.
    fn names(text: &str) -> (HashSet<&str>, HashSet<&str>) {
        let (mut declared, mut used, mut local) = (HashSet::new(), HashSet::new(), HashSet::new());
        for line in text.lines() {
            let code = line.split("//").next().unwrap_or_default();
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let mut before = "";
            let mut places = code
                .match_indices(|c: char| is_word(c))
                .map(|(at, _)| at)
                .peekable();
            let mut end = 0;
            while let Some(at) = places.next() {
                if at < end {
                    continue;
                }
                let rest = &code[at..];
                let word = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
                end = at + word.len();
                let member = code[..at].ends_with('.');
                let follows = code[end..].trim_start();
                let is_global = !code.starts_with(' ');
                let variable = is_global && code[..at].contains("var<") && follows.starts_with(':');
                if is_global && (matches!(before, "fn" | "alias" | "struct" | "const") || variable)
                {
                    declared.insert(word);
                } else if matches!(before, "let" | "var" | "const") || follows.starts_with(':') {
                    local.insert(word);
                } else if !member {
                    used.insert(word);
                }
                before = word;
            }
        }
        (declared, &used - &local)
    }

    /// Every file imports what it uses, except for what the kernel declares: in its own file, or for kernels
    /// of whole networks in `shared/network`.
    #[test]
    fn every_file_imports_what_it_uses() {
        let subgroups = Subgroups {
            lanes: 8,
            matrix_units: Some(MatrixUnits { size: 16, lanes: 8 }),
        };
        let files: HashMap<&str, &str> = shader::FILES.iter().copied().collect();
        let mut failures = BTreeSet::new();
        for (pass, elements) in variants(subgroups) {
            let kernel = find(pass, elements).expect("a row");
            let text = source(pass, elements, false).expect("a text");
            assert!(!text.contains("#import"), "{text}");
            let choices: HashMap<_, _> = choices::of(pass, elements).into_iter().collect();
            let parts = text
                .lines()
                .filter_map(|line| line.strip_prefix("// shaders/"));
            let parts: Vec<&str> = parts
                .filter_map(|line| line.strip_suffix(".wgsl"))
                .collect();
            let imports = |path: &&str| {
                let lines = files[path].lines();
                let names = lines.filter_map(|line| line.strip_prefix("#import "));
                let choose = |name| choices.get(name).copied().unwrap_or(name);
                names.map(choose).collect::<Vec<&str>>()
            };
            for part in &parts {
                let mut known = vec![*part];
                let mut next = 0;
                while let Some(path) = known.get(next).copied() {
                    known.extend(imports(&path));
                    next += 1;
                    let mut seen = HashSet::new();
                    known.retain(|path| seen.insert(*path));
                }
                known.extend([kernel.file, "shared/network"]);
                let used = names(files[part]).1;
                for other in parts.iter().filter(|other| !known.contains(other)) {
                    for name in names(files[other]).0.intersection(&used) {
                        failures.insert(format!("{part} uses {name} of {other}"));
                    }
                }
            }
        }
        assert!(failures.is_empty(), "{failures:#?}");
    }
}
