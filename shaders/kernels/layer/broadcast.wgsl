// Computes a layer on adapters where loads are expensive, such as software adapters. A workgroup is
// one subgroup of SUBGROUP lanes. Each lane has TILE_ROWS rows, and all lanes share
// 4 · TILE_GROUPS columns. Each lane loads a different slice of the weights and converts it to f32
// once; the subgroup then broadcasts every weight to all lanes.
//
// x: [rows, inner] groups of four along the inner dimension
// w: [inner, groups] blocks of four inner values by four outputs, read as slices of SLICE_ROWS inner
//    values, 4 / SLICE_ROWS slices in a block
// bias: [groups], output: [rows, groups]

#import shared/params
#import element
#import weights
#import pre_activation
#import input
#import epilogue
#import shared/columns

@group(0) @binding(1) var<storage, read> x: array<Input4>;
@group(0) @binding(2) var<storage, read> w: array<StoredSlice>;
@group(0) @binding(3) var<storage, read> bias: array<Bias4>;
@group(0) @binding(4) var<storage, read_write> output: array<Output4>;

const SLICES = 4u / SLICE_ROWS;     // in a block; a lane loads LOADS slices of the tile

@compute @workgroup_size(SUBGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    begin_input();
    let first_row = workgroup.y * SUBGROUP * TILE_ROWS + lane;
    let group = workgroup.x * TILE_GROUPS;

    // No lane returns early, because the others need its weights. Past the edge, the last row or
    // slice is read again; those sums are not stored.
    var start: array<u32, TILE_ROWS>;
    for (var i = 0u; i < TILE_ROWS; i++) { // unrolled
        start[i] = min(first_row + i * SUBGROUP, params.rows - 1u) * params.inner;
    }
    var place: array<u32, LOADS>;
    for (var l = 0u; l < LOADS; l++) { // unrolled
        place[l] = min(group * SLICES + l * SUBGROUP + lane, params.groups * SLICES - 1u);
    }

    var acc: array<Acc4, TILE_ROWS * TILE_GROUPS>;
    for (var k = 0u; k < params.inner; k++) {
        var value: array<Value4, TILE_ROWS>;
        for (var i = 0u; i < TILE_ROWS; i++) { // unrolled
            value[i] = input_value(x[start[i] + k]);
        }
        var slice: array<Slice, LOADS>;
        for (var l = 0u; l < LOADS; l++) { // unrolled
            slice[l] = slice_at(k, place[l]);
        }
        for (var j = 0u; j < TILE_GROUPS; j++) { // unrolled
            for (var r = 0u; r < 4u; r++) { // unrolled
                const at = j * SLICES + r / SLICE_ROWS;
                let own = slice_row(slice[at / SUBGROUP], r % SLICE_ROWS);
                let weights = subgroupBroadcast(own, at % SUBGROUP);
                for (var i = 0u; i < TILE_ROWS; i++) { // unrolled
                    acc[i * TILE_GROUPS + j] = fma(vec4<f32>(value[i][r]), weights, acc[i * TILE_GROUPS + j]);
                }
            }
        }
    }

    let columns = columns_from(group);
    for (var i = 0u; i < TILE_ROWS; i++) { // unrolled
        var sums: array<Acc4, TILE_GROUPS>;
        for (var j = 0u; j < TILE_GROUPS; j++) { // unrolled
            sums[j] = acc[i * TILE_GROUPS + j];
        }
        epilogue_row(first_row + i * SUBGROUP, group, sums, columns);
    }
    end_epilogue();
}
