// Rounding to bfloat16 in integer arithmetic, with the same result on every driver.

// The bfloat16 number nearest to `value`, as f32; ties go to even. 16 bits of the mantissa are rounded off;
// a carry into the exponent gives the right number.
fn round_to_bf16(value: vec4<f32>) -> vec4<f32> {
    let bits = bitcast<vec4<u32>>(value);
    let odd = (bits >> vec4<u32>(16u)) & vec4<u32>(1u);
    return bitcast<vec4<f32>>((bits + vec4<u32>(0x7fffu) + odd) & vec4<u32>(0xffff0000u));
}
