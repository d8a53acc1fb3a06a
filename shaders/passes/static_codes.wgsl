// f32 values to int8 codes with a known scale.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;           // [rows, groups]
@group(0) @binding(2) var<storage, read_write> codes: array<u32>;       // [rows, groups]

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = flat_index(workgroup, grid.x, lane);
    if index < params.rows * params.groups {
        codes[index] = packed(static_codes(x[index], params.out_inverse, params.out_zero));
    }
}
