// Quantization of the reference scheme in fused kernels. Quantized values are whole numbers in f32
// until they are packed.

#import shared/params
#import shared/exact

fn quantize(value: vec4<f32>, scale: f32) -> vec4<f32> {
    let limit = vec4<f32>(params.clip);
    return clamp(rounded_quotient(value, scale), -limit, limit);
}

// Pixels are quantized in fine steps, STEPS to one step of the quantized values.
const STEPS = 1024.0;

// Fine steps of one unit of a pixel, where `largest` is the largest byte of the batch, at least 1.
fn steps_of_pixel(largest: f32) -> f32 {
    return params.clip * STEPS / largest;
}

// The quantized values of four pixels: round-half-even(clip · p / largest). First a quotient is rounded to fine steps,
// which takes away the error of the division: it is below a tenth of a step. A tie is a whole number of steps, and all
// other quotients are two steps or more away from a tie, because 2 · largest ≤ 510. So the second rounding is right.
fn quantize_pixels(word: u32, steps: f32) -> vec4<f32> {
    let bytes = vec4<f32>((vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u));
    return round(round(bytes * steps) * (1.0 / STEPS));
}
