// The elementwise activations: 0 relu, 1 sigmoid, 2 tanh, 3 identity. Any other number is identity: 4, softmax,
// follows when a whole row is known.

fn activation_of(which: u32, value: vec4<f32>) -> vec4<f32> {
    // The arguments are clamped where the function has reached its limit: exp and tanh of some drivers
    // give infinity or NaN for large arguments.
    switch which {
        case 0u: { return max(value, vec4<f32>()); }
        case 1u: { return 1.0 / (1.0 + exp(-clamp(value, vec4<f32>(-88.0), vec4<f32>(88.0)))); }
        case 2u: { return tanh(clamp(value, vec4<f32>(-10.0), vec4<f32>(10.0))); }
        default: { return value; }
    }
}
