// The epilogue of a layer: bias, activation, store.

#import shared/params
#import element
#import pre_activation
#import shared/activation
#import store

fn store_output(row: u32, group: u32, sums: Acc4, column: Bias4, row_scale: f32) {
    if row < params.rows && group < params.groups {
        let pre_activation = pre_activation_of(row_scale, sums, column);
        let value = select(vec4<f32>(), activation_of(ACTIVATION, pre_activation), is_column(group));
        output[row * params.groups + group] = stored(value);
    }
}

fn epilogue_group(row: u32, group: u32, sums: Acc4, column: Bias4) {
    store_output(row, group, sums, column, row_scale_of(row));
}

fn epilogue_row(row: u32, group: u32, sums: array<Acc4, TILE_GROUPS>, columns: array<Bias4, TILE_GROUPS>) {
    let row_scale = row_scale_of(row);
    for (var j = 0u; j < TILE_GROUPS; j++) { // unrolled
        store_output(row, group + j, sums[j], columns[j], row_scale);
    }
}

fn end_epilogue() {}
