// The pre-activations where each row of the input has its own scale. The scales are stored behind the
// quantized values of all rows.

#import shared/params
#import element
#import shared/pre_activation/int8

fn pre_activation_of(row: u32, sums: Acc4, column: Bias4) -> vec4<f32> {
    let at = params.rows * params.inner + min(row, params.rows - 1u);
    return scaled(sums, column, bitcast<f32>(x[at]));
}
