// Finds the largest magnitude of a matrix. Each invocation searches SPAN groups, a workgroup
// combines the results of its lanes, and one atomic operation combines the workgroups.

#import shared/params

@group(0) @binding(1) var<storage, read> values: array<vec4<f32>>;             // [rows, groups]
@group(0) @binding(2) var<storage, read_write> maxima: array<atomic<u32>>;     // [slots]

var<workgroup> largest: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let count = params.rows * params.groups;
    let first = (workgroup.y * grid.x + workgroup.x) * LANES * SPAN + lane;
    var found = vec4<f32>();
    for (var i = 0u; i < SPAN; i++) {
        let index = first + i * LANES;
        if index < count {
            found = max(found, abs(values[index]));
        }
    }
    var magnitude = max(max(found.x, found.y), max(found.z, found.w));
    largest[lane] = magnitude;
    workgroupBarrier();
    if lane == 0u {
        for (var other = 1u; other < LANES; other++) {
            magnitude = max(magnitude, largest[other]);
        }
        atomicMax(&maxima[params.slot_out], bitcast<u32>(magnitude));
    }
}
