// Turns pixels into the network's input. A table holds the value of each of the 256 bytes: the host
// rounds each value exactly once, and arithmetic on the device does not promise that.

#import shared/params
#import element

@group(0) @binding(1) var<storage, read> pixels: array<u32>;          // [rows, groups], four bytes a word
@group(0) @binding(2) var<storage, read> table: array<f32>;           // [256]
@group(0) @binding(3) var<storage, read_write> output: array<Elem4>;  // [rows, groups]

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
    let bytes = (vec4<u32>(pixels[index]) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u);
    let value = vec4<f32>(table[bytes.x], table[bytes.y], table[bytes.z], table[bytes.w]);
    output[index] = narrow(without_padding(value, index));
}
