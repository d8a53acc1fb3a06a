// Rounding to binary16 in integer arithmetic, the same on every driver.

// The f32 that is nearest to `value` among the binary16 numbers. Up to 2^-14 they are multiples of
// 2^-24; above, 13 of f32's mantissa bits go, and a carry into the exponent is right as it is.
fn round_to_f16(value: vec4<f32>) -> vec4<f32> {
    let bits = bitcast<vec4<u32>>(value);
    let odd = (bits >> vec4<u32>(13u)) & vec4<u32>(1u);
    let normal = bitcast<vec4<f32>>((bits + vec4<u32>(0xfffu) + odd) & vec4<u32>(0xffffe000u));
    let small = round(value * 16777216.0) / 16777216.0;
    return select(normal, small, abs(value) < vec4<f32>(0.00006103515625));
}
