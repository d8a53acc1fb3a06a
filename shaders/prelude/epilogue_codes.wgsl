// z of exact sums of int8 codes, outside the reference scheme. The host's twin is `deploy::Epilogue`.

// What a group of four columns needs.
struct Bias4 {
    scale: vec4<f32>,   // of the weights; where the input's scale is static, the product of both
    bias: vec4<f32>,    // zero where the input's scale is static: then it is in the offset
    offset: vec4<i32>,  // makes up for the input's zero point
    unused: vec4<i32>,  // the host lays groups at multiples of 64 bytes
}

// With a static scale `scale` is 1 and the bias 0, so that nothing is rounded but the conversion and one
// product, whatever a driver contracts.
fn scaled(sums: Acc4, column: Bias4, scale: f32) -> vec4<f32> {
    let whole = vec4<i32>(sums) + column.offset;
    return vec4<f32>(whole) * (scale * column.scale) + column.bias;
}
