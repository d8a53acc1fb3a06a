// The pre-activations where each row of the input has its own scale. The scales are stored behind the
// quantized values of all rows.

#import shared/params
#import element
#import shared/pre_activation/int8

fn row_scale_of(row: u32) -> f32 {
    return bitcast<f32>(x[params.rows * params.inner + min(row, params.rows - 1u)]);
}

fn pre_activation_of(row_scale: f32, sums: Acc4, column: Bias4) -> vec4<f32> {
    return scaled(sums, column, row_scale);
}
