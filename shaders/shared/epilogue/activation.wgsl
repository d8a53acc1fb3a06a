// The epilogue of a layer: bias, activation, store.

#import shared/params
#import element
#import pre_activation
#import shared/activation
#import store

fn output_of(row: u32, sums: Acc4, group: u32) -> vec4<f32> {
    let pre_activation = pre_activation_of(row, sums, bias[group]);
    return select(vec4<f32>(), activation_of(ACTIVATION, pre_activation), is_column(group));
}

fn epilogue_group(row: u32, group: u32, sums: Acc4) {
    if row < params.rows && group < params.groups {
        output[row * params.groups + group] = stored(output_of(row, sums, group));
    }
}

fn epilogue_row(row: u32, group: u32, sums: array<Acc4, TILE_GROUPS>) {
    for (var j = 0u; j < TILE_GROUPS; j++) { // unrolled
        epilogue_group(row, group + j, sums[j]);
    }
}

fn end_epilogue() {}
