// The element type f16 in fused kernels that multiply in the f16 type and add in f32, for GPUs that
// multiply f16 faster. A product is rounded to f16; beyond 65504 it is infinite, and in the other
// kernels it is not. So these kernels run only on request.

#import shared/values/f16_native

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
