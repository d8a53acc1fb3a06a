// Outputs of a layer are stored as f16. They are rounded in integers first, because WGSL leaves the
// rounding of the packing open; after that, the packing rounds nothing.

#import shared/rounding/f16

alias Output4 = vec2<u32>;

fn stored(value: vec4<f32>) -> Output4 {
    let rounded = round_to_f16(value);
    return vec2<u32>(pack2x16float(rounded.xy), pack2x16float(rounded.zw));
}
