// Runs one operation where WGSL leaves the result open, on values that no compiler knows because they
// come from buffers. The numbers of the operations are those of `gpu::Operation`.
//
// a, b, c: [count] words, operands; results: [count] words

requires packed_4x8_integer_dot_product;

struct Params {
    operation: u32,
    count: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<u32>;
@group(0) @binding(2) var<storage, read> b: array<u32>;
@group(0) @binding(3) var<storage, read> c: array<u32>;
@group(0) @binding(4) var<storage, read_write> results: array<u32>;

fn result_of(operation: u32, a: u32, b: u32, c: u32) -> u32 {
    let x = bitcast<f32>(a);
    let y = bitcast<f32>(b);
    let z = bitcast<f32>(c);
    switch operation {
        case 0u: { return pack2x16float(vec2<f32>(x, y)); }
        case 1u: { return bitcast<u32>(unpack2x16float(a).x); }
        case 2u: { return bitcast<u32>(x * y + z); }
        case 3u: { return bitcast<u32>(fma(x, y, z)); }
        case 4u: { return bitcast<u32>(x / y); }
        case 5u: { return bitcast<u32>(exp(x)); }
        case 6u: { return bitcast<u32>(dot4I8Packed(a, b)); }
        case 7u: { return bitcast<u32>(x * y); }
        case 8u: { return bitcast<u32>(x + y); }
        case 9u: { return bitcast<u32>(max(x, y)); }
        case 10u: { return bitcast<u32>(min(x, y)); }
        case 11u: { return select(0u, 1u, x == y); }
        default: { return a; }
    }
}

@compute @workgroup_size(LANES)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < params.count {
        results[id.x] = result_of(params.operation, a[id.x], b[id.x], c[id.x]);
    }
}
