// What is handed on is stored as f16. It has been rounded in integers first, so that the packing, whose
// rounding WGSL leaves open, has nothing left to round.

alias Output4 = vec2<u32>;

fn stored(value: vec4<f32>) -> Output4 {
    let rounded = round_to_f16(value);
    return vec2<u32>(pack2x16float(rounded.xy), pack2x16float(rounded.zw));
}
