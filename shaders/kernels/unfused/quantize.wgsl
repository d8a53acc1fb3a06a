// Quantizes a matrix to int8: round-half-even(value / scale), at most `clip` in magnitude, four
// values in a word.

#import shared/params
#import shared/exact
#import shared/scale

@group(0) @binding(1) var<storage, read> values: array<vec4<f32>>;        // [rows, groups]
@group(0) @binding(2) var<storage, read> maxima: array<u32>;              // [slots]
@group(0) @binding(3) var<storage, read_write> quantized: array<u32>;     // [rows, groups]

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
    let scale = scale_of(maxima[params.slot_out]);
    let limit = vec4<f32>(params.clip);
    let rounded = vec4<i32>(clamp(rounded_quotient(values[index], scale), -limit, limit));
    let bytes = (vec4<u32>(rounded) & vec4<u32>(255u)) << vec4<u32>(0u, 8u, 16u, 24u);
    quantized[index] = bytes.x | bytes.y | bytes.z | bytes.w;
}
