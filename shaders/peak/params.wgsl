// What the host tells every microkernel; its twin is `gpu::peak::Params`. The operands come from
// here, so that no compiler knows them.
struct Params {
    steps: u32,
    invocations: u32,
    factor: f32,
    term: f32,
    weights_low: vec4<u32>,
    weights_high: vec4<u32>,
}

@group(0) @binding(0) var<uniform> params: Params;
