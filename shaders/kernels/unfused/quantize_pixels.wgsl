// Quantizes a batch of pixels in exact integers: round-half-even(clip · pixel / largest). In f32,
// rounding errors would decide the ties, which occur for odd pixels where the largest is even.

#import shared/params

@group(0) @binding(1) var<storage, read> pixels: array<u32>;              // [rows, groups]
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
    let largest = vec4<u32>(max(maxima[params.slot_in], 1u));
    let shifts = vec4<u32>(0u, 8u, 16u, 24u);
    let scaled = u32(params.clip) * ((vec4<u32>(pixels[index]) >> shifts) & vec4<u32>(255u));
    let floor = scaled / largest;
    let twice = 2u * (scaled - floor * largest);
    let tie_to_odd = (twice == largest) & ((floor & vec4<u32>(1u)) == vec4<u32>(1u));
    let rounded = floor + vec4<u32>((twice > largest) | tie_to_odd);
    let bytes = rounded << shifts;
    quantized[index] = bytes.x | bytes.y | bytes.z | bytes.w;
}
