// What becomes of a last layer's sums: bias, and the softmax of the row, in f32 from z as the
// precision stores it. All of a row's columns are in one tile: the plan sees to it.

alias Output4 = vec4<f32>;

fn finish(row: u32, group: u32, sums: array<Acc4, TILE_GROUPS>) {
    var term: array<vec4<f32>, TILE_GROUPS>;
    var tops = vec4<f32>(LOWEST);
    for (var j = 0u; j < TILE_GROUPS; j++) { // unrolled
        let z = as_stored(z_of(row, sums[j], bias[min(group + j, params.groups - 1u)]));
        term[j] = select(vec4<f32>(LOWEST), z, is_column(group + j));
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

fn end() {}
