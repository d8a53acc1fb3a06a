// What every softmax needs.

// The lowest f32. Padding with this value is never the largest.
const LOWEST = -3.4028234e38;

// A term of a softmax, before the division by the sum of all terms. The difference is clamped, because
// it may exceed the range of f32; exp(-104) is already zero.
fn softmax_term(pre_activation: vec4<f32>, largest: f32) -> vec4<f32> {
    return exp(max(pre_activation - largest, vec4<f32>(-104.0)));
}
