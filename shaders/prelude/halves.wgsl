// What f16 and bfloat16 share as fused kernels see them: two values a word, computed in f32. Loads of whole
// words are cheaper than those of 16 bits on software adapters.

alias Stored4 = vec2<u32>;      // four values of a layer's input or output
alias Value4 = vec4<f32>;       // four values along the inner dimension, ready to be multiplied
alias Acc4 = vec4<f32>;         // sums of four outputs
alias Block = mat4x4<f32>;      // weights of four inner values by four outputs
alias Slice = vec4<u32>;        // a part of a block as a lane loads it for others
alias Bias4 = vec2<u32>;

// A block of weights as it is stored.
struct Packed {
    low: vec4<u32>,             // the first two inner values, four outputs each
    high: vec4<u32>,            // the last two
}

const SLICE_ROWS = 2u;          // inner values in a slice

// Numbers of the precision, ready to be multiplied.
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
