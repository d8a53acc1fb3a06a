// Products in f32, four inner values by four outputs at a time.

#import element

fn multiply_add(acc: Acc4, x: Value4, w: Block) -> Acc4 {
    var sum = fma(vec4<f32>(x.x), w[0], acc);
    sum = fma(vec4<f32>(x.y), w[1], sum);
    sum = fma(vec4<f32>(x.z), w[2], sum);
    return fma(vec4<f32>(x.w), w[3], sum);
}
