// Values and biases of float16 in kernels for matrix units, which multiply numbers of the f16 type.

enable f16;

#import shared/rounding/f16

alias Stored4 = vec4<f16>;      // four values of a layer's input or output, as stored
alias Value4 = vec4<f16>;       // four values along the inner dimension, as multiplied
alias Acc4 = vec4<f32>;         // sums of four outputs
alias Bias4 = vec4<f16>;

fn widen(value: Stored4) -> Value4 {
    return value;
}

// Values that are rounded to the precision, as multiplied.
fn to_value(value: vec4<f32>) -> Value4 {
    return Value4(value);
}

// `value` as it is after being stored. Rounding is always in integers: some drivers (lavapipe of Mesa 26)
// remove a conversion to f16 and back.
fn as_stored(value: vec4<f32>) -> vec4<f32> {
    return round_to_f16(value);
}

fn widen_bias(value: Bias4) -> vec4<f32> {
    return vec4<f32>(value);
}
