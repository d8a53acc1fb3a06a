// Computes a layer for a few rows on adapters with subgroups. A workgroup is one subgroup; its lanes
// share the inner dimension and add their partial sums without workgroup memory.
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

@compute @workgroup_size(SUBGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    begin_input();
    let first_row = workgroup.y * TILE_ROWS;
    let group = workgroup.x;

    var acc: array<Acc4, TILE_ROWS>;
    for (var k = lane; k < params.inner; k += SUBGROUP) {
        let block = block_at(0u, params.inner, params.groups, k, group);
        for (var i = 0u; i < TILE_ROWS; i++) { // unrolled
            let row = min(first_row + i, params.rows - 1u);
            acc[i] = multiply_add(acc[i], input_value(x[row * params.inner + k]), block);
        }
    }
    for (var i = 0u; i < TILE_ROWS; i++) { // unrolled
        acc[i] = subgroupAdd(acc[i]);
    }
    if lane == 0u {
        let own = column_at(group);
        for (var i = 0u; i < TILE_ROWS; i++) { // unrolled
            epilogue_group(first_row + i, group, acc[i], own);
        }
        end_epilogue();
    }
}
