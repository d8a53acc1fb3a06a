// float16 as a fused kernel sees it that multiplies numbers of the f16 type: how they are stored.

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

fn narrow(value: vec4<f32>) -> Stored4 {
    return Stored4(round_to_f16(value));
}

fn widen_bias(value: Bias4) -> vec4<f32> {
    return vec4<f32>(value);
}
