// Outputs of a layer are stored as bfloat16: the upper halves of f32 numbers.

#import shared/rounding/bf16

alias Output4 = vec2<u32>;

fn stored(value: vec4<f32>) -> Output4 {
    let bits = bitcast<vec4<u32>>(round_to_bf16(value));
    return (bits.xz >> vec2<u32>(16u)) | (bits.yw & vec2<u32>(0xffff0000u));
}
