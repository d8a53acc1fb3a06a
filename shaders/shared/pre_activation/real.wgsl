// The pre-activations from sums of real products.

#import element

fn pre_activation_of(row: u32, sums: Acc4, column: Bias4) -> vec4<f32> {
    return sums + widen_bias(column);
}
