// What is handed on is stored as static codes.

alias Output4 = u32;

fn stored(value: vec4<f32>) -> Output4 {
    return packed(static_codes(value, params.out_inverse, params.out_zero));
}
