// The element type bfloat16, the upper half of f32, in fused kernels.

#import shared/rounding/bf16
#import shared/values/halves
#import shared/multiply_f32

fn widen(words: Stored4) -> vec4<f32> {
    let bits = vec4<u32>(words.x << 16u, words.x & 0xffff0000u, words.y << 16u, words.y & 0xffff0000u);
    return bitcast<vec4<f32>>(bits);
}

// `value` as it is after being stored.
fn as_stored(value: vec4<f32>) -> vec4<f32> {
    return round_to_bf16(value);
}
