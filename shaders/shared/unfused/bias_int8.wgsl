// The bias of int8 is f32. It is added after the sums are multiplied by their scale.

#import shared/params
#import element
#import shared/scale
#import shared/pre_activation/scaled

alias Bias4 = vec4<f32>;

@group(0) @binding(4) var<storage, read> maxima: array<u32>;

fn with_bias(sums: Acc4, value: Bias4) -> vec4<f32> {
    return scaled_sums(sums, scale_of(maxima[params.slot_in]), vec4<f32>(params.weight_scale), value);
}
