// The epilogue of a layer whose outputs are quantized with one scale for each row. All columns of a row
// are in one tile; the plan ensures it. The scales are stored behind the quantized values of all rows.

#import shared/params
#import element
#import pre_activation
#import shared/activation
#import shared/quantize

alias Output4 = u32;

fn epilogue_row(row: u32, group: u32, sums: array<Acc4, TILE_GROUPS>, columns: array<Bias4, TILE_GROUPS>) {
    let row_scale = row_scale_of(row);
    var value: array<vec4<f32>, TILE_GROUPS>;
    var tops = vec4<f32>();
    for (var j = 0u; j < TILE_GROUPS; j++) { // unrolled
        let pre_activation = pre_activation_of(row_scale, sums[j], columns[j]);
        value[j] = select(vec4<f32>(), activation_of(ACTIVATION, pre_activation), is_column(group + j));
        tops = max(tops, abs(value[j]));
    }
    let largest = max(max(tops.x, tops.y), max(tops.z, tops.w));
    let scale = row_scale_from(largest, levels_of(params.out_zero));
    if row >= params.rows {
        return;
    }
    for (var j = 0u; j < TILE_GROUPS; j++) { // unrolled
        if group + j < params.groups {
            let quantized = quantize_row(value[j], scale, params.out_zero);
            output[row * params.groups + group + j] = pack(quantized);
        }
    }
    output[params.rows * params.groups + row] = bitcast<u32>(scale);
}

fn end_epilogue() {}
