// The input of a layer is the pre-activations of the previous layer, in f32. They are quantized,
// dequantized, activated and quantized again as they are read. slot_in and the next slot hold the
// extremes of the pre-activations.
//
// The activations are monotone, so that the largest activated magnitude belongs to one of the extremes
// and need not be searched.

#import shared/params
#import element
#import shared/scale
#import shared/quantize_reference
#import shared/extremes
#import shared/activation

alias Input4 = vec4<f32>;

var<private> pre_activation_scale: f32;
var<private> input_scale: f32;

fn activated(pre_activation: vec4<f32>) -> vec4<f32> {
    return activation_of(BEFORE, quantize(pre_activation, pre_activation_scale) * pre_activation_scale);
}

fn begin_input() {
    let top = unordered(atomicLoad(&maxima[params.slot_in]));
    let bottom = -unordered(atomicLoad(&maxima[params.slot_in + 1u]));
    pre_activation_scale = scale_from(max(top, -bottom));
    let ends = abs(activated(vec4<f32>(top, bottom, top, bottom)));
    input_scale = scale_from(max(ends.x, ends.y));
}

fn input_value(pre_activation: Input4) -> Value4 {
    return as_value(quantize(activated(pre_activation), input_scale));
}
