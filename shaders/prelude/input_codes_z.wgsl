// A layer's input is the z of the layer before, in f32: quantized, dequantized, activated and
// quantized again as it is read. slot_in and the slot after it have the extremes of z.
//
// The largest magnitude of the activated values needs no search: the activations are monotone, so
// that it belongs to one of the extremes.

alias Input4 = vec4<f32>;

var<private> z_scale: f32;
var<private> input_scale: f32;

fn activated(z: vec4<f32>) -> vec4<f32> {
    return activation_of(BEFORE, quantize(z, z_scale) * z_scale);
}

fn begin() {
    let top = unordered(atomicLoad(&maxima[params.slot_in]));
    let bottom = -unordered(atomicLoad(&maxima[params.slot_in + 1u]));
    z_scale = scale_from(max(top, -bottom));
    let ends = abs(activated(vec4<f32>(top, bottom, top, bottom)));
    input_scale = scale_from(max(ends.x, ends.y));
}

fn input_value(z: Input4) -> Value4 {
    return as_value(quantize(activated(z), input_scale));
}
