// Quantizes rows of f32 values to int8 with one scale for each row. ROW_LANES lanes share a row:
// either one lane, or all lanes of a workgroup.

#import shared/params
#import shared/quantize

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;             // [rows, groups]
@group(0) @binding(2) var<storage, read_write> quantized: array<u32>;     // [rows, groups], then [rows] scales

var<workgroup> tops: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_index(workgroup, grid.x, lane) / ROW_LANES;
    let first = lane % ROW_LANES;
    // Past the end, the last row is read again: every lane has to reach the barriers.
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
        quantized[start + group] = pack(quantize_row(x[start + group], scale, params.out_zero));
    }
    if first == 0u {
        quantized[params.rows * params.groups + row] = bitcast<u32>(scale);
    }
}
