//! Which files the abstract imports of a kernel stand for.

use super::files;
use crate::Precision;
use crate::model::Activation;
use crate::plan::{
    Arithmetic, KernelFamily, LayerInput, LayerKernel, LayerOutput, NetworkKernel, Pass,
};
use crate::precision::Float;

/// An abstract import, and the file that it stands for.
pub(in crate::gpu) type ImportChoice = (&'static str, &'static str);

/// The choices of a variant.
pub(in crate::gpu) fn of(pass: Pass, elements: Precision) -> Vec<ImportChoice> {
    match pass {
        Pass::Layer(layer) => of_layer(layer, elements),
        Pass::Network(network) => of_network(network, elements),
        _ => of_unfused(elements),
    }
}

fn of_unfused(elements: Precision) -> Vec<ImportChoice> {
    let (element, bias) = match elements {
        Precision::Int8 => ("shared/unfused/int8", "shared/unfused/bias_int8"),
        Precision::F16 => ("shared/unfused/f16", "shared/unfused/bias_real"),
        Precision::Bf16 => ("shared/unfused/bf16", "shared/unfused/bias_real"),
        _ => ("shared/unfused/f32", "shared/unfused/bias_real"),
    };
    vec![("element", element), ("bias", bias)]
}

fn of_layer(layer: LayerKernel, elements: Precision) -> Vec<ImportChoice> {
    let native = layer.arithmetic == Arithmetic::Matrix;
    let quantized = layer.input.is_quantized();
    let mut choices = vec![
        ("element", element(elements, layer.arithmetic)),
        ("weights", weights(Some(layer.tile.family), elements)),
        ("input", input(layer.input, elements)),
        ("pre_activation", pre_activation(layer.input, elements)),
        ("inner", inner(layer.output)),
        ("epilogue", epilogue(layer)),
        ("store", store(layer.output, native, quantized)),
    ];
    if let Some(units) = layer.tile.family.matrix_units() {
        choices.push(("matrices", matrices(units.size)));
        choices.push((
            "matrix_epilogue",
            match layer.activation {
                Activation::Softmax => "shared/matrix/rows",
                _ => "shared/matrix/groups",
            },
        ));
    }
    choices
}

fn of_network(network: NetworkKernel, elements: Precision) -> Vec<ImportChoice> {
    let (input, pre_activation) = match (elements, network.quantized) {
        (_, Some(_)) => ("shared/input/words", "shared/pre_activation/int8"),
        (Precision::Int8, None) => ("shared/input/words", "shared/pre_activation/int8_reference"),
        (_, None) => ("shared/input/pixels", "shared/pre_activation/real"),
    };
    vec![
        ("element", element(elements, network.arithmetic)),
        ("weights", weights(None, elements)),
        ("input", input),
        ("pre_activation", pre_activation),
    ]
}

/// How fused kernels store, load and multiply values and weights: the file with the name of the precision, unless the
/// arithmetic has one of its own.
fn element(elements: Precision, arithmetic: Arithmetic) -> &'static str {
    match (elements, arithmetic) {
        (Precision::F16, Arithmetic::Matrix) => "shared/element/f16_matrix",
        (Precision::Int8, Arithmetic::Dot) => "shared/element/int8_dot",
        // Without such a file the import stays in the text, which then does not compile.
        _ => files::path(&format!("shared/element/{elements}")).unwrap_or("shared/element/none"),
    }
}

/// How a kernel loads weights: in blocks, or in slices of a block for the lanes of a subgroup; with the scales of
/// groups, where the precision has such.
fn weights(family: Option<KernelFamily>, elements: Precision) -> &'static str {
    match (family, elements.group()) {
        (Some(KernelFamily::Broadcast | KernelFamily::Workgroup(_)), Some(_)) => {
            "shared/weights/slice_grouped"
        }
        (Some(KernelFamily::Broadcast | KernelFamily::Workgroup(_)), None) => {
            "shared/weights/slice"
        }
        (_, Some(_)) => "shared/weights/block_grouped",
        (_, None) => "shared/weights/block",
    }
}

/// How a layer reads its input. In int8, pixels and values are quantized by the reference scheme.
fn input(input: LayerInput, elements: Precision) -> &'static str {
    match (input, elements) {
        (LayerInput::QuantizedPixels, _) => "shared/input/quantized_pixels",
        (LayerInput::Quantized | LayerInput::QuantizedRows, _) => "shared/input/quantized",
        (LayerInput::Pixels, Precision::Int8) => "shared/input/reference_pixels",
        (LayerInput::Values, Precision::Int8) => "shared/input/reference_values",
        (LayerInput::PreActivation(_), Precision::Int8) => "shared/input/reference_pre_activation",
        (LayerInput::Pixels, _) => "shared/input/pixels",
        (LayerInput::Values | LayerInput::PreActivation(_), _) => "shared/input/stored",
    }
}

/// How a layer's sums become pre-activations.
fn pre_activation(input: LayerInput, elements: Precision) -> &'static str {
    match input {
        LayerInput::QuantizedRows => "shared/pre_activation/int8_rows",
        LayerInput::QuantizedPixels | LayerInput::Quantized => "shared/pre_activation/int8_static",
        _ if elements == Precision::Int8 => "shared/pre_activation/int8_reference",
        _ => "shared/pre_activation/real",
    }
}

/// How much of the inner dimension a workgroup multiplies.
fn inner(output: LayerOutput) -> &'static str {
    match output {
        LayerOutput::PartialSums(_) => "shared/inner/part",
        _ => "shared/inner/whole",
    }
}

/// What a layer does with its sums.
fn epilogue(layer: LayerKernel) -> &'static str {
    match (layer.activation, layer.output) {
        (Activation::Softmax, _) => "shared/epilogue/softmax",
        (_, LayerOutput::PreActivation) => "shared/epilogue/pre_activation",
        (_, LayerOutput::QuantizedRows) => "shared/epilogue/quantized_rows",
        (_, LayerOutput::PartialSums(_)) => "shared/epilogue/partial_sums",
        (_, LayerOutput::Outputs | LayerOutput::Float(_) | LayerOutput::Quantized) => {
            "shared/epilogue/activation"
        }
    }
}

/// How `epilogue/activation` stores a layer's outputs. The outputs of int8 layers outside the reference
/// scheme are not rounded.
fn store(output: LayerOutput, native: bool, quantized: bool) -> &'static str {
    match output {
        LayerOutput::Outputs if !quantized => "shared/store/outputs",
        LayerOutput::Float(Float::F16) if native => "shared/store/f16_native",
        LayerOutput::Float(Float::F16) => "shared/store/f16",
        LayerOutput::Float(Float::Bf16) => "shared/store/bf16",
        LayerOutput::Quantized => "shared/store/quantized",
        LayerOutput::Float(Float::F32)
        | LayerOutput::Outputs
        | LayerOutput::PreActivation
        | LayerOutput::QuantizedRows
        | LayerOutput::PartialSums(_) => "shared/store/f32",
    }
}

/// The types for matrix units that multiply matrices of this size: wgpu has these two.
pub(in crate::gpu) fn matrices(size: u32) -> &'static str {
    match size {
        8 => "shared/matrix/8x8",
        16 => "shared/matrix/16x16",
        _ => "shared/matrix/of_unknown_size",
    }
}
