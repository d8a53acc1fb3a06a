// The element type int8 in fused kernels without a packed dot product. Quantized values are stored as
// four in a word and multiplied in f32. Their products and sums are whole numbers, exact in f32 as
// long as they stay below 2^24: the plan uses these kernels only where inner · clip² does.

#import shared/multiply_f32

alias Value4 = vec4<f32>;       // four quantized values along the inner dimension
alias Acc4 = vec4<f32>;         // sums of four outputs, whole numbers
alias Packed = vec4<u32>;       // a block of weights, as stored: a word of four inner values for each of four outputs
alias Block = mat4x4<f32>;      // a block of weights, as multiplied: a column for each inner value
alias Slice = vec4<u32>;        // a whole block

const SLICE_ROWS = 4u;          // inner values in a slice

fn as_value(quantized: vec4<f32>) -> Value4 {
    return quantized;
}

// The quantized values in a word, as multiplied.
fn open_quantized(word: u32) -> Value4 {
    let bytes = vec4<i32>(vec4<u32>(word) << vec4<u32>(24u, 16u, 8u, 0u));
    return vec4<f32>(bytes >> vec4<u32>(24u));
}

fn open_block(block: Packed) -> Block {
    return Block(slice_row(block, 0u), slice_row(block, 1u), slice_row(block, 2u), slice_row(block, 3u));
}

// The weights of four outputs for inner value `row` of a slice. Shifting a byte to the top of its word and
// back extends its sign.
fn slice_row(slice: Slice, row: u32) -> vec4<f32> {
    let bytes = vec4<i32>(slice << vec4<u32>(24u - 8u * row));
    return vec4<f32>(bytes >> vec4<u32>(24u));
}
