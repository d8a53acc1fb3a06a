// What becomes of a layer's sums: bias, activation, and the store.

fn output_of(row: u32, sums: Acc4, group: u32) -> vec4<f32> {
    let z = z_of(row, sums, bias[group]);
    return select(vec4<f32>(), activation_of(ACTIVATION, z), is_column(group));
}

fn finish_group(row: u32, group: u32, sums: Acc4) {
    if row < params.rows && group < params.groups {
        output[row * params.groups + group] = stored(output_of(row, sums, group));
    }
}

fn finish(row: u32, group: u32, sums: array<Acc4, TILE_GROUPS>) {
    for (var j = 0u; j < TILE_GROUPS; j++) { // unrolled
        finish_group(row, group + j, sums[j]);
    }
}

fn end() {}
