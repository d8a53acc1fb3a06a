// The epilogue of an int8 layer of the reference scheme: the sums are multiplied by their scale, the
// bias is added, and the pre-activations are stored in f32. Their extremes go to slot_out and the next
// slot.

#import shared/params
#import element
#import input
#import pre_activation
#import shared/extremes

alias Output4 = vec4<f32>;

var<private> top: f32 = -3.4028234e38;
var<private> bottom: f32 = 3.4028234e38;

fn epilogue_group(row: u32, group: u32, sums: Acc4, column_bias: Bias4) {
    if row >= params.rows || group >= params.groups {
        return;
    }
    let column = is_column(group);
    let weight_scale = vec4<f32>(params.weight_scale);
    let pre_activation = scaled_sums(vec4<i32>(sums), input_scale, weight_scale, column_bias);
    output[row * params.groups + group] = select(vec4<f32>(), pre_activation, column);
    let high = max(vec4<f32>(top), select(vec4<f32>(top), pre_activation, column));
    let low = min(vec4<f32>(bottom), select(vec4<f32>(bottom), pre_activation, column));
    top = max(max(high.x, high.y), max(high.z, high.w));
    bottom = min(min(low.x, low.y), min(low.z, low.w));
}

fn epilogue_row(row: u32, group: u32, sums: array<Acc4, TILE_GROUPS>, columns: array<Bias4, TILE_GROUPS>) {
    for (var j = 0u; j < TILE_GROUPS; j++) { // unrolled
        epilogue_group(row, group + j, sums[j], columns[j]);
    }
}

fn end_epilogue() {
    if top >= bottom {
        atomicMax(&maxima[params.slot_out], ordered(top));
        atomicMax(&maxima[params.slot_out + 1u], ordered(-bottom));
    }
}
