// Adds the bias to a layer's sums, which gives the pre-activations in f32. In int8 the sums are
// multiplied by their scale first.

#import shared/params
#import element
#import bias

@group(0) @binding(1) var<storage, read> sums: array<Acc4>;             // [rows, groups]
@group(0) @binding(2) var<storage, read> bias: array<Bias4>;            // [groups]
@group(0) @binding(3) var<storage, read_write> output: array<vec4<f32>>; // [rows, groups]

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = flat_index(workgroup, grid.x, lane);
    if index >= params.rows * params.groups {
        return;
    }
    output[index] = with_bias(sums[index], bias[index % params.groups]);
}
