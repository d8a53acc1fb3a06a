// Rounding to binary16 in integer arithmetic, with the same result on every driver.

// The binary16 number nearest to `value`, as f32; ties go to even. Below 2^-14, binary16 numbers are
// multiples of 2^-24. Above, 13 bits of the f32 mantissa are rounded off; a carry into the exponent gives
// the right number.
fn round_to_f16(value: vec4<f32>) -> vec4<f32> {
    let bits = bitcast<vec4<u32>>(value);
    let odd = (bits >> vec4<u32>(13u)) & vec4<u32>(1u);
    let normal = bitcast<vec4<f32>>((bits + vec4<u32>(0xfffu) + odd) & vec4<u32>(0xffffe000u));
    let small = round(value * 16777216.0) / 16777216.0;
    return select(normal, small, abs(value) < vec4<f32>(0.00006103515625));
}
