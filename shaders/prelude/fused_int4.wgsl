// The weights of int4 as a fused kernel sees them: codes eight a word in memory, each four by four with a
// scale for each column, multiplied as f32 numbers.

alias Packed = vec2<u32>;       // codes of four inner values by four outputs, or four scales in f16
alias Block = mat4x4<f32>;      // weights: a column for each inner value

// A block as a lane loads it for others.
struct Slice {
    codes: vec2<u32>,
    scales: vec2<u32>,
}

const SLICE_ROWS = 4u;          // inner values in a slice

fn scales_of(words: vec2<u32>) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
}

// The codes of four outputs for inner value `row` of a block, two to a word: each is shifted to the top of
// its word and back, which extends its sign.
fn row_of(codes: vec2<u32>, row: u32) -> vec4<f32> {
    let word = select(codes.x, codes.y, row >= 2u) >> (16u * (row % 2u));
    let nibbles = vec4<i32>(vec4<u32>(word) << vec4<u32>(28u, 24u, 20u, 16u));
    return vec4<f32>(nibbles >> vec4<u32>(28u));
}

fn open_block(codes: Packed, scales: Packed) -> Block {
    let scale = scales_of(scales);
    return Block(
        row_of(codes, 0u) * scale,
        row_of(codes, 1u) * scale,
        row_of(codes, 2u) * scale,
        row_of(codes, 3u) * scale,
    );
}

// The weights of four outputs for inner value `row` of a slice.
fn slice_row(slice: Slice, row: u32) -> vec4<f32> {
    return row_of(slice.codes, row) * scales_of(slice.scales);
}
