// z where each row of the input has a scale of its own: they lie behind the codes of all rows.

fn z_of(row: u32, sums: Acc4, column: Bias4) -> vec4<f32> {
    let at = params.rows * params.inner + min(row, params.rows - 1u);
    return scaled(sums, column, bitcast<f32>(x[at]));
}
