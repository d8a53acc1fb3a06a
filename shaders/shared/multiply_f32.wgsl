// Products in f32, four inner values by four outputs at a time.

#import element

alias Part = f32;               // an inner value, as kernels with tiles in workgroup memory multiply it
alias Row4 = vec4<f32>;         // the weights of four outputs for it

fn part_of(value: Value4, part: u32) -> Part {
    return value[part];
}

fn multiply_part(acc: Acc4, x: Part, w: Row4) -> Acc4 {
    return fma(vec4<f32>(x), w, acc);
}

fn multiply_add(acc: Acc4, x: Value4, w: Block) -> Acc4 {
    var sum = fma(vec4<f32>(x.x), w[0], acc);
    sum = fma(vec4<f32>(x.y), w[1], sum);
    sum = fma(vec4<f32>(x.z), w[2], sum);
    return fma(vec4<f32>(x.w), w[3], sum);
}
