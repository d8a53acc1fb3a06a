// Quantization to int8 in the schemes dynamic-row and static. Quantized values are whole numbers in
// f32 until they are packed, four in a word.

#import shared/params
#import shared/exact

fn pack(quantized: vec4<f32>) -> u32 {
    let bytes = (vec4<u32>(vec4<i32>(quantized)) & vec4<u32>(255u)) << vec4<u32>(0u, 8u, 16u, 24u);
    return bytes.x | bytes.y | bytes.z | bytes.w;
}

// Quantizes with a static scale. Values are multiplied by its inverse: every driver rounds a product to the
// same number, and WGSL does not promise that for a quotient.
fn quantize_static(value: vec4<f32>, inverse: f32, zero: f32) -> vec4<f32> {
    return clamp(round(value * inverse) + zero, vec4<f32>(-128.0), vec4<f32>(127.0));
}

// Number of steps from zero to a row's largest magnitude. A zero point below zero means that all values are
// positive; it is then the lowest quantized value.
fn levels_of(zero: f32) -> f32 {
    return select(params.clip, -2.0 * zero - 1.0, zero < 0.0);
}

// The scale of a row from its largest magnitude.
fn row_scale_from(largest: f32, levels: f32) -> f32 {
    return usable_or_one(divided(largest, u32(levels)));
}

// Quantizes with the scale of a row.
fn quantize_row(value: vec4<f32>, scale: f32, zero: f32) -> vec4<f32> {
    let levels = levels_of(zero);
    let low = select(-levels, 0.0, zero < 0.0);
    return clamp(rounded_quotient(value, scale), vec4<f32>(low), vec4<f32>(levels)) + zero;
}
