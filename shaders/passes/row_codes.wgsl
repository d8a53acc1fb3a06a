// Rows to int8 codes with a scale each. ROW_LANES lanes share a row: one where there are many rows, all of
// a workgroup where there are few. How a row is read stands in the prelude.

@group(0) @binding(1) var<storage, read> x: array<Input4>;              // [rows, groups]
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
        largest = max(largest, largest_in(x[start + group]));
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
    let scale = scale_of_row(largest);
    for (var group = first; group < params.groups; group += ROW_LANES) {
        codes[start + group] = packed(codes_in(x[start + group], largest, scale));
    }
    if first == 0u {
        codes[params.rows * params.groups + row] = bitcast<u32>(scale);
    }
}
