// What is handed on is stored as f16, by kernels that know the type. It has been rounded in integers first,
// so that the conversion, whose rounding WGSL leaves open, has nothing left to round.

alias Output4 = vec4<f16>;

fn stored(value: vec4<f32>) -> Output4 {
    return Output4(round_to_f16(value));
}
