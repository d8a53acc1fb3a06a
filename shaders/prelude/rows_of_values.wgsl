// A row of f32 values on its way to codes.

alias Input4 = vec4<f32>;

fn largest_in(value: Input4) -> f32 {
    let magnitude = abs(value);
    return max(max(magnitude.x, magnitude.y), max(magnitude.z, magnitude.w));
}

fn scale_of_row(largest: f32) -> f32 {
    return row_scale_from(largest, levels_of(params.out_zero));
}

fn codes_in(value: Input4, largest: f32, scale: f32) -> vec4<f32> {
    return row_codes(value, scale, params.out_zero);
}
