// The element type int8 in fused kernels on adapters with a packed dot product. Quantized values are
// stored as four in a word and summed in exact int32.

requires packed_4x8_integer_dot_product;

alias Value4 = u32;             // four quantized values along the inner dimension
alias Acc4 = vec4<i32>;         // sums of four outputs
alias Packed = vec4<u32>;       // a block of weights: a word of four inner values for each of four outputs
alias Block = vec4<u32>;
alias Slice = vec4<u32>;        // a whole block
alias Part = u32;               // four inner values, as kernels with tiles in workgroup memory multiply them
alias Row4 = vec4<u32>;         // the weights of four outputs for them

const SLICE_ROWS = 4u;          // inner values in a slice

fn as_value(quantized: vec4<f32>) -> Value4 {
    let bytes = (vec4<u32>(vec4<i32>(quantized)) & vec4<u32>(255u)) << vec4<u32>(0u, 8u, 16u, 24u);
    return bytes.x | bytes.y | bytes.z | bytes.w;
}

// The quantized values in a word, as multiplied.
fn open_quantized(word: u32) -> Value4 {
    return word;
}

fn open_block(block: Packed) -> Block {
    return block;
}

fn multiply_add(acc: Acc4, x: Value4, w: Block) -> Acc4 {
    return acc + vec4<i32>(
        dot4I8Packed(x, w.x),
        dot4I8Packed(x, w.y),
        dot4I8Packed(x, w.z),
        dot4I8Packed(x, w.w),
    );
}

fn part_of(value: Value4, part: u32) -> Part {
    return value;
}

fn slice_row(slice: Slice, part: u32) -> Row4 {
    return slice;
}

fn multiply_part(acc: Acc4, x: Part, w: Row4) -> Acc4 {
    return multiply_add(acc, x, w);
}
