// The input of a layer is f32 values. They are quantized by the reference scheme as they are read.
// slot_in holds their largest magnitude.

#import shared/params
#import element
#import shared/scale
#import shared/quantize_reference
#import shared/extremes

alias Input4 = vec4<f32>;

var<private> input_scale: f32;

fn begin_input() {
    input_scale = scale_of(atomicLoad(&maxima[params.slot_in]));
}

fn input_value(value: Input4) -> Value4 {
    return as_value(quantize(value, input_scale));
}
