// The uniform of every microkernel. The host's counterpart is `gpu::peak::Params`. The operands are in
// it, so that a compiler cannot know them.

struct Params {
    steps: u32,
    invocations: u32,
    factor: f32,
    term: f32,
    weights_low: vec4<u32>,
    weights_high: vec4<u32>,
}

@group(0) @binding(0) var<uniform> params: Params;
