// The input of a layer is pixels. They are quantized by the reference scheme as they are read. slot_in
// holds the largest byte of the batch.

#import shared/params
#import element
#import shared/exact
#import shared/scale
#import shared/quantize_reference
#import shared/extremes

alias Input4 = u32;

var<private> pixel_steps: f32;      // fine steps of one unit of a pixel
var<private> input_scale: f32;

fn begin_input() {
    let byte = f32(atomicLoad(&maxima[params.slot_in]));
    pixel_steps = steps_of_pixel(max(byte, 1.0));
    input_scale = scale_from(divided(byte, 255u));
}

fn input_value(word: Input4) -> Value4 {
    return as_value(quantize_pixels(word, pixel_steps));
}
