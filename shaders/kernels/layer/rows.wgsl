// Computes a layer for a few rows. A workgroup computes TILE_ROWS rows by COLUMN_LANES groups of four
// columns. The lanes of a group share the inner dimension, and their partial sums are added at the end.
// Neighbouring lanes read neighbouring blocks of weights.
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

const K_LANES = LANES / COLUMN_LANES;

var<workgroup> partial: array<Acc4, LANES * TILE_ROWS>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    begin_input();
    let first_row = workgroup.y * TILE_ROWS;
    let group = workgroup.x * COLUMN_LANES + lane % COLUMN_LANES;
    // Past the edge, the last group is read again, and its sums are not stored.
    let column = min(group, params.groups - 1u);

    var acc: array<Acc4, TILE_ROWS>;
    for (var k = lane / COLUMN_LANES; k < params.inner; k += K_LANES) {
        let block = block_at(0u, params.inner, params.groups, k, column);
        for (var i = 0u; i < TILE_ROWS; i++) { // unrolled
            let row = min(first_row + i, params.rows - 1u);
            acc[i] = multiply_add(acc[i], input_value(x[row * params.inner + k]), block);
        }
    }
    for (var i = 0u; i < TILE_ROWS; i++) { // unrolled
        partial[i * LANES + lane] = acc[i];
    }
    // Tree reduction: half of the lanes add the sums of the other half, until each group has one lane left.
    for (var half = LANES / 2u; half >= COLUMN_LANES; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            for (var i = 0u; i < TILE_ROWS; i++) { // unrolled
                partial[i * LANES + lane] += partial[i * LANES + lane + half];
            }
        }
    }
    if lane < COLUMN_LANES {
        let own = column_at(group);
        for (var i = 0u; i < TILE_ROWS; i++) { // unrolled
            epilogue_group(first_row + i, group, partial[i * LANES + lane], own);
        }
        end_epilogue();
    }
}
