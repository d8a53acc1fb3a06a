// The element type f16 in fused kernels that multiply in f32.

#import shared/rounding/f16
#import shared/values/halves
#import shared/multiply_f32

fn widen(words: Stored4) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
}

// `value` as it is after being stored. Rounding is always in integers: some drivers (lavapipe of Mesa 26)
// remove a conversion to f16 and back.
fn as_stored(value: vec4<f32>) -> vec4<f32> {
    return round_to_f16(value);
}
