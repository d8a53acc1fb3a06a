// The pre-activations of an int8 layer outside the reference scheme are not rounded.

fn as_stored(value: vec4<f32>) -> vec4<f32> {
    return value;
}
