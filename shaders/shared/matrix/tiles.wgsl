// What layers on matrix units share. The weights are stored as matrices of SIZE rows of SIZE values, one
// after the other.
//
// wgpu's shader compiler has two requirements. Matrices are variables, not elements of arrays: the
// host repeats marked loops and puts the number of the loop variable into names such as sums_i_j. The
// place and the stride of a matrix in memory are names, not expressions.

#import shared/params
#import matrices

const VALUES = SIZE * SIZE;             // in a matrix
const MATRIX_GROUPS = SIZE / 4u;        // groups of four in a row of a matrix
const GROUPS = ACROSS * TILE_GROUPS;
const COLUMNS = 4u * TILE_GROUPS;       // in a subgroup's part

var<workgroup> sum_tile: array<f32, DOWN * ACROSS * SIZE * COLUMNS>; // [DOWN · ACROSS][SIZE, COLUMNS]

// Four sums in `row` of the matrices of a part.
fn sums_of(part: u32, row: u32, group: u32) -> vec4<f32> {
    let at = (part * SIZE + row) * COLUMNS + 4u * group;
    return vec4<f32>(sum_tile[at], sum_tile[at + 1u], sum_tile[at + 2u], sum_tile[at + 3u]);
}
