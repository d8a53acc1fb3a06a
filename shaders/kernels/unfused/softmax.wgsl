// Applies softmax to each row of pre-activations, in f32. The pre-activations are first rounded as
// the precision stores them. One invocation computes one row.

#import shared/params
#import element
#import shared/softmax

@group(0) @binding(1) var<storage, read> pre_activation: array<vec4<f32>>;      // [rows, groups]
@group(0) @binding(2) var<storage, read_write> output: array<vec4<f32>>;  // [rows, groups]

fn stored(index: u32) -> vec4<f32> {
    return select(vec4<f32>(LOWEST), as_stored(pre_activation[index]), is_column(index % params.groups));
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_index(workgroup, grid.x, lane);
    if row >= params.rows {
        return;
    }
    let start = row * params.groups;
    let end = start + params.groups;

    var largest = stored(start);
    for (var index = start + 1u; index < end; index++) {
        largest = max(largest, stored(index));
    }
    let top = max(max(largest.x, largest.y), max(largest.z, largest.w));

    var sums = vec4<f32>();
    for (var index = start; index < end; index++) {
        let kept = without_padding(softmax_term(stored(index), top), index);
        sums += kept;
        output[index] = kept;
    }
    let sum = sums.x + sums.y + sums.z + sums.w;
    for (var index = start; index < end; index++) {
        output[index] = output[index] / sum;
    }
}
