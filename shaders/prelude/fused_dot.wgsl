// int8 as a fused kernel sees it on adapters with a packed dot product: codes four a word, summed in
// exact int32.

alias Value4 = u32;             // four codes along the inner dimension
alias Acc4 = vec4<i32>;         // sums of four outputs
alias Packed = vec4<u32>;       // a block of weights: a word of four inner codes for each of four outputs
alias Block = vec4<u32>;

fn as_value(codes: vec4<f32>) -> Value4 {
    let bytes = (vec4<u32>(vec4<i32>(codes)) & vec4<u32>(255u)) << vec4<u32>(0u, 8u, 16u, 24u);
    return bytes.x | bytes.y | bytes.z | bytes.w;
}

// The codes of a word, ready to be multiplied.
fn open_codes(word: u32) -> Value4 {
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
