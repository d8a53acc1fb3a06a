// Outputs are stored as the precision stores values.

alias Output4 = Stored4;

fn stored(value: vec4<f32>) -> Output4 {
    return narrow(value);
}
