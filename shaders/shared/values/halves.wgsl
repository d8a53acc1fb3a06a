// Values, biases and weights of f16 and bfloat16 in fused kernels: stored as two values in a word and
// multiplied in f32. On software adapters, loading whole words is cheaper than loading 16-bit values.
//
// The element type declares `widen`.

#import element

alias Stored4 = vec2<u32>;      // four values of a layer's input or output, as stored
alias Value4 = vec4<f32>;       // four values along the inner dimension, as multiplied
alias Acc4 = vec4<f32>;         // sums of four outputs
alias Block = mat4x4<f32>;      // weights of four inner values by four outputs
alias Slice = vec4<u32>;        // the part of a block that a lane loads for others
alias Bias4 = vec2<u32>;

// A block of weights, as stored.
struct Packed {
    low: vec4<u32>,             // the first two inner values, four outputs each
    high: vec4<u32>,            // the last two
}

const SLICE_ROWS = 2u;          // inner values in a slice

// Values that are rounded to the precision, as multiplied.
fn to_value(value: vec4<f32>) -> Value4 {
    return value;
}

fn widen_bias(words: Bias4) -> vec4<f32> {
    return widen(words);
}

fn open_block(block: Packed) -> Block {
    return Block(widen(block.low.xy), widen(block.low.zw), widen(block.high.xy), widen(block.high.zw));
}

// The weights of four outputs for inner value `row` of a slice.
fn slice_row(slice: Slice, row: u32) -> vec4<f32> {
    if row == 0u {
        return widen(slice.xy);
    }
    return widen(slice.zw);
}
