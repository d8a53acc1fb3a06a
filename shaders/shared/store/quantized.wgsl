// Outputs of a layer are quantized to int8 with a static scale.

#import shared/params
#import shared/quantize

alias Output4 = u32;

fn stored(value: vec4<f32>) -> Output4 {
    return pack(quantize_static(value, params.out_inverse, params.out_zero));
}
