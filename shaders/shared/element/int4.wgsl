// The element type int4 in fused kernels. Weights are stored as eight quantized values in a word; each
// block of four by four has a scale for each column. They are multiplied in f32.

#import shared/values/f32
#import shared/multiply_f32

alias Packed = vec2<u32>;       // quantized weights of four inner values by four outputs, or four f16 scales
alias Block = mat4x4<f32>;      // weights, as multiplied: a column for each inner value

// The block that a lane loads for others.
struct Slice {
    quantized: vec2<u32>,
    scales: vec2<u32>,
}

const SLICE_ROWS = 4u;          // inner values in a slice

fn scales_of(words: vec2<u32>) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
}

// The quantized weights of four outputs for inner value `row` of a block. A word has two rows. Shifting
// a value to the top of its word and back extends its sign.
fn row_of(quantized: vec2<u32>, row: u32) -> vec4<f32> {
    let word = select(quantized.x, quantized.y, row >= 2u) >> (16u * (row % 2u));
    let nibbles = vec4<i32>(vec4<u32>(word) << vec4<u32>(28u, 24u, 20u, 16u));
    return vec4<f32>(nibbles >> vec4<u32>(28u));
}

fn open_block(quantized: Packed, scales: Packed) -> Block {
    let scale = scales_of(scales);
    return Block(
        row_of(quantized, 0u) * scale,
        row_of(quantized, 1u) * scale,
        row_of(quantized, 2u) * scale,
        row_of(quantized, 3u) * scale,
    );
}

// The weights of four outputs for inner value `row` of a slice.
fn slice_row(slice: Slice, row: u32) -> vec4<f32> {
    return row_of(slice.quantized, row) * scales_of(slice.scales);
}
