// float16 as a fused kernel sees it that computes in the f16 type: products in f16, sums in f32, for
// GPUs that multiply f16 faster. A product is rounded to f16, and one beyond 65504 is infinite, which
// the other kernels' are not; so nothing chooses it but the user.

alias Packed = mat4x4<f16>;     // a block of weights: a column for each inner value
alias Block = mat4x4<f16>;

fn open_block(block: Packed) -> Block {
    return block;
}

fn multiply_add(acc: Acc4, x: Value4, w: Block) -> Acc4 {
    let first = vec4<f32>(x.x * w[0]) + vec4<f32>(x.y * w[1]);
    let second = vec4<f32>(x.z * w[2]) + vec4<f32>(x.w * w[3]);
    return acc + (first + second);
}
