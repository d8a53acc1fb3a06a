// The bias of int8 is f32. It is added after the sums are multiplied by their scale.

#import shared/params
#import element
#import shared/scale
#import shared/pre_activation/scaled

alias Bias4 = vec4<f32>;

@group(0) @binding(4) var<storage, read> maxima: array<u32>;

fn widen_bias(value: Bias4) -> vec4<f32> {
    return value;
}

fn rescale(sums: Acc4) -> vec4<f32> {
    return scaled_sums(sums, vec4<f32>(scale_of(maxima[params.slot_in]) * params.weight_scale));
}
