// Measures the peak of memory: each invocation copies 16 bytes, next to those of its neighbours.

#import probes/peak/params

@group(0) @binding(1) var<storage, read> input: array<vec4<u32>>; // [invocations]
@group(0) @binding(2) var<storage, read_write> output: array<vec4<u32>>; // [invocations]

@compute @workgroup_size(LANES)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < params.invocations {
        output[id.x] = input[id.x];
    }
}
