//! A kernel's text: directives, constants and parts put together.

use std::fmt::Write;

use super::kernel::Kernel;
use super::unroll::unroll;
use crate::Precision;
use crate::adapter::MatrixUnits;
use crate::model::{Activation, Form};
use crate::plan::{
    Arithmetic, Body, LANES, LayerInput, LayerKernel, LayerOutput, NetworkKernel, Pass, SPAN, Store,
};

macro_rules! shaders {
    ($($name:ident = $path:literal;)*) => {
        $(pub(super) const $name: &str = include_str!(concat!("../../shaders/", $path));)*

        /// Every shader's text, in one order.
        pub(super) const ALL: &[&str] = &[$($name),*];
    };
}

shaders! {
    PARAMS = "prelude/params.wgsl";
    F32 = "prelude/f32.wgsl";
    F16 = "prelude/f16.wgsl";
    BF16 = "prelude/bf16.wgsl";
    INT8 = "prelude/int8.wgsl";
    ROUND_F16 = "prelude/round_f16.wgsl";
    ROUND_BF16 = "prelude/round_bf16.wgsl";
    SCALE = "prelude/scale.wgsl";
    BIAS_REAL = "prelude/bias_real.wgsl";
    BIAS_INT8 = "prelude/bias_int8.wgsl";
    ACTIVATE = "prelude/activate.wgsl";
    SOFTMAX_TERM = "prelude/softmax.wgsl";
    QUANTIZATION = "prelude/quantize.wgsl";
    EXTREMES = "prelude/extremes.wgsl";
    VALUES_F32 = "prelude/values_f32.wgsl";
    FUSED_F32 = "prelude/fused_f32.wgsl";
    HALVES = "prelude/halves.wgsl";
    FUSED_F16 = "prelude/fused_f16.wgsl";
    FUSED_BF16 = "prelude/fused_bf16.wgsl";
    FUSED_INT4 = "prelude/fused_int4.wgsl";
    STORED_HALF = "prelude/stored_half.wgsl";
    FUSED_INT8 = "prelude/fused_int8.wgsl";
    FUSED_DOT = "prelude/fused_dot.wgsl";
    MULTIPLY_F32 = "prelude/multiply_f32.wgsl";
    CODES = "prelude/codes.wgsl";
    BIAS_SCALED = "prelude/bias_scaled.wgsl";
    BLOCK = "prelude/block.wgsl";
    BLOCK_INT4 = "prelude/block_int4.wgsl";
    SLICE = "prelude/slice.wgsl";
    SLICE_INT4 = "prelude/slice_int4.wgsl";
    EPILOGUE_REAL = "prelude/epilogue_real.wgsl";
    EPILOGUE_CODES = "prelude/epilogue_codes.wgsl";
    SCALE_ROWS = "prelude/scale_rows.wgsl";
    SCALE_STATIC = "prelude/scale_static.wgsl";
    INPUT_CODES = "prelude/input_codes.wgsl";
    INPUT_CODES_BYTES = "prelude/input_codes_bytes.wgsl";
    STORE_F32 = "prelude/store_f32.wgsl";
    STORE_F16 = "prelude/store_f16.wgsl";
    STORE_HALF = "prelude/store_half.wgsl";
    STORE_BF16 = "prelude/store_bf16.wgsl";
    STORE_CODES = "prelude/store_codes.wgsl";
    OUTPUT_ROW_CODES = "prelude/output_row_codes.wgsl";
    ROUND_NOTHING = "prelude/round_nothing.wgsl";
    INPUT_PIXELS = "prelude/input_pixels.wgsl";
    INPUT_STORED = "prelude/input_stored.wgsl";
    INPUT_CODES_PIXELS = "prelude/input_codes_pixels.wgsl";
    INPUT_CODES_VALUES = "prelude/input_codes_values.wgsl";
    INPUT_CODES_Z = "prelude/input_codes_z.wgsl";
    INPUT_WORDS = "prelude/input_words.wgsl";
    OUTPUT_F32 = "prelude/output_f32.wgsl";
    OUTPUT_LAYER = "prelude/output_layer.wgsl";
    OUTPUT_SOFTMAX = "prelude/output_softmax.wgsl";
    OUTPUT_Z = "prelude/output_z.wgsl";
    COOP = "prelude/coop.wgsl";
    COOP_GROUPS = "prelude/coop_groups.wgsl";
    COOP_ROWS = "prelude/coop_rows.wgsl";
    LAYERS = "prelude/network.wgsl";
    LARGEST = "prelude/largest.wgsl";
    NORMALIZE = "passes/normalize.wgsl";
    PIXEL_MAX = "passes/pixel_max.wgsl";
    QUANTIZE_PIXELS = "passes/quantize_pixels.wgsl";
    MATMUL = "passes/matmul.wgsl";
    BIAS = "passes/bias.wgsl";
    ACTIVATION = "passes/activation.wgsl";
    SOFTMAX = "passes/softmax.wgsl";
    ABSMAX = "passes/absmax.wgsl";
    QUANTIZE = "passes/quantize.wgsl";
    DEQUANTIZE = "passes/dequantize.wgsl";
    ROW_CODES = "passes/row_codes.wgsl";
    STATIC_CODES = "passes/static_codes.wgsl";
    LAYER_REGISTER = "fused/layer_register.wgsl";
    LAYER_BROADCAST = "fused/layer_broadcast.wgsl";
    LAYER_WORKGROUP = "fused/layer_workgroup.wgsl";
    LAYER_ROWS = "fused/layer_rows.wgsl";
    LAYER_SUBGROUP_ROWS = "fused/layer_subgroup_rows.wgsl";
    LAYER_COOP = "fused/layer_coop.wgsl";
    LAYER_COOP_STAGED = "fused/layer_coop_staged.wgsl";
    FINISH = "fused/finish.wgsl";
    NETWORK = "fused/network.wgsl";
    NETWORK_INT8 = "fused/network_int8.wgsl";
    NETWORK_CODES = "fused/network_codes.wgsl";
}

/// The text of a kernel's variant.
pub(super) fn assemble(pass: Pass, kernel: &Kernel, round_in_integers: bool) -> String {
    let elements = kernel.elements;
    let arithmetic = match pass {
        Pass::Layer(layer) => Some(layer.arithmetic),
        Pass::Network(network) => Some(network.arithmetic),
        _ => None,
    };
    let mut text = String::new();
    let native = arithmetic.map_or(elements == Precision::F16, |a| a == Arithmetic::Matrix);
    if native {
        text.push_str("enable f16;\n");
    }
    if arithmetic == Some(Arithmetic::Matrix) {
        text.push_str("enable wgpu_cooperative_matrix;\n");
    }
    if arithmetic == Some(Arithmetic::Dot) || kernel.parts.contains(&INT8) {
        text.push_str("requires packed_4x8_integer_dot_product;\n");
    }
    let numbers = numbers(pass, elements);
    for (name, value) in &numbers {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "const {name} = {value}u;");
    }
    for (name, value) in switches(pass, elements, round_in_integers) {
        let _ = writeln!(text, "const {name} = {value};");
    }
    if let Pass::Layer(layer) = pass
        && let Some(MatrixUnits { size, .. }) = layer.tile.body.matrix_units()
    {
        text.push_str(&matrix_types(size));
    }
    let parts = match pass {
        Pass::Layer(layer) => layer_parts(layer, elements),
        Pass::Network(network) => network_parts(network, elements),
        _ => Vec::new(),
    };
    for part in parts.iter().chain(kernel.parts) {
        text.push('\n');
        text.push_str(&unroll(part, &numbers));
    }
    text
}

/// The types of what matrix units of this size multiply and of what they add to.
pub(super) fn matrix_types(size: u32) -> String {
    let of =
        |name: &str, values: &str| format!("alias {name} = coop_mat{size}x{size}<{values}>;\n");
    of("Left", "f16, A") + &of("Right", "f16, B") + &of("Sums", "f32, C")
}

/// The prelude of a fused kernel: how it opens and multiplies weights and values, and what it rounds by.
fn format_parts(elements: Precision, arithmetic: Arithmetic) -> Vec<&'static str> {
    match (elements, arithmetic) {
        (Precision::F16, Arithmetic::Matrix) => vec![PARAMS, STORED_HALF],
        (Precision::F16, _) => vec![PARAMS, HALVES, FUSED_F16, MULTIPLY_F32],
        (Precision::Bf16, _) => vec![PARAMS, HALVES, FUSED_BF16, MULTIPLY_F32],
        (Precision::Int8, Arithmetic::Dot) => vec![PARAMS, QUANTIZATION, FUSED_DOT],
        (Precision::Int8, _) => vec![PARAMS, QUANTIZATION, FUSED_INT8, MULTIPLY_F32],
        (Precision::Int4, _) => vec![PARAMS, VALUES_F32, FUSED_INT4, MULTIPLY_F32],
        (Precision::F32 | Precision::Mixed, _) => {
            vec![PARAMS, VALUES_F32, FUSED_F32, MULTIPLY_F32]
        }
    }
}

/// What rounds to the numbers that a layer of `elements` stores, and to those that it hands on.
fn rounding_parts(elements: Precision, output: Option<LayerOutput>) -> Vec<&'static str> {
    let stores = |store| output == Some(LayerOutput::Stored(store));
    let mut parts = Vec::new();
    if elements == Precision::F16 || stores(Store::F16) {
        parts.push(ROUND_F16);
    }
    if elements == Precision::Bf16 || stores(Store::Bf16) {
        parts.push(ROUND_BF16);
    }
    parts
}

/// How a body comes by its weights.
fn weight_parts(body: Option<Body>, elements: Precision) -> Option<&'static str> {
    match (body, elements) {
        (Some(Body::Coop(_) | Body::CoopStaged(_)), _) => None,
        (Some(Body::Broadcast), Precision::Int4) => Some(SLICE_INT4),
        (Some(Body::Broadcast), _) => Some(SLICE),
        (_, Precision::Int4) => Some(BLOCK_INT4),
        (_, _) => Some(BLOCK),
    }
}

/// What stands before a fused layer's body.
fn layer_parts(layer: LayerKernel, elements: Precision) -> Vec<&'static str> {
    let codes = layer.input.is_codes();
    let reference = elements == Precision::Int8 && !codes;
    let mut parts = format_parts(elements, layer.arithmetic);
    parts.extend(weight_parts(Some(layer.tile.body), elements));
    parts.extend(rounding_parts(elements, Some(layer.output)));
    parts.push(ACTIVATE);
    if reference {
        parts.extend([SCALE, BIAS_SCALED, EXTREMES]);
    } else if codes {
        let scale = match layer.input {
            LayerInput::RowCodes => SCALE_ROWS,
            _ => SCALE_STATIC,
        };
        parts.extend([EPILOGUE_CODES, scale]);
    } else {
        parts.push(EPILOGUE_REAL);
    }
    parts.push(match (layer.input, reference) {
        (LayerInput::PixelCodes, _) => INPUT_CODES_BYTES,
        (LayerInput::Codes | LayerInput::RowCodes, _) => INPUT_CODES,
        (LayerInput::Pixels, false) => INPUT_PIXELS,
        (LayerInput::Values | LayerInput::Z(_), false) => INPUT_STORED,
        (LayerInput::Pixels, true) => INPUT_CODES_PIXELS,
        (LayerInput::Values, true) => INPUT_CODES_VALUES,
        (LayerInput::Z(_), true) => INPUT_CODES_Z,
    });
    parts.extend(output_parts(layer, codes));
    if layer.tile.body.matrix_units().is_some() {
        parts.push(COOP);
        parts.push(match layer.activation {
            Activation::Softmax => COOP_ROWS,
            _ => COOP_GROUPS,
        });
    }
    parts
}

/// What becomes of a fused layer's sums.
fn output_parts(layer: LayerKernel, codes: bool) -> Vec<&'static str> {
    if layer.activation == Activation::Softmax {
        let exact = if codes { Some(ROUND_NOTHING) } else { None };
        return [exact, Some(SOFTMAX_TERM), Some(OUTPUT_SOFTMAX)]
            .into_iter()
            .flatten()
            .collect();
    }
    match layer.output {
        LayerOutput::Z => vec![OUTPUT_Z],
        LayerOutput::RowCodes => vec![CODES, OUTPUT_ROW_CODES],
        // int8 outputs are what they are.
        LayerOutput::F32 if codes => vec![STORE_F32, OUTPUT_LAYER],
        LayerOutput::F32 => vec![OUTPUT_F32, OUTPUT_LAYER],
        LayerOutput::Stored(Store::F32) => vec![STORE_F32, OUTPUT_LAYER],
        LayerOutput::Stored(Store::F16) if layer.arithmetic == Arithmetic::Matrix => {
            vec![STORE_HALF, OUTPUT_LAYER]
        }
        LayerOutput::Stored(Store::F16) => vec![STORE_F16, OUTPUT_LAYER],
        LayerOutput::Stored(Store::Bf16) => vec![STORE_BF16, OUTPUT_LAYER],
        LayerOutput::Stored(Store::Codes) => vec![CODES, STORE_CODES, OUTPUT_LAYER],
    }
}

/// What stands before a whole network's body.
fn network_parts(network: NetworkKernel, elements: Precision) -> Vec<&'static str> {
    let mut parts = format_parts(elements, network.arithmetic);
    parts.extend(weight_parts(None, elements));
    parts.extend(rounding_parts(elements, None));
    parts.push(ACTIVATE);
    match (elements, network.codes) {
        (_, Some(_)) => parts.extend([CODES, EPILOGUE_CODES, LARGEST, INPUT_WORDS]),
        (Precision::Int8, None) => parts.extend([SCALE, BIAS_SCALED, LARGEST, INPUT_WORDS]),
        (_, None) => parts.extend([EPILOGUE_REAL, INPUT_PIXELS]),
    }
    parts.extend([SOFTMAX_TERM, LAYERS]);
    parts
}

/// The number by which shaders know an activation.
pub(super) fn activation_number(activation: Activation) -> u32 {
    activation.number()
}

/// The whole numbers that the host puts before a kernel's parts.
fn numbers(pass: Pass, elements: Precision) -> Vec<(&'static str, u32)> {
    match pass {
        Pass::Matmul(tiling) => vec![
            ("LANES", tiling.lanes),
            ("ROW_LANES", tiling.row_lanes),
            ("TILE_ROWS", tiling.tile_rows),
            ("TILE_GROUPS", tiling.tile_groups),
        ],
        Pass::Layer(layer) => layer_numbers(layer, elements),
        Pass::Network(network) => vec![
            ("LANES", network.lanes),
            ("K_LANES", network.k_lanes),
            ("WIDEST", network.widest),
        ],
        Pass::Activation(which) => vec![("LANES", LANES), ("ACTIVATION", activation_number(which))],
        Pass::Finish(which) => vec![
            ("LANES", LANES),
            ("ACTIVATION", activation_number(which)),
            ("MAXIMA", 3),
        ],
        Pass::RowCodes { row_lanes } => vec![("LANES", LANES), ("ROW_LANES", row_lanes)],
        Pass::AbsMax | Pass::PixelMax => vec![("LANES", LANES), ("SPAN", SPAN)],
        _ => vec![("LANES", LANES)],
    }
}

fn layer_numbers(layer: LayerKernel, elements: Precision) -> Vec<(&'static str, u32)> {
    let tile = layer.tile;
    let mut numbers = vec![
        ("LANES", tile.lanes),
        ("TILE_ROWS", tile.rows),
        // The bodies for few rows have one group a workgroup.
        ("TILE_GROUPS", tile.groups),
        ("ACTIVATION", activation_number(layer.activation)),
    ];
    match tile.body {
        Body::Register => numbers.push(("ROW_LANES", tile.row_lanes)),
        Body::Workgroup => {
            numbers.extend([
                ("ROW_LANES", tile.row_lanes),
                ("K_STEP", tile.body.k_step()),
            ]);
        }
        Body::Broadcast => {
            // A lane's load brings 1, 2 or 4 of a block's four inner values.
            let slices = 4 / match elements {
                Precision::F32 | Precision::Mixed => 1,
                Precision::F16 | Precision::Bf16 => 2,
                Precision::Int8 | Precision::Int4 => 4,
            };
            let loads = (tile.groups * slices).div_ceil(tile.lanes);
            numbers.extend([("SUBGROUP", tile.lanes), ("LOADS", loads)]);
        }
        Body::SubgroupRows => numbers.push(("SUBGROUP", tile.lanes)),
        Body::Rows => {}
        Body::Coop(units) | Body::CoopStaged(units) => {
            let (down, across) = tile.parts();
            numbers.extend([
                ("SIZE", units.size),
                ("MATRIX_ROWS", tile.rows / units.size),
                ("MATRIX_COLUMNS", 4 * tile.groups / units.size),
                ("DOWN", down),
                ("ACROSS", across),
                ("K_STEP", tile.body.k_step()),
            ]);
        }
    }
    if layer.output == LayerOutput::Z {
        numbers.push(("MAXIMA", 5));
    }
    if let LayerInput::Z(before) = layer.input {
        numbers.push(("BEFORE", activation_number(before)));
    }
    numbers
}

/// The truth values that the host puts before a kernel's parts.
fn switches(pass: Pass, elements: Precision, round_in_integers: bool) -> Vec<(&'static str, bool)> {
    match pass {
        // What fused kernels store is always rounded in integers.
        Pass::Network(NetworkKernel {
            codes: Some(form), ..
        }) => vec![("ROWS", form == Form::Rows)],
        Pass::Layer(_) | Pass::Network(_) => Vec::new(),
        Pass::Finish(which) => vec![("SOFTMAX", which == Activation::Softmax)],
        _ if elements == Precision::F16 => vec![("ROUND_IN_INTEGERS", round_in_integers)],
        _ => Vec::new(),
    }
}
