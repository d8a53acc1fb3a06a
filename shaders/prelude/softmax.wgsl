// What every softmax needs.

// The lowest f32: padding never is the largest beside it.
const LOWEST = -3.4028234e38;

// A term of a softmax, before it is divided by their sum. Clamped: the difference may leave f32, and
// exp of -104 is zero already.
fn softmax_term(z: vec4<f32>, largest: f32) -> vec4<f32> {
    return exp(max(z - largest, vec4<f32>(-104.0)));
}
