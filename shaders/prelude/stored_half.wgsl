// float16 as kernels for matrix units see it, which multiply numbers of the f16 type.

alias Stored4 = vec4<f16>;      // four values of a layer's input or output
alias Value4 = vec4<f16>;       // four values along the inner dimension, ready to be multiplied
alias Acc4 = vec4<f32>;         // sums of four outputs
alias Bias4 = vec4<f16>;

fn widen(value: Stored4) -> Value4 {
    return value;
}

// Numbers of the precision, ready to be multiplied.
fn to_value(value: vec4<f32>) -> Value4 {
    return Value4(value);
}

// The value as it would be after being stored. Always in integers: some drivers (lavapipe of Mesa 26)
// take a conversion to f16 and back for one that changes nothing.
fn as_stored(value: vec4<f32>) -> vec4<f32> {
    return round_to_f16(value);
}

fn widen_bias(value: Bias4) -> vec4<f32> {
    return vec4<f32>(value);
}
