// The element type f32 in fused kernels.

#import shared/values/f32
#import shared/multiply_f32

alias Packed = mat4x4<f32>;     // a block of weights, as stored: a column for each inner value
alias Block = mat4x4<f32>;      // a block of weights, as multiplied
alias Slice = vec4<f32>;        // the part of a block that a lane loads for others

const SLICE_ROWS = 1u;          // inner values in a slice

fn open_block(block: Packed) -> Block {
    return block;
}

// The weights of four outputs for inner value `row` of a slice.
fn slice_row(slice: Slice, row: u32) -> vec4<f32> {
    return slice;
}
