// Quantization of the reference scheme in fused kernels. Quantized values are whole numbers in f32
// until they are packed.

#import shared/params
#import shared/exact

fn quantize(value: vec4<f32>, scale: f32) -> vec4<f32> {
    let limit = vec4<f32>(params.clip);
    return clamp(rounded_quotient(value, scale), -limit, limit);
}

// The quantized values of four pixels: round-half-even(clip · p / largest). The rounding is decided in
// whole numbers, which f32 represents exactly. A quotient of whole numbers is either whole, or at least
// 1 / largest away from a whole number. With one half added to the numerator, no rounding error of the
// division crosses a whole number.
fn quantize_pixels(word: u32, largest: f32) -> vec4<f32> {
    let bytes = vec4<f32>((vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u));
    let scaled = params.clip * bytes;
    let below = floor((scaled + 0.5) / largest);
    let twice = 2.0 * (scaled - below * largest);
    let odd = below - 2.0 * floor(0.5 * below);
    let up = select(vec4<f32>(), vec4<f32>(1.0), twice > vec4<f32>(largest));
    return below + select(up, odd, twice == vec4<f32>(largest));
}
