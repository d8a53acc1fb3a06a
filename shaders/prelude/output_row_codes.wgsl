// What becomes of a layer's sums where the next layer takes codes with a scale for each row. All of a row's
// columns are in one tile: the plan sees to it. The scales lie behind the codes of all rows.

alias Output4 = u32;

fn finish(row: u32, group: u32, sums: array<Acc4, TILE_GROUPS>) {
    var value: array<vec4<f32>, TILE_GROUPS>;
    var tops = vec4<f32>();
    for (var j = 0u; j < TILE_GROUPS; j++) { // unrolled
        let z = z_of(row, sums[j], bias[min(group + j, params.groups - 1u)]);
        value[j] = select(vec4<f32>(), activation_of(ACTIVATION, z), is_column(group + j));
        tops = max(tops, abs(value[j]));
    }
    let largest = max(max(tops.x, tops.y), max(tops.z, tops.w));
    let scale = row_scale_from(largest, levels_of(params.out_zero));
    if row >= params.rows {
        return;
    }
    for (var j = 0u; j < TILE_GROUPS; j++) { // unrolled
        if group + j < params.groups {
            let codes = row_codes(value[j], scale, params.out_zero);
            output[row * params.groups + group + j] = packed(codes);
        }
    }
    output[params.rows * params.groups + row] = bitcast<u32>(scale);
}

fn end() {}
