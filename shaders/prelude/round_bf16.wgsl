// Rounding to bfloat16 in integer arithmetic, the same on every driver.

// The f32 that is nearest to `value` among the bfloat16 numbers, ties to even: 16 of the mantissa's bits
// go, and a carry into the exponent is right as it is.
fn round_to_bf16(value: vec4<f32>) -> vec4<f32> {
    let bits = bitcast<vec4<u32>>(value);
    let odd = (bits >> vec4<u32>(16u)) & vec4<u32>(1u);
    return bitcast<vec4<f32>>((bits + vec4<u32>(0x7fffu) + odd) & vec4<u32>(0xffff0000u));
}
