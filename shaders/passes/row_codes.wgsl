// Rows of f32 values to int8 codes with a scale each. ROW_LANES lanes share a row: one, or all of a
// workgroup.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;           // [rows, groups]
@group(0) @binding(2) var<storage, read_write> codes: array<u32>;       // [rows, groups], then [rows] scales

var<workgroup> tops: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_index(workgroup, grid.x, lane) / ROW_LANES;
    let first = lane % ROW_LANES;
    // A row past the end is the last once more, for the barriers' sake.
    let start = min(row, params.rows - 1u) * params.groups;
    var largest = 0.0;
    for (var group = first; group < params.groups; group += ROW_LANES) {
        let magnitude = abs(x[start + group]);
        largest = max(largest, max(max(magnitude.x, magnitude.y), max(magnitude.z, magnitude.w)));
    }
    if ROW_LANES > 1u {
        tops[lane] = largest;
        for (var half = LANES / 2u; half > 0u; half /= 2u) {
            workgroupBarrier();
            if lane < half {
                tops[lane] = max(tops[lane], tops[lane + half]);
            }
        }
        workgroupBarrier();
        largest = tops[0];
    }
    if row >= params.rows {
        return;
    }
    let scale = row_scale_from(largest, levels_of(params.out_zero));
    for (var group = first; group < params.groups; group += ROW_LANES) {
        codes[start + group] = packed(row_codes(x[start + group], scale, params.out_zero));
    }
    if first == 0u {
        codes[params.rows * params.groups + row] = bitcast<u32>(scale);
    }
}
