// The element type bfloat16 in unfused kernels: stored as the upper halves of f32 numbers, two in a
// word.

#import shared/rounding/bf16

alias Elem4 = vec2<u32>;

fn narrow(value: vec4<f32>) -> Elem4 {
    let bits = bitcast<vec4<u32>>(round_to_bf16(value));
    return (bits.xz >> vec2<u32>(16u)) | (bits.yw & vec2<u32>(0xffff0000u));
}
