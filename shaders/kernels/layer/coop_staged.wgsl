// Computes a layer on matrix units, for large products. DOWN by ACROSS subgroups of a workgroup have
// MATRIX_ROWS by MATRIX_COLUMNS matrices of sums each. They share tiles of the input and of the
// weights in workgroup memory. While they multiply one step of the inner dimension, the next one is on its
// way into registers. Weights are loaded 16 bytes at a time.
//
// x: [rows, inner] groups of four along the inner dimension
// w: [inner, columns] matrices of SIZE inner values by SIZE outputs, read as pairs of groups of four
// bias: [groups], output: [rows, groups]

#import shared/params
#import element
#import pre_activation
#import input
#import inner
#import epilogue
#import shared/fetch_input
#import shared/matrix/tiles
#import matrix_epilogue

@group(0) @binding(1) var<storage, read> x: array<Input4>;
@group(0) @binding(2) var<storage, read> w: array<Pair>;
@group(0) @binding(3) var<storage, read> bias: array<Bias4>;
@group(0) @binding(4) var<storage, read_write> output: array<Output4>;

const TILE_MATRICES = GROUPS / MATRIX_GROUPS;       // of weights, along the workgroup's columns
const MATRIX_PAIRS = VALUES / 8u;                   // pairs in a matrix
const ROW_PAIRS = MATRIX_GROUPS / 2u;               // pairs in a row of a matrix
const W_PAIRS = 2u * K_STEP * GROUPS;               // pairs of the weights in a step
// Rows of the tiles are padded by eight values, so that the rows of a matrix lie in different memory banks.
const X_STRIDE = K_STEP + 2u;
const W_STRIDE = GROUPS + 2u;

// Two groups of four in a row of a matrix.
struct Pair {
    left: vec4<f16>,
    right: vec4<f16>,
}

var<workgroup> x_tile: array<vec4<f16>, ROWS * X_STRIDE>;
var<workgroup> w_tile: array<vec4<f16>, 4u * K_STEP * W_STRIDE>;

// Loads a lane's share of the weights of a step, from `first_matrix` on. Past an edge, the last matrix is read
// again: it is multiplied with zeros, or its sums are not stored.
fn fetch_w(first_matrix: u32, columns: u32, step: u32, lane: u32) -> array<Pair, W_LOADS> {
    let deepest = (params.inner + MATRIX_GROUPS - 1u) / MATRIX_GROUPS - 1u;
    var fetched: array<Pair, W_LOADS>;
    for (var l = 0u; l < W_LOADS; l++) { // unrolled
        let at = lane + l * LANES;
        let matrix = at / MATRIX_PAIRS;
        let k = min(step / MATRIX_GROUPS + matrix / TILE_MATRICES, deepest);
        let column = min(first_matrix + matrix % TILE_MATRICES, columns - 1u);
        fetched[l] = w[(k * columns + column) * MATRIX_PAIRS + at % MATRIX_PAIRS];
    }
    return fetched;
}

// Past the edge of the inner dimension the values are zero, as the weights are: zero times infinity would
// be NaN.
fn store_x(fetched: array<Input4, X_LOADS>, step: u32, lane: u32) {
    for (var l = 0u; l < X_LOADS; l++) { // unrolled
        let at = lane + l * LANES;
        let k = at % K_STEP;
        if X_VALUES % LANES == 0u || at < X_VALUES {
            let value = select(vec4<f16>(), input_value(fetched[l]), step + k < params.inner);
            x_tile[(at / K_STEP) * X_STRIDE + k] = value;
        }
    }
}

fn store_w(fetched: array<Pair, W_LOADS>, lane: u32) {
    for (var l = 0u; l < W_LOADS; l++) { // unrolled
        let at = lane + l * LANES;
        let matrix = at / MATRIX_PAIRS;
        let row = (at % MATRIX_PAIRS) / ROW_PAIRS;
        if W_PAIRS % LANES == 0u || at < W_PAIRS {
            let first = ((matrix / TILE_MATRICES) * SIZE + row) * W_STRIDE;
            let to = first + (matrix % TILE_MATRICES) * MATRIX_GROUPS + 2u * (at % ROW_PAIRS);
            w_tile[to] = fetched[l].left;
            w_tile[to + 1u] = fetched[l].right;
        }
    }
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
) {
    begin_input();
    begin_inner(workgroup.z);
    let first_row = workgroup.y * ROWS;
    let first_group = workgroup.x * GROUPS;
    let first_matrix = first_group / MATRIX_GROUPS;
    let columns = (params.groups + MATRIX_GROUPS - 1u) / MATRIX_GROUPS;
    // Where the driver chose smaller subgroups than the largest, several compute the same part.
    let part = subgroup % (DOWN * ACROSS);
    let part_row = (part / ACROSS) * MATRIX_ROWS;
    let part_column = (part % ACROSS) * MATRIX_COLUMNS;
    // Strides count groups of four.
    let x_stride = X_STRIDE;
    let w_stride = W_STRIDE;

    for (var j = 0u; j < MATRIX_COLUMNS; j++) { // spelled out
        for (var i = 0u; i < MATRIX_ROWS; i++) { // spelled out
            var sums_i_j = Sums();
        }
    }
    let first = first_step(workgroup.z);
    let end = end_of_steps(workgroup.z);
    var x_next = fetch_x(first_row, first, lane);
    var w_next = fetch_w(first_matrix, columns, first, lane);
    for (var step = first; step < end; step += K_STEP) {
        store_x(x_next, step, lane);
        store_w(w_next, lane);
        workgroupBarrier();
        x_next = fetch_x(first_row, step + K_STEP, lane);
        w_next = fetch_w(first_matrix, columns, step + K_STEP, lane);
        for (var k = 0u; k < K_STEP; k += MATRIX_GROUPS) {
            for (var i = 0u; i < MATRIX_ROWS; i++) { // spelled out
                let x_at_i = (part_row + i) * SIZE * X_STRIDE + k;
                let values_i = coopLoadT<Left>(&x_tile[x_at_i], x_stride);
            }
            for (var j = 0u; j < MATRIX_COLUMNS; j++) { // spelled out
                let w_at_j = 4u * k * W_STRIDE + (part_column + j) * MATRIX_GROUPS;
                let weights_j = coopLoadT<Right>(&w_tile[w_at_j], w_stride);
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
