// Outputs of a layer are stored as f16, by kernels that use the f16 type. They are rounded in integers
// first, because WGSL leaves the rounding of the conversion open; after that, the conversion rounds
// nothing.

enable f16;

#import shared/rounding/f16

alias Output4 = vec4<f16>;

fn stored(value: vec4<f32>) -> Output4 {
    return Output4(round_to_f16(value));
}
