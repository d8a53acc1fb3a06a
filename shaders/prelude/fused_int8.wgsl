// int8 as a fused kernel sees it: codes four a word in memory, multiplied as f32 numbers. Products
// of codes and their sums are whole numbers, exact in f32 as long as they stay below 2^24: the plan
// takes these kernels only where inner · clip² does.

alias Value4 = vec4<f32>;       // four codes along the inner dimension
alias Acc4 = vec4<f32>;         // sums of four outputs, whole numbers
alias Packed = vec4<u32>;       // a block of weights: a word of four inner codes for each of four outputs
alias Block = mat4x4<f32>;      // the same, a column for each inner value
alias Slice = vec4<u32>;        // a whole block

const SLICE_ROWS = 4u;          // inner values in a slice

fn as_value(codes: vec4<f32>) -> Value4 {
    return codes;
}

// The codes of a word, ready to be multiplied.
fn open_codes(word: u32) -> Value4 {
    let bytes = vec4<i32>(vec4<u32>(word) << vec4<u32>(24u, 16u, 8u, 0u));
    return vec4<f32>(bytes >> vec4<u32>(24u));
}

fn open_block(block: Packed) -> Block {
    return Block(slice_row(block, 0u), slice_row(block, 1u), slice_row(block, 2u), slice_row(block, 3u));
}

// The weights of four outputs for inner value `row` of a slice: the byte is shifted to the top of its
// word and back, which extends its sign.
fn slice_row(slice: Slice, row: u32) -> vec4<f32> {
    let bytes = vec4<i32>(slice << vec4<u32>(24u - 8u * row));
    return vec4<f32>(bytes >> vec4<u32>(24u));
}
