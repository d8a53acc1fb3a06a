// Quantizes f32 values to int8 with a scale that is known in advance.

#import shared/params
#import shared/quantize

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;             // [rows, groups]
@group(0) @binding(2) var<storage, read_write> quantized: array<u32>;     // [rows, groups]

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = flat_index(workgroup, grid.x, lane);
    if index < params.rows * params.groups {
        quantized[index] = pack(quantize_static(x[index], params.out_inverse, params.out_zero));
    }
}
