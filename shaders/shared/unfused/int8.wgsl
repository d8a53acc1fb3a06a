// The element type int8 in unfused kernels: four quantized values in a word along the inner dimension,
// summed in exact int32.

requires packed_4x8_integer_dot_product;

alias Inner4 = u32;           // four quantized values along the inner dimension
alias Block = vec4<u32>;      // a word of four inner values for each of four outputs
alias Acc4 = vec4<i32>;

fn multiply_add(acc: Acc4, x: Inner4, w: Block) -> Acc4 {
    return acc + vec4<i32>(
        dot4I8Packed(x, w.x),
        dot4I8Packed(x, w.y),
        dot4I8Packed(x, w.z),
        dot4I8Packed(x, w.w),
    );
}
