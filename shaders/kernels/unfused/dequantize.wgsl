// Turns int8 values back into f32: quantized · scale.

#import shared/params
#import shared/scale

@group(0) @binding(1) var<storage, read> quantized: array<u32>;              // [rows, groups]
@group(0) @binding(2) var<storage, read> maxima: array<u32>;                 // [slots]
@group(0) @binding(3) var<storage, read_write> values: array<vec4<f32>>;     // [rows, groups]

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
    // Shifting a byte to the top of its word and back extends its sign.
    let bytes = vec4<i32>(vec4<u32>(quantized[index]) << vec4<u32>(24u, 16u, 8u, 0u));
    values[index] = vec4<f32>(bytes >> vec4<u32>(24u)) * scale_of(maxima[params.slot_in]);
}
