// Computes a layer on matrix units. A workgroup is one subgroup and has MATRIX_ROWS by MATRIX_COLUMNS
// matrices of sums. The input goes through workgroup memory, where pixels are converted and edges
// are padded. The weights are stored with padding and are read from where they are.
//
// x: [rows, inner] groups of four along the inner dimension
// w: [inner, columns] matrices of SIZE inner values by SIZE outputs
// bias: [groups], output: [rows, groups]

#import shared/params
#import element
#import pre_activation
#import input
#import epilogue
#import shared/matrix/tiles
#import matrix_epilogue

@group(0) @binding(1) var<storage, read> x: array<Input4>;
@group(0) @binding(2) var<storage, read> w: array<f16>;
@group(0) @binding(3) var<storage, read> bias: array<Bias4>;
@group(0) @binding(4) var<storage, read_write> output: array<Output4>;

var<workgroup> x_tile: array<f16, ROWS * 4u * K_STEP>;     // [ROWS / SIZE, 4 · K_STEP / SIZE] matrices

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

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    begin_input();
    let first_row = workgroup.y * ROWS;
    let first_group = workgroup.x * GROUPS;
    let columns = (params.groups + MATRIX_GROUPS - 1u) / MATRIX_GROUPS;
    let stride = SIZE;

    for (var j = 0u; j < MATRIX_COLUMNS; j++) { // spelled out
        // Past the edge, the last matrix is read again; those sums are not stored.
        let column_j = min(first_group / MATRIX_GROUPS + j, columns - 1u);
        for (var i = 0u; i < MATRIX_ROWS; i++) { // spelled out
            var sums_i_j = Sums();
        }
    }
    for (var step = 0u; step < params.inner; step += K_STEP) {
        stage_x(first_row, step, lane);
        workgroupBarrier();
        let end = min(K_STEP, params.inner - step);
        for (var k = 0u; k < end; k += MATRIX_GROUPS) {
            let k_matrix = k / MATRIX_GROUPS;
            let w_row = (step / MATRIX_GROUPS + k_matrix) * columns;
            for (var i = 0u; i < MATRIX_ROWS; i++) { // spelled out
                let x_at_i = (i * (K_STEP / MATRIX_GROUPS) + k_matrix) * VALUES;
                let values_i = coopLoadT<Left>(&x_tile[x_at_i], stride);
            }
            for (var j = 0u; j < MATRIX_COLUMNS; j++) { // spelled out
                let w_at_j = (w_row + column_j) * VALUES;
                let weights_j = coopLoadT<Right>(&w[w_at_j], stride);
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
            let to_i_j = j * SIZE;
            coopStoreT(sums_i_j, &sum_tile[to_i_j], row_stride);
        }
        workgroupBarrier();
        epilogue_matrices(first_row, first_group, i * SIZE, lane);
        workgroupBarrier();
    }
    end_epilogue();
}
