//! Which files the abstract imports of a kernel stand for.

use crate::Precision;
use crate::model::Activation;
use crate::plan::{
    Arithmetic, KernelFamily, LayerInput, LayerKernel, LayerOutput, NetworkKernel, Pass, Store,
};

/// An abstract import, and the file that it stands for.
pub(in crate::gpu) type Choice = (&'static str, &'static str);

/// The choices of a variant.
pub(in crate::gpu) fn of(pass: Pass, elements: Precision) -> Vec<Choice> {
    match pass {
        Pass::Layer(layer) => of_layer(layer, elements),
        Pass::Network(network) => of_network(network, elements),
        _ => of_unfused(elements),
    }
}

fn of_unfused(elements: Precision) -> Vec<Choice> {
    let (element, bias) = match elements {
        Precision::F16 => ("shared/unfused/f16", "shared/unfused/bias_real"),
        Precision::Bf16 => ("shared/unfused/bf16", "shared/unfused/bias_real"),
        Precision::Int8 => ("shared/unfused/int8", "shared/unfused/bias_int8"),
        Precision::F32 | Precision::Int4 | Precision::Mixed => {
            ("shared/unfused/f32", "shared/unfused/bias_real")
        }
    };
    vec![("element", element), ("bias", bias)]
}

fn of_layer(layer: LayerKernel, elements: Precision) -> Vec<Choice> {
    let native = layer.arithmetic == Arithmetic::Matrix;
    let quantized = layer.input.is_quantized();
    let mut choices = vec![
        ("element", element(elements, layer.arithmetic)),
        ("weights", weights(Some(layer.tile.family), elements)),
        ("input", input(layer.input, elements)),
        ("pre_activation", pre_activation(layer.input, elements)),
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

fn of_network(network: NetworkKernel, elements: Precision) -> Vec<Choice> {
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

/// How fused kernels store, load and multiply values and weights.
fn element(elements: Precision, arithmetic: Arithmetic) -> &'static str {
    match (elements, arithmetic) {
        (Precision::F16, Arithmetic::Matrix) => "shared/element/f16_matrix",
        (Precision::F16, _) => "shared/element/f16",
        (Precision::Bf16, _) => "shared/element/bf16",
        (Precision::Int8, Arithmetic::Dot) => "shared/element/int8_dot",
        (Precision::Int8, _) => "shared/element/int8",
        (Precision::Int4, _) => "shared/element/int4",
        (Precision::F32 | Precision::Mixed, _) => "shared/element/f32",
    }
}

/// How a kernel loads weights: in blocks, or in slices of a block for the lanes of a subgroup.
fn weights(body: Option<KernelFamily>, elements: Precision) -> &'static str {
    match (body, elements) {
        (Some(KernelFamily::Broadcast), Precision::Int4) => "shared/weights/slice_int4",
        (Some(KernelFamily::Broadcast), _) => "shared/weights/slice",
        (_, Precision::Int4) => "shared/weights/block_int4",
        (_, _) => "shared/weights/block",
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

/// What a layer does with its sums.
fn epilogue(layer: LayerKernel) -> &'static str {
    match (layer.activation, layer.output) {
        (Activation::Softmax, _) => "shared/epilogue/softmax",
        (_, LayerOutput::PreActivation) => "shared/epilogue/pre_activation",
        (_, LayerOutput::QuantizedRows) => "shared/epilogue/quantized_rows",
        (_, LayerOutput::F32 | LayerOutput::Stored(_)) => "shared/epilogue/activation",
    }
}

/// How `epilogue/activation` stores a layer's outputs. The outputs of int8 layers outside the reference
/// scheme are not rounded.
fn store(output: LayerOutput, native: bool, quantized: bool) -> &'static str {
    match output {
        LayerOutput::F32 if !quantized => "shared/store/outputs",
        LayerOutput::Stored(Store::F16) if native => "shared/store/f16_native",
        LayerOutput::Stored(Store::F16) => "shared/store/f16",
        LayerOutput::Stored(Store::Bf16) => "shared/store/bf16",
        LayerOutput::Stored(Store::Int8) => "shared/store/quantized",
        LayerOutput::Stored(Store::F32)
        | LayerOutput::F32
        | LayerOutput::PreActivation
        | LayerOutput::QuantizedRows => "shared/store/f32",
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
