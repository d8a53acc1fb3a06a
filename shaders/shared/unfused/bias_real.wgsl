// The bias of f32 and f16 is stored like their weights.

#import element

alias Bias4 = Elem4;

fn with_bias(sums: Acc4, value: Bias4) -> vec4<f32> {
    return sums + widen(value);
}
