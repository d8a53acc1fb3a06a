// The pre-activations from exact sums of int8 products, outside the reference scheme. The host's
// counterpart is `quantize::Epilogue`.

#import element
#import shared/pre_activation/scaled
#import shared/rounding/none

// The parameters of a group of four columns.
struct Bias4 {
    scale: vec4<f32>,   // of the weights; with a static scale of the input, the product of both scales
    bias: vec4<f32>,    // zero with a static scale of the input: then the offset contains the bias
    offset: vec4<i32>,  // corrects for the zero point of the input
    unused: vec4<i32>,  // the host stores groups at multiples of 64 bytes
}

// With a static scale, `scale` is 1 and the bias is 0.
fn scaled(sums: Acc4, column: Bias4, scale: f32) -> vec4<f32> {
    return scaled_sums(vec4<i32>(sums) + column.offset, scale, column.scale, column.bias);
}
