// float32 as a fused kernel sees it.

alias Stored4 = vec4<f32>;      // four values of a layer's input or output
alias Value4 = vec4<f32>;       // four values along the inner dimension, ready to be multiplied
alias Acc4 = vec4<f32>;         // sums of four outputs
alias Packed = mat4x4<f32>;     // a block of weights as it is stored: a column for each inner value
alias Block = mat4x4<f32>;      // the same, ready to be multiplied
alias Slice = vec4<f32>;        // a part of a block as a lane loads it for others
alias Bias4 = vec4<f32>;

const SLICE_ROWS = 1u;          // inner values in a slice

fn widen(value: Stored4) -> vec4<f32> {
    return value;
}

// Numbers of the precision, ready to be multiplied.
fn to_value(value: vec4<f32>) -> Value4 {
    return value;
}

fn as_stored(value: vec4<f32>) -> vec4<f32> {
    return value;
}

fn widen_bias(value: Bias4) -> vec4<f32> {
    return value;
}

fn open_block(block: Packed) -> Block {
    return block;
}

// The weights of four outputs for inner value `row` of a slice.
fn slice_row(slice: Slice, row: u32) -> vec4<f32> {
    return slice;
}
