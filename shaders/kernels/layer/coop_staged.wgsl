// Computes a layer on matrix units, for large products. DOWN by ACROSS subgroups of a workgroup have
// MATRIX_ROWS by MATRIX_COLUMNS matrices of sums each. They share tiles of the input and of the
// weights in workgroup memory.
//
// x: [rows, inner] groups of four along the inner dimension
// w: [inner, columns] matrices of SIZE inner values by SIZE outputs, read as groups of four
// bias: [groups], output: [rows, groups]

#import shared/params
#import element
#import pre_activation
#import input
#import epilogue
#import shared/matrix/tiles
#import matrix_epilogue

@group(0) @binding(1) var<storage, read> x: array<Input4>;
@group(0) @binding(2) var<storage, read> w: array<vec4<f16>>;
@group(0) @binding(3) var<storage, read> bias: array<Bias4>;
@group(0) @binding(4) var<storage, read_write> output: array<Output4>;

const TILE_MATRICES = GROUPS / MATRIX_GROUPS;       // of weights, along the workgroup's columns

var<workgroup> w_tile: array<f16, 4u * K_STEP * 4u * GROUPS>;   // [4 · K_STEP / SIZE, TILE_MATRICES] matrices

// Loads the matrices of the weights from `first_matrix` on, K_STEP groups of inner values from `step`
// on, into workgroup memory. Past an edge, the last matrix is read again: it is not multiplied, or its
// sums are not stored.
fn stage_w(first_matrix: u32, columns: u32, step: u32, lane: u32) {
    let deepest = (params.inner + MATRIX_GROUPS - 1u) / MATRIX_GROUPS - 1u;
    for (var at = lane; at < K_STEP * 4u * GROUPS; at += LANES) {
        let matrix = at / (VALUES / 4u);
        let k = min(step / MATRIX_GROUPS + matrix / TILE_MATRICES, deepest);
        let column = min(first_matrix + matrix % TILE_MATRICES, columns - 1u);
        let value = w[(k * columns + column) * (VALUES / 4u) + at % (VALUES / 4u)];
        w_tile[4u * at] = value.x;
        w_tile[4u * at + 1u] = value.y;
        w_tile[4u * at + 2u] = value.z;
        w_tile[4u * at + 3u] = value.w;
    }
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
) {
    begin_input();
    let first_row = workgroup.y * ROWS;
    let first_group = workgroup.x * GROUPS;
    let columns = (params.groups + MATRIX_GROUPS - 1u) / MATRIX_GROUPS;
    let stride = SIZE;
    // Where the driver chose smaller subgroups than the largest, several compute the same part.
    let part = subgroup % (DOWN * ACROSS);
    let part_row = (part / ACROSS) * MATRIX_ROWS;
    let part_column = (part % ACROSS) * MATRIX_COLUMNS;

    for (var j = 0u; j < MATRIX_COLUMNS; j++) { // spelled out
        for (var i = 0u; i < MATRIX_ROWS; i++) { // spelled out
            var sums_i_j = Sums();
        }
    }
    for (var step = 0u; step < params.inner; step += K_STEP) {
        stage_x(first_row, step, lane);
        stage_w(first_group / MATRIX_GROUPS, columns, step, lane);
        workgroupBarrier();
        let end = min(K_STEP, params.inner - step);
        for (var k = 0u; k < end; k += MATRIX_GROUPS) {
            let k_matrix = k / MATRIX_GROUPS;
            for (var i = 0u; i < MATRIX_ROWS; i++) { // spelled out
                let x_at_i = ((part_row + i) * (K_STEP / MATRIX_GROUPS) + k_matrix) * VALUES;
                let values_i = coopLoadT<Left>(&x_tile[x_at_i], stride);
            }
            for (var j = 0u; j < MATRIX_COLUMNS; j++) { // spelled out
                let w_at_j = (k_matrix * TILE_MATRICES + part_column + j) * VALUES;
                let weights_j = coopLoadT<Right>(&w_tile[w_at_j], stride);
                for (var i = 0u; i < MATRIX_ROWS; i++) { // spelled out
                    sums_i_j = coopMultiplyAdd(values_i, weights_j, sums_i_j);
                }
            }
        }
        workgroupBarrier();
    }

    let row_stride = COLUMNS;
    for (var i = 0u; i < MATRIX_ROWS; i++) { // spelled out
        for (var j = 0u; j < MATRIX_COLUMNS; j++) { // spelled out
            let to_i_j = part * SIZE * COLUMNS + j * SIZE;
            coopStoreT(sums_i_j, &sum_tile[to_i_j], row_stride);
        }
        workgroupBarrier();
        epilogue_matrices(first_row, first_group, i * SIZE, lane);
        workgroupBarrier();
    }
    end_epilogue();
}
