// Runs quantizeToF16. It is a module of its own: beside it, the OpenGL driver of llvmpipe compiles
// dot4I8Packed to wrong products. The number of the operation is that of `gpu::Operation`.
//
// a: [count] f32, operands; results: [count] f32

struct Params {
    operation: u32,
    count: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read_write> results: array<f32>;

@compute @workgroup_size(LANES)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < params.count && params.operation == 32u {
        results[id.x] = quantizeToF16(a[id.x]);
    }
}
