// What layers on matrix units share. A matrix is stored as SIZE rows of SIZE values, one after the
// other, both in the weights and in workgroup memory.
//
// wgpu's shader compiler has two requirements. Matrices are variables, not elements of arrays: the
// host repeats marked loops and puts the number of the loop variable into names such as sums_i_j. The
// place and the stride of a matrix in memory are names, not expressions.

#import shared/params
#import input
#import matrices

const VALUES = SIZE * SIZE;             // in a matrix
const MATRIX_GROUPS = SIZE / 4u;        // groups of four in a row of a matrix
const ROWS = DOWN * TILE_ROWS;          // in the workgroup's tile
const GROUPS = ACROSS * TILE_GROUPS;
const COLUMNS = 4u * TILE_GROUPS;       // in a subgroup's part

var<workgroup> x_tile: array<f16, ROWS * 4u * K_STEP>;              // [ROWS / SIZE, 4 · K_STEP / SIZE] matrices
var<workgroup> sum_tile: array<f32, DOWN * ACROSS * SIZE * COLUMNS>; // [DOWN · ACROSS][SIZE, COLUMNS]

// Loads K_STEP groups of the inner dimension, from `step` on, of the tile's rows into workgroup memory.
// Past the edge, the last row is read again; those sums are not stored. Past the edge of the inner
// dimension the values are zero, as the weights are: zero times infinity would be NaN.
fn stage_x(first_row: u32, step: u32, lane: u32) {
    for (var at = lane; at < ROWS * K_STEP; at += LANES) {
        let row = at / K_STEP;
        let k = at % K_STEP;
        let source = min(first_row + row, params.rows - 1u) * params.inner + min(step + k, params.inner - 1u);
        let value = select(vec4<f16>(), input_value(x[source]), step + k < params.inner);
        let matrix = (row / SIZE) * (K_STEP / MATRIX_GROUPS) + k / MATRIX_GROUPS;
        let to = matrix * VALUES + (row % SIZE) * SIZE + 4u * (k % MATRIX_GROUPS);
        x_tile[to] = value.x;
        x_tile[to + 1u] = value.y;
        x_tile[to + 2u] = value.z;
        x_tile[to + 3u] = value.w;
    }
}

// Four sums in `row` of the matrices of a part.
fn sums_of(part: u32, row: u32, group: u32) -> vec4<f32> {
    let at = (part * SIZE + row) * COLUMNS + 4u * group;
    return vec4<f32>(sum_tile[at], sum_tile[at + 1u], sum_tile[at + 2u], sum_tile[at + 3u]);
}
