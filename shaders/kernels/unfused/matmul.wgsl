// Multiplies two matrices: sums = x · w. An invocation computes a tile of TILE_ROWS rows by
// 4 · TILE_GROUPS columns in registers. The kernel uses no workgroup memory, because on software
// adapters its barriers cost more than they save.
//
// x: [rows, inner] groups of four along the inner dimension
// w: [inner, groups] blocks of four inner values by four outputs
// sums: [rows, groups]

#import shared/params
#import element

@group(0) @binding(1) var<storage, read> x: array<Inner4>;
@group(0) @binding(2) var<storage, read> w: array<Block>;
@group(0) @binding(3) var<storage, read_write> sums: array<Acc4>;

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

    // Past the edge, the last row or group is read again; those sums are not stored.
    var row_start: array<u32, TILE_ROWS>;
    for (var i = 0u; i < TILE_ROWS; i++) {
        row_start[i] = min(row + i, params.rows - 1u) * params.inner;
    }
    var column: array<u32, TILE_GROUPS>;
    for (var j = 0u; j < TILE_GROUPS; j++) {
        column[j] = min(group + j, params.groups - 1u);
    }

    var acc: array<Acc4, TILE_ROWS * TILE_GROUPS>;
    for (var k = 0u; k < params.inner; k++) {
        var block: array<Block, TILE_GROUPS>;
        for (var j = 0u; j < TILE_GROUPS; j++) {
            block[j] = w[k * params.groups + column[j]];
        }
        for (var i = 0u; i < TILE_ROWS; i++) {
            let value = x[row_start[i] + k];
            for (var j = 0u; j < TILE_GROUPS; j++) {
                let at = i * TILE_GROUPS + j;
                acc[at] = multiply_add(acc[at], value, block[j]);
            }
        }
    }

    for (var i = 0u; i < TILE_ROWS; i++) {
        for (var j = 0u; j < TILE_GROUPS; j++) {
            if row + i < params.rows && group + j < params.groups {
                sums[(row + i) * params.groups + group + j] = acc[i * TILE_GROUPS + j];
            }
        }
    }
}
