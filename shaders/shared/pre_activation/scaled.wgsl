// sums · (input_scale · weight_scale) + bias of int8, to the same bits on every driver. WGSL lets a driver contract a
// product and a sum, and reorder factors.

#import shared/params

// `value`, rounded to f32. No driver can move an operation past it, because it does not know that
// params.zero is 0.
fn settled(value: vec4<f32>) -> vec4<f32> {
    return bitcast<vec4<f32>>(bitcast<vec4<u32>>(value) ^ vec4<u32>(params.zero));
}

// The nearest f32. A driver may round the conversion of a number beyond 2^24 in any direction. Both halves
// convert exactly, the product is exact, and their sum is rounded to nearest.
fn nearest(whole: vec4<i32>) -> vec4<f32> {
    return vec4<f32>(whole >> vec4<u32>(12u)) * 4096.0 + vec4<f32>(whole & vec4<i32>(4095));
}

// All is in one function, so that a test that contracts and reorders within functions meets it.
fn scaled_sums(sums: vec4<i32>, input_scale: f32, weight_scale: vec4<f32>, bias: vec4<f32>) -> vec4<f32> {
    return settled(nearest(sums) * settled(input_scale * weight_scale)) + bias;
}
