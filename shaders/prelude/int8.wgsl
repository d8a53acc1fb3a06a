// int8: codes packed four to a word along the inner dimension, summed in exact int32.

alias Inner4 = u32;           // four codes along the inner dimension
alias Block = vec4<u32>;      // a word for each of four outputs, of four inner codes
alias Acc4 = vec4<i32>;

fn multiply_add(acc: Acc4, x: Inner4, w: Block) -> Acc4 {
    return acc + vec4<i32>(
        dot4I8Packed(x, w.x),
        dot4I8Packed(x, w.y),
        dot4I8Packed(x, w.z),
        dot4I8Packed(x, w.w),
    );
}
