// Outputs of a network are rounded as the precision stores them, and stored as f32.

#import element

alias Output4 = vec4<f32>;

fn stored(value: vec4<f32>) -> Output4 {
    return as_stored(value);
}
