enable f16;
// The same of operations in the f16 type. The numbers of the operations are those of `gpu::Operation`.
//
// a, b: [count] words, operands; results: [count] words; stored: [count] pairs of f16

struct Params {
    operation: u32,
    count: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<u32>;
@group(0) @binding(2) var<storage, read> b: array<u32>;
@group(0) @binding(3) var<storage, read_write> results: array<u32>;
@group(0) @binding(4) var<storage, read_write> stored: array<vec2<f16>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let at = id.x;
    if at >= params.count {
        return;
    }
    let x = bitcast<f32>(a[at]);
    let y = bitcast<f32>(b[at]);
    switch params.operation {
        // Converted, and kept in a register.
        case 16u: { results[at] = bitcast<u32>(vec2<f16>(f16(x), f16(y))); }
        // Converted as a vector, and stored.
        case 17u: { stored[at] = vec2<f16>(vec2<f32>(x, y)); }
        // There and back.
        case 18u: { results[at] = bitcast<u32>(f32(f16(x))); }
        // Arithmetic on what comes as f16.
        case 19u: { stored[at] = bitcast<vec2<f16>>(a[at]) * bitcast<vec2<f16>>(b[at]); }
        case 20u: { results[at] = bitcast<u32>(f32(bitcast<vec2<f16>>(a[at]).x)); }
        default: {}
    }
}
