// z of sums of real products.

fn z_of(row: u32, sums: Acc4, column: Bias4) -> vec4<f32> {
    return sums + widen_bias(column);
}
