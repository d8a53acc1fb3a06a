// A layer's input are f32 values, quantized as they are read. slot_in has their largest magnitude.

alias Input4 = vec4<f32>;

var<private> input_scale: f32;

fn begin() {
    input_scale = scale_of(atomicLoad(&maxima[params.slot_in]));
}

fn input_value(value: Input4) -> Value4 {
    return as_value(quantize(value, input_scale));
}
