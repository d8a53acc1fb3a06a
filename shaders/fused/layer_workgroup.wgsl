// A whole layer on a GPU: a workgroup takes ROW_LANES · TILE_ROWS rows by COLUMN_LANES · TILE_GROUPS
// groups of columns, and brings K_STEP groups of the inner dimension at a time into workgroup memory,
// each value loaded (and in int8 quantized) once for all who need it.
//
// x: [rows, inner] groups of four along the inner dimension
// w: [inner, groups] blocks of four inner values by four outputs
// bias: [groups], output: [rows, groups]

@group(0) @binding(1) var<storage, read> x: array<Input4>;
@group(0) @binding(2) var<storage, read> w: array<Packed>;
@group(0) @binding(3) var<storage, read> bias: array<Bias4>;
@group(0) @binding(4) var<storage, read_write> output: array<Output4>;

const COLUMN_LANES = LANES / ROW_LANES;
const ROWS = ROW_LANES * TILE_ROWS;             // of the workgroup's tile
const GROUPS = COLUMN_LANES * TILE_GROUPS;
// A row of the tile is one longer than it need be, so that lanes of neighbouring rows read from
// different banks of the memory.
const STRIDE = K_STEP + 1u;

var<workgroup> x_tile: array<Value4, ROWS * STRIDE>;
var<workgroup> w_tile: array<Block, K_STEP * GROUPS>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    begin();
    let first_row = workgroup.y * ROWS;
    let first_group = workgroup.x * GROUPS;
    // A lane's rows and groups are not next to each other: its neighbours' are.
    let row_lane = lane / COLUMN_LANES;
    let column_lane = lane % COLUMN_LANES;

    var acc: array<Acc4, TILE_ROWS * TILE_GROUPS>;
    for (var step = 0u; step < params.inner; step += K_STEP) {
        // Past the edge of a matrix the last element is read once more. Only along the inner dimension
        // would that change a sum, so the loop below ends there.
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
            finish_group(row, group, acc[i * TILE_GROUPS + j]);
        }
    }
    end();
}
