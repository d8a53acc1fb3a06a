// The bias of f32 and f16 is stored like their weights.

#import element

alias Bias4 = Elem4;

fn widen_bias(value: Bias4) -> vec4<f32> {
    return widen(value);
}
