// A layer's input are pixels, quantized as they are read. slot_in has the batch's largest byte.

alias Input4 = u32;

var<private> largest: f32;      // the batch's largest byte, at least 1
var<private> input_scale: f32;

fn begin() {
    let byte = f32(atomicLoad(&maxima[params.slot_in]));
    largest = max(byte, 1.0);
    input_scale = scale_from(byte / 255.0);
}

fn input_value(word: Input4) -> Value4 {
    return as_value(pixel_codes(word, largest));
}
