// The weights of float32 as a fused kernel sees them.

alias Packed = mat4x4<f32>;     // a block of weights as it is stored: a column for each inner value
alias Block = mat4x4<f32>;      // the same, ready to be multiplied
alias Slice = vec4<f32>;        // a part of a block as a lane loads it for others

const SLICE_ROWS = 1u;          // inner values in a slice

fn open_block(block: Packed) -> Block {
    return block;
}

// The weights of four outputs for inner value `row` of a slice.
fn slice_row(slice: Slice, row: u32) -> vec4<f32> {
    return slice;
}
