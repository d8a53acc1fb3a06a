// What layers on matrix units share. A matrix lies as SIZE rows of SIZE values, one after the other, in
// the weights as in workgroup memory.
//
// What wgpu's shader compiler asks for: matrices in variables of their own, not in arrays (hence names
// that end in the loop's variable, which the host spells out); and the place and the stride of a matrix
// in memory as names, not as expressions.

const VALUES = SIZE * SIZE;             // of a matrix
const MATRIX_GROUPS = SIZE / 4u;        // groups of four in a matrix's row
const ROWS = DOWN * TILE_ROWS;          // of the workgroup's tile
const GROUPS = ACROSS * TILE_GROUPS;
const COLUMNS = 4u * TILE_GROUPS;       // of a subgroup's part

var<workgroup> x_tile: array<f16, ROWS * 4u * K_STEP>;              // [ROWS / SIZE, 4 · K_STEP / SIZE] matrices
var<workgroup> sum_tile: array<f32, DOWN * ACROSS * SIZE * COLUMNS>; // [DOWN · ACROSS][SIZE, COLUMNS]

// Brings K_STEP groups of the inner dimension, from `step` on, of the tile's rows into workgroup memory.
// A row past the edge is the last once more; what comes of it is not stored. Past the edge of the inner
// dimension there are zeros, as in the weights: infinity there would make NaN of zero.
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

// Four sums of `row` of a part's matrices.
fn sums_of(part: u32, row: u32, group: u32) -> vec4<f32> {
    let at = (part * SIZE + row) * COLUMNS + 4u * group;
    return vec4<f32>(sum_tile[at], sum_tile[at + 1u], sum_tile[at + 2u], sum_tile[at + 3u]);
}
