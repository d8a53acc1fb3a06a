// The element type f16 in unfused kernels: stored as f16, multiplied and added in f32. Sums in f16
// overflow on real networks.

enable f16;

#import shared/rounding/f16

alias Elem4 = vec4<f16>;
alias Inner4 = vec4<f16>;
alias Block = mat4x4<f16>;
alias Acc4 = vec4<f32>;

fn widen(value: Elem4) -> vec4<f32> {
    return vec4<f32>(value);
}

// The nearest binary16 number; ties go to even. WGSL leaves the rounding of the conversion to the driver.
// The host sets ROUND_IN_INTEGERS for a driver that rounds differently.
fn narrow(value: vec4<f32>) -> Elem4 {
    if ROUND_IN_INTEGERS {
        return Elem4(round_to_f16(value));
    }
    return Elem4(value);
}

// `value` as it is after being stored. Rounding is always in integers: some drivers (lavapipe of Mesa 26)
// remove a conversion to f16 and back.
fn as_stored(value: vec4<f32>) -> vec4<f32> {
    return round_to_f16(value);
}

fn multiply_add(acc: Acc4, x: Inner4, w: Block) -> Acc4 {
    let wide = vec4<f32>(x);
    var sum = fma(vec4<f32>(wide.x), vec4<f32>(w[0]), acc);
    sum = fma(vec4<f32>(wide.y), vec4<f32>(w[1]), sum);
    sum = fma(vec4<f32>(wide.z), vec4<f32>(w[2]), sum);
    return fma(vec4<f32>(wide.w), vec4<f32>(w[3]), sum);
}
