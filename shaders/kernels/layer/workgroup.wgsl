// Computes a layer with tiles in workgroup memory, for GPUs. A workgroup computes
// ROW_LANES · TILE_ROWS rows by COLUMN_LANES · TILE_GROUPS groups of columns. It loads K_STEP groups
// of the inner dimension at a time, so that each value is loaded (and in int8 quantized) once for
// all lanes that need it.
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

@group(0) @binding(1) var<storage, read> x: array<Input4>;
@group(0) @binding(2) var<storage, read> w: array<Packed>;
@group(0) @binding(3) var<storage, read> bias: array<Bias4>;
@group(0) @binding(4) var<storage, read_write> output: array<Output4>;

const COLUMN_LANES = LANES / ROW_LANES;
const ROWS = ROW_LANES * TILE_ROWS;             // in the workgroup's tile
const GROUPS = COLUMN_LANES * TILE_GROUPS;
// A row of the tile is padded by one, so that lanes of neighbouring rows read from different memory
// banks.
const STRIDE = K_STEP + 1u;

var<workgroup> x_tile: array<Value4, ROWS * STRIDE>;
var<workgroup> w_tile: array<Block, K_STEP * GROUPS>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    begin_input();
    let first_row = workgroup.y * ROWS;
    let first_group = workgroup.x * GROUPS;
    // The rows and groups of one lane are ROW_LANES and COLUMN_LANES apart; neighbouring lanes have
    // neighbouring rows and groups.
    let row_lane = lane / COLUMN_LANES;
    let column_lane = lane % COLUMN_LANES;

    var acc: array<Acc4, TILE_ROWS * TILE_GROUPS>;
    for (var step = 0u; step < params.inner; step += K_STEP) {
        // Past the edge of a matrix, the last element is read again. Along the inner dimension that
        // would change the sums, so the loop below ends at the edge.
        for (var at = lane; at < ROWS * K_STEP; at += LANES) {
            let row = min(first_row + at / K_STEP, params.rows - 1u);
            let k = min(step + at % K_STEP, params.inner - 1u);
            x_tile[(at / K_STEP) * STRIDE + at % K_STEP] = input_value(x[row * params.inner + k]);
        }
        for (var at = lane; at < K_STEP * GROUPS; at += LANES) {
            let k = min(step + at / GROUPS, params.inner - 1u);
            let group = min(first_group + at % GROUPS, params.groups - 1u);
            w_tile[at] = block_at(0u, params.inner, params.groups, k, group);
        }
        workgroupBarrier();
        let steps = min(K_STEP, params.inner - step);
        for (var k = 0u; k < steps; k++) {
            var value: array<Value4, TILE_ROWS>;
            for (var i = 0u; i < TILE_ROWS; i++) { // unrolled
                value[i] = x_tile[(row_lane + i * ROW_LANES) * STRIDE + k];
            }
            for (var j = 0u; j < TILE_GROUPS; j++) { // unrolled
                let block = w_tile[k * GROUPS + column_lane + j * COLUMN_LANES];
                for (var i = 0u; i < TILE_ROWS; i++) { // unrolled
                    acc[i * TILE_GROUPS + j] = multiply_add(acc[i * TILE_GROUPS + j], value[i], block);
                }
            }
        }
        workgroupBarrier();
    }

    for (var i = 0u; i < TILE_ROWS; i++) { // unrolled
        for (var j = 0u; j < TILE_GROUPS; j++) { // unrolled
            let row = first_row + row_lane + i * ROW_LANES;
            let group = first_group + column_lane + j * COLUMN_LANES;
            epilogue_group(row, group, acc[i * TILE_GROUPS + j]);
        }
    }
    end_epilogue();
}
