// int8 codes outside the reference scheme: whole numbers in f32 until they are packed, four a word.

fn packed(codes: vec4<f32>) -> u32 {
    let bytes = (vec4<u32>(vec4<i32>(codes)) & vec4<u32>(255u)) << vec4<u32>(0u, 8u, 16u, 24u);
    return bytes.x | bytes.y | bytes.z | bytes.w;
}

// Codes with a known scale, by whose inverse values are multiplied: a product is rounded alike everywhere,
// which WGSL does not promise of a quotient.
fn static_codes(value: vec4<f32>, inverse: f32, zero: f32) -> vec4<f32> {
    return clamp(round(value * inverse) + zero, vec4<f32>(-128.0), vec4<f32>(127.0));
}

// Steps from zero to a row's largest magnitude. The zero point tells whether all values are positive: then
// it is the lowest code.
fn levels_of(zero: f32) -> f32 {
    return select(params.clip, -2.0 * zero - 1.0, zero < 0.0);
}

// The scale of a row from its largest magnitude.
fn row_scale_from(largest: f32, levels: f32) -> f32 {
    let scale = largest / levels;
    return select(1.0, scale, scale > 0.0);
}

// Codes with the scale of a row.
fn row_codes(value: vec4<f32>, scale: f32, zero: f32) -> vec4<f32> {
    let levels = levels_of(zero);
    let low = select(-levels, 0.0, zero < 0.0);
    return clamp(round(value / scale), vec4<f32>(low), vec4<f32>(levels)) + zero;
}
