// The epilogue of a last layer: bias, and the softmax of the row in f32, from pre-activations as the
// precision stores them. All columns of a row are in one tile; the plan ensures it.

#import shared/params
#import element
#import pre_activation
#import shared/softmax

alias Output4 = vec4<f32>;

fn epilogue_row(row: u32, group: u32, sums: array<Acc4, TILE_GROUPS>, columns: array<Bias4, TILE_GROUPS>) {
    let row_scale = row_scale_of(row);
    var term: array<vec4<f32>, TILE_GROUPS>;
    var tops = vec4<f32>(LOWEST);
    for (var j = 0u; j < TILE_GROUPS; j++) { // unrolled
        let pre_activation = as_stored(pre_activation_of(row_scale, sums[j], columns[j]));
        term[j] = select(vec4<f32>(LOWEST), pre_activation, is_column(group + j));
        tops = max(tops, term[j]);
    }
    let top = max(max(tops.x, tops.y), max(tops.z, tops.w));
    var sum = vec4<f32>();
    for (var j = 0u; j < TILE_GROUPS; j++) { // unrolled
        term[j] = select(vec4<f32>(), softmax_term(term[j], top), is_column(group + j));
        sum += term[j];
    }
    let total = sum.x + sum.y + sum.z + sum.w;
    for (var j = 0u; j < TILE_GROUPS; j++) { // unrolled
        if row < params.rows && group + j < params.groups {
            output[row * params.groups + group + j] = term[j] / total;
        }
    }
}

fn end_epilogue() {}
