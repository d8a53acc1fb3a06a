// Runs one operation on values of the f16 type. The numbers of the operations are those of
// `gpu::Operation`.
//
// a: [count] f32, halves: [count] pairs of f16, operands
// results: [count] words, stored: [count] pairs of f16

enable f16;

struct Params {
    operation: u32,
    count: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> halves: array<vec2<f16>>;
@group(0) @binding(3) var<storage, read_write> results: array<u32>;
@group(0) @binding(4) var<storage, read_write> stored: array<vec2<f16>>;

@compute @workgroup_size(LANES)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let at = id.x;
    if at >= params.count {
        return;
    }
    let x = a[at];
    let pair = halves[at];
    switch params.operation {
        // A conversion whose result is used: the pair is of ones, and no compiler knows that.
        case 16u: { stored[at] = vec2<f16>(f16(x)) * pair; }
        // A conversion of a vector that is stored.
        case 17u: { stored[at] = vec2<f16>(vec2<f32>(x, x)); }
        // A conversion to f16 and back.
        case 18u: { results[at] = bitcast<u32>(f32(f16(x))); }
        // Arithmetic on values that are read as f16.
        case 19u: { stored[at] = vec2<f16>(pair.x * pair.y); }
        case 20u: { results[at] = bitcast<u32>(f32(pair.x)); }
        default: {}
    }
}
