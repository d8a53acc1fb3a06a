// The bias of the reference scheme's int8: f32, added after the sums have been scaled.

alias Bias4 = vec4<f32>;

fn widen_bias(value: Bias4) -> vec4<f32> {
    return value;
}
