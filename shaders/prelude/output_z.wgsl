// What becomes of a layer's sums of int8 products: they are given their scale, the bias is added, and
// z is stored in f32. Its extremes go to slot_out and the slot after it.

alias Output4 = vec4<f32>;

var<private> top: f32 = -3.4028234e38;
var<private> bottom: f32 = 3.4028234e38;

fn finish_group(row: u32, group: u32, sums: Acc4) {
    if row >= params.rows || group >= params.groups {
        return;
    }
    let column = is_column(group);
    let z = vec4<f32>(sums) * (input_scale * params.weight_scale) + widen_bias(bias[group]);
    output[row * params.groups + group] = select(vec4<f32>(), z, column);
    let high = max(vec4<f32>(top), select(vec4<f32>(top), z, column));
    let low = min(vec4<f32>(bottom), select(vec4<f32>(bottom), z, column));
    top = max(max(high.x, high.y), max(high.z, high.w));
    bottom = min(min(low.x, low.y), min(low.z, low.w));
}

fn finish(row: u32, group: u32, sums: array<Acc4, TILE_GROUPS>) {
    for (var j = 0u; j < TILE_GROUPS; j++) { // unrolled
        finish_group(row, group + j, sums[j]);
    }
}

fn end() {
    if top >= bottom {
        atomicMax(&maxima[params.slot_out], ordered(top));
        atomicMax(&maxima[params.slot_out + 1u], ordered(-bottom));
    }
}
