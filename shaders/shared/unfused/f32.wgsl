// The element type f32 in unfused kernels: stored, multiplied and added as f32.

alias Elem4 = vec4<f32>;      // four stored values
alias Inner4 = vec4<f32>;     // four values along the inner dimension
alias Block = mat4x4<f32>;    // weights of four inner values (columns of the type) by four outputs
alias Acc4 = vec4<f32>;       // sums of four outputs

fn widen(value: Elem4) -> vec4<f32> {
    return value;
}

fn narrow(value: vec4<f32>) -> Elem4 {
    return value;
}

// `value` as it is after being stored.
fn as_stored(value: vec4<f32>) -> vec4<f32> {
    return value;
}

fn multiply_add(acc: Acc4, x: Inner4, w: Block) -> Acc4 {
    var sum = fma(vec4<f32>(x.x), w[0], acc);
    sum = fma(vec4<f32>(x.y), w[1], sum);
    sum = fma(vec4<f32>(x.z), w[2], sum);
    return fma(vec4<f32>(x.w), w[3], sum);
}
