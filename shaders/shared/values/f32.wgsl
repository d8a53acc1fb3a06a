// Values and biases that are stored as f32: those of f32 and int4.

alias Stored4 = vec4<f32>;      // four values of a layer's input or output, as stored
alias Value4 = vec4<f32>;       // four values along the inner dimension, as multiplied
alias Acc4 = vec4<f32>;         // sums of four outputs
alias Bias4 = vec4<f32>;

fn widen(value: Stored4) -> vec4<f32> {
    return value;
}

// Numbers of the precision, ready to be multiplied.
fn to_value(value: vec4<f32>) -> Value4 {
    return value;
}

fn as_stored(value: vec4<f32>) -> vec4<f32> {
    return value;
}

fn widen_bias(value: Bias4) -> vec4<f32> {
    return value;
}
