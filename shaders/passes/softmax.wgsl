// output = softmax of each row of z as the precision stores it, in f32. One row an invocation.

@group(0) @binding(1) var<storage, read> z: array<vec4<f32>>;             // [rows, groups]
@group(0) @binding(2) var<storage, read_write> output: array<vec4<f32>>;  // [rows, groups]

// The lowest f32: padding never is the largest beside it.
const LOWEST = -3.4028234e38;

fn stored(index: u32) -> vec4<f32> {
    let value = as_stored(z[index]);
    let column = (index % params.groups) * 4u;
    let columns = vec4<u32>(column, column + 1u, column + 2u, column + 3u);
    return select(vec4<f32>(LOWEST), value, columns < vec4<u32>(params.cols));
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
        // Clamped: the difference may leave f32, and exp of -104 is zero already.
        let term = exp(max(stored(index) - top, vec4<f32>(-104.0)));
        let kept = without_padding(term, index);
        sums += kept;
        output[index] = kept;
    }
    let sum = sums.x + sums.y + sums.z + sums.w;
    for (var index = start; index < end; index++) {
        output[index] = output[index] / sum;
    }
}
