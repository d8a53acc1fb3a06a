// A row of pixels / 255 on its way to codes, in exact integers.

alias Input4 = u32;

fn largest_in(word: Input4) -> f32 {
    let bytes = (vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u);
    return f32(max(max(bytes.x, bytes.y), max(bytes.z, bytes.w)));
}

fn scale_of_row(largest: f32) -> f32 {
    return row_scale_from(largest / 255.0, levels_of(params.out_zero));
}

fn codes_in(word: Input4, largest: f32, scale: f32) -> vec4<f32> {
    return pixel_codes(word, max(largest, 1.0), levels_of(params.out_zero)) + params.out_zero;
}
