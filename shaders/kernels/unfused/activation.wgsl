// Applies an activation, other than softmax, to pre-activations.

#import shared/params
#import element
#import shared/activation

@group(0) @binding(1) var<storage, read> pre_activation: array<vec4<f32>>;  // [rows, groups]
@group(0) @binding(2) var<storage, read_write> output: array<Elem4>;        // [rows, groups]

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
    // sigmoid(0) is not 0, so that the padding is set to zero again.
    output[index] = narrow(without_padding(activation_of(ACTIVATION, pre_activation[index]), index));
}
