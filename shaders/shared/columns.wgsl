// The biases of the columns of a tile, loaded once for all of its rows. Past the edge, the last group is read again.
//
// The kernel declares bias.

#import shared/params
#import pre_activation

fn column_at(group: u32) -> Bias4 {
    return bias[min(group, params.groups - 1u)];
}

fn columns_from(group: u32) -> array<Bias4, TILE_GROUPS> {
    var columns: array<Bias4, TILE_GROUPS>;
    for (var j = 0u; j < TILE_GROUPS; j++) { // unrolled
        columns[j] = column_at(group + j);
    }
    return columns;
}
