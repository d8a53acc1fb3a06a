//! The one table of kernels: name, element types, source parts, bindings, what each needs.
//!
//! A kernel is one row here and one WGSL file. Its module's text is: directives, constants
//! (tile sizes and the like), then the parts in order.

use std::fmt::Write;

use crate::Precision;
use crate::model::Activation;
use crate::plan::{LANES, Pass, SPAN};

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

const PARAMS: &str = include_str!("../../shaders/prelude/params.wgsl");
const F32: &str = include_str!("../../shaders/prelude/f32.wgsl");
const F16: &str = include_str!("../../shaders/prelude/f16.wgsl");
const INT8: &str = include_str!("../../shaders/prelude/int8.wgsl");
const SCALE: &str = include_str!("../../shaders/prelude/scale.wgsl");
const BIAS_REAL: &str = include_str!("../../shaders/prelude/bias_real.wgsl");
const BIAS_INT8: &str = include_str!("../../shaders/prelude/bias_int8.wgsl");

const NORMALIZE: &str = include_str!("../../shaders/passes/normalize.wgsl");
const PIXEL_MAX: &str = include_str!("../../shaders/passes/pixel_max.wgsl");
const QUANTIZE_PIXELS: &str = include_str!("../../shaders/passes/quantize_pixels.wgsl");
const MATMUL: &str = include_str!("../../shaders/passes/matmul.wgsl");
const BIAS: &str = include_str!("../../shaders/passes/bias.wgsl");
const ACTIVATION: &str = include_str!("../../shaders/passes/activation.wgsl");
const SOFTMAX: &str = include_str!("../../shaders/passes/softmax.wgsl");
const ABSMAX: &str = include_str!("../../shaders/passes/absmax.wgsl");
const QUANTIZE: &str = include_str!("../../shaders/passes/quantize.wgsl");
const DEQUANTIZE: &str = include_str!("../../shaders/passes/dequantize.wgsl");

use Binding::{Read, Write as Writes};
use Precision::{F16 as Half, F32 as Single, Int8};

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
        &[PARAMS, F16, NORMALIZE],
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
        &[PARAMS, F16, MATMUL],
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
        &[PARAMS, F16, BIAS_REAL, BIAS],
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
        &[PARAMS, F32, ACTIVATION],
        &[Read, Writes],
    ),
    kernel(
        "activation",
        Half,
        &[PARAMS, F16, ACTIVATION],
        &[Read, Writes],
    ),
    kernel("softmax", Single, &[PARAMS, F32, SOFTMAX], &[Read, Writes]),
    kernel("softmax", Half, &[PARAMS, F16, SOFTMAX], &[Read, Writes]),
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
];

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
    }
}

/// A name for a variant that tells it from the others of its element type.
#[must_use]
pub fn variant_name(pass: Pass) -> String {
    match pass {
        Pass::Matmul(tiling) => tiling.name.to_owned(),
        Pass::Activation(activation) => format!("activation-{activation}"),
        other => name(other).to_owned(),
    }
}

/// Every variant that a plan can ask for: each row with each of its constants.
#[must_use]
pub fn variants() -> Vec<(Pass, Precision)> {
    let activations = Activation::ALL.into_iter();
    let elementwise = activations.filter(|&activation| activation != Activation::Softmax);
    let passes: Vec<Pass> = crate::plan::Tiling::ALL
        .into_iter()
        .map(Pass::Matmul)
        .chain(elementwise.map(Pass::Activation))
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
    let pairs = passes
        .into_iter()
        .flat_map(|pass| Precision::ALL.map(|elements| (pass, elements)));
    pairs
        .filter(|&(pass, elements)| find(pass, elements).is_some())
        .collect()
}

/// The constants that the host puts before a kernel's parts.
fn constants(
    pass: Pass,
    elements: Precision,
    round_in_integers: bool,
) -> Vec<(&'static str, String)> {
    let word = |value: u32| format!("{value}u");
    let mut constants = match pass {
        Pass::Matmul(tiling) => vec![
            ("LANES", word(tiling.lanes)),
            ("ROW_LANES", word(tiling.row_lanes)),
            ("TILE_ROWS", word(tiling.tile_rows)),
            ("TILE_GROUPS", word(tiling.tile_groups)),
        ],
        Pass::Activation(activation) => {
            let number = match activation {
                Activation::Relu => 0,
                Activation::Sigmoid => 1,
                Activation::Tanh => 2,
                Activation::Identity | Activation::Softmax => 3,
            };
            vec![("LANES", word(LANES)), ("ACTIVATION", word(number))]
        }
        Pass::AbsMax | Pass::PixelMax => vec![("LANES", word(LANES)), ("SPAN", word(SPAN))],
        _ => vec![("LANES", word(LANES))],
    };
    if elements == Precision::F16 {
        constants.push(("ROUND_IN_INTEGERS", round_in_integers.to_string()));
    }
    constants
}

/// The WGSL text of a variant; none where the scheme has no such pass. With `round_in_integers`,
/// f16 stores do not rely on the driver's conversion.
#[must_use]
pub fn source(pass: Pass, elements: Precision, round_in_integers: bool) -> Option<String> {
    let kernel = find(pass, elements)?;
    let mut text = String::new();
    if elements == Precision::F16 {
        text.push_str("enable f16;\n");
    }
    if kernel.parts.contains(&INT8) {
        text.push_str("requires packed_4x8_integer_dot_product;\n");
    }
    for (name, value) in constants(pass, elements, round_in_integers) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "const {name} = {value};");
    }
    for part in kernel.parts {
        text.push('\n');
        text.push_str(part);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_is_among_the_variants() {
        let variants = variants();
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
