// Computes a layer in the registers of each invocation: a tile of TILE_ROWS rows by
// 4 · TILE_GROUPS columns. The kernel needs neither workgroup memory nor subgroups, so that it runs
// on every adapter.
//
// x: [rows, inner] groups of four along the inner dimension
// w: [inner, groups] blocks of four inner values by four outputs
// bias: [groups], output: [rows, groups]

#import shared/params
#import element
#import weights
#import pre_activation
#import input
#import epilogue
#import shared/columns

@group(0) @binding(1) var<storage, read> x: array<Input4>;
@group(0) @binding(2) var<storage, read> w: array<Packed>;
@group(0) @binding(3) var<storage, read> bias: array<Bias4>;
@group(0) @binding(4) var<storage, read_write> output: array<Output4>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    // Neighbouring lanes take neighbouring rows, so that they read the same weights.
    let row = (workgroup.y * ROW_LANES + lane % ROW_LANES) * TILE_ROWS;
    let group = (workgroup.x * (LANES / ROW_LANES) + lane / ROW_LANES) * TILE_GROUPS;
    if row >= params.rows || group >= params.groups {
        return;
    }
    begin_input();

    // Past the edge, the last row or group is read again; those sums are not stored.
    var start: array<u32, TILE_ROWS>;
    for (var i = 0u; i < TILE_ROWS; i++) { // unrolled
        start[i] = min(row + i, params.rows - 1u) * params.inner;
    }
    var column: array<u32, TILE_GROUPS>;
    for (var j = 0u; j < TILE_GROUPS; j++) { // unrolled
        column[j] = min(group + j, params.groups - 1u);
    }

    var acc: array<Acc4, TILE_ROWS * TILE_GROUPS>;
    for (var k = 0u; k < params.inner; k++) {
        var block: array<Block, TILE_GROUPS>;
        for (var j = 0u; j < TILE_GROUPS; j++) { // unrolled
            block[j] = block_at(0u, params.inner, params.groups, k, column[j]);
        }
        for (var i = 0u; i < TILE_ROWS; i++) { // unrolled
            let value = input_value(x[start[i] + k]);
            for (var j = 0u; j < TILE_GROUPS; j++) { // unrolled
                acc[i * TILE_GROUPS + j] = multiply_add(acc[i * TILE_GROUPS + j], value, block[j]);
            }
        }
    }

    let columns = columns_from(group);
    for (var i = 0u; i < TILE_ROWS; i++) { // unrolled
        var sums: array<Acc4, TILE_GROUPS>;
        for (var j = 0u; j < TILE_GROUPS; j++) { // unrolled
            sums[j] = acc[i * TILE_GROUPS + j];
        }
        epilogue_row(row + i, group, sums, columns);
    }
    end_epilogue();
}
