// Outputs of a layer are stored as f32.

alias Output4 = vec4<f32>;

fn stored(value: vec4<f32>) -> Output4 {
    return value;
}
